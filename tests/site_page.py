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

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]  # fmt: skip
WAIT_MS = 90_000
IS_ANSWERED = "document.body.dataset.answered === location.hash.slice(1)"


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
