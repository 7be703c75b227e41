"""The built site on a server of its own, and a browser that reaches no other host; for its tests and its benchmark."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.site.build import build_site

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
WAIT_MS = 90_000
READ = """(name) => Object.fromEntries([...document.querySelectorAll(`[data-${name}]`)].map(e => [e.dataset[name], e.dataset.value]))"""
DROP = """async ([name, bytes]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], name));
    dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""
TEXT = "(where) => document.querySelector(where).textContent"
IS_ANSWERED = "document.body.dataset.answered === location.hash.slice(1)"
#: One of each kind that a page could get wrong.
KINDS = [
    {"models": "mobilenet_v1_1.0_224:1,mobilenet_v2_1.0_224:2", "cocompile": True},
    {"models": "mobilenet_v1_0.25_128@60,mobilenet_v2_1.0_224@30", "threads": 2, "inferences": 200},
    {"models": "ssdlite_mobiledet_320>mobilenet_v2_1.0_224:0.3", "host": "raspberry-pi-4"},
    {"models": "inception_v3_299", "mode": "pipeline", "accelerators": 3},
    {"models": "resnet_50_v1_224", "size": "dpu-b4096", "threads": 3},
    {"models": "ssdlite_mobiledet_320", "cameras": "6x5", "regions": 2.5, "motion": 0.4, "host": "raspberry-pi-4"},
    {"models": "mobilenet_v2_1.0_224", "arrivals": "poisson:100", "jitter": "measured", "inferences": 300},
    {"models": "mobilenet_v2_1.0_224", "accelerators": 0, "threads": 2, "host": "raspberry-pi-4"},
]


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and prints nothing."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder as ``python -m http.server`` does; yield its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


def pyodide_file() -> Path | None:
    """Pyodide's npm package, where ``PYODIDE`` names it; else npm fetches it."""
    given = os.environ.get("PYODIDE")
    return Path(given) if given else None


def built(folder: Path) -> dict[str, int]:
    """Build the site in a folder; return the bytes of its files over the wire. Skips where there is no Pyodide."""
    try:
        return build_site(folder, pyodide_file()).sizes
    except InputError as error:
        pytest.skip(f"no Pyodide here ({error}): the page is not tested")


def ask(page: Any, options: dict[str, Any]) -> None:
    """Ask by the fragment, as a link does, and wait for the figures."""
    written = {name: str(value).lower() if value is True else value for name, value in options.items()}
    page.evaluate("text => { location.hash = text; }", "&".join(f"{k}={v}" for k, v in written.items()))
    answered(page)


def answered(page: Any) -> None:
    """Wait until the figures are those of the present question."""
    for _ in range(WAIT_MS // 20):
        if page.evaluate(IS_ANSWERED):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"no answer: {page.inner_text('#answer')}")


def holds(page: Any, scenario: Scenario) -> None:
    """The page's figures are those of the simulator, to the last digit."""
    assert page.evaluate(TEXT, "#refused") == ""
    summary, figures = simulate(scenario).summary, page.evaluate(READ, "figure")
    assert {"throughput_ips", "latency_ms.mean", "energy_mj_per_inference"} <= set(figures)
    for key, value in figures.items():
        expected = summary
        for part in key.split("."):
            expected = expected[part]
        assert float(value) == expected, key
    models = page.evaluate(READ, "model")
    if len(summary["models"]) > 1:
        assert {name: float(rate) for name, rate in models.items()} == {
            name: row["throughput_ips"] for name, row in summary["models"].items()
        }
    assert summary["bottleneck_text"] in page.evaluate(TEXT, "#bottleneck")
