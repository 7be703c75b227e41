"""A headless Firefox, driven by its own protocol (Marionette: JSON after its length, over a local socket).

Needs Firefox alone: neither its driver program nor a build that Playwright could drive.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

FIREFOX = os.environ.get("FIREFOX") or shutil.which("firefox-esr") or shutil.which("firefox")
PATIENCE_S = 120
#: Any free port; no host but this one can be reached; no first-run pages.
PREFERENCES = {
    "marionette.port": 0, "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9,
    "network.proxy.ssl": "127.0.0.1", "network.proxy.ssl_port": 9, "network.proxy.no_proxies_on": "127.0.0.1",
    "browser.shell.checkDefaultBrowser": False, "datareporting.policy.dataSubmissionEnabled": False,
    "browser.aboutwelcome.enabled": False, "toolkit.startup.max_resumed_crashes": -1, "app.update.enabled": False,
    "browser.download.folderList": 2, "browser.download.dir": "",
}  # fmt: skip


class Firefox:
    """One window."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        self.stream, self.count = self.socket.makefile("rb"), 0
        self._received()  # the greeting
        self.call("WebDriver:NewSession", {})
        self.call("WebDriver:SetTimeouts", {"script": 1000 * PATIENCE_S, "pageLoad": 1000 * PATIENCE_S})

    def close(self) -> None:
        """Hang up."""
        self.stream.close()
        self.socket.close()

    def _received(self) -> Any:
        length = b""
        while not length.endswith(b":"):
            piece = self.stream.read(1)
            assert piece, "Firefox has gone"
            length += piece
        return json.loads(self.stream.read(int(length[:-1])))

    def call(self, name: str, parameters: dict[str, Any]) -> Any:
        """Run a command of the protocol and return what it gives."""
        self.count += 1
        body = json.dumps([0, self.count, name, parameters])
        self.socket.sendall(f"{len(body.encode())}:{body}".encode())
        _, _, error, result = self._received()
        assert error is None, f"{name}: {error}"
        return result

    def goto(self, address: str) -> None:
        """Open an address."""
        self.call("WebDriver:Navigate", {"url": address})

    def evaluate(self, function: str, *arguments: Any) -> Any:
        """Return what a function of JavaScript gives, or what its promise does."""
        script = (
            "const done = arguments[arguments.length - 1];"
            f"Promise.resolve().then(() => ({function})(...arguments[0]))"
            ".then((value) => done([value ?? null, null]), (error) => done([null, String(error)]));"
        )
        parameters = {"script": script, "args": [arguments], "newSandbox": False, "sandbox": None}
        value, error = self.call("WebDriver:ExecuteAsyncScript", parameters)["value"]
        assert error is None, error
        return value

    def press(self, where: str, key: str) -> None:
        """Press a key in an element."""
        found = self.call("WebDriver:FindElement", {"using": "css selector", "value": where})["value"]
        (element,) = found.values()
        self.call("WebDriver:ElementSendKeys", {"id": element, "text": key})

    def wait_for(self, condition: str, *arguments: Any) -> None:
        """Wait until a function of JavaScript gives something true."""
        end = time.monotonic() + PATIENCE_S
        while not self.evaluate(condition, *arguments):
            assert time.monotonic() < end, f"waited for {condition}: {self.evaluate('() => document.body.innerText')}"
            time.sleep(0.02)


@contextmanager
def firefox(profile: Path) -> Iterator[Firefox]:
    """Start Firefox with a profile of its own, and end it."""
    assert FIREFOX is not None
    lines = (f'user_pref("{key}", {json.dumps(value)});' for key, value in PREFERENCES.items())
    (profile / "user.js").write_text("\n".join(lines), encoding="utf-8")
    words = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    home = {**os.environ, "HOME": str(profile), "MOZ_CRASHREPORTER_DISABLE": "1"}
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=home) as process:
        try:
            with closing(Firefox(_port(profile, process))) as browser:
                yield browser
        finally:
            process.terminate()


def _port(profile: Path, process: subprocess.Popen[bytes]) -> int:
    """The port that Firefox wrote down."""
    path, end = profile / "MarionetteActivePort", time.monotonic() + PATIENCE_S
    while not (path.exists() and path.read_text()):
        assert process.poll() is None and time.monotonic() < end, "Firefox does not start"
        time.sleep(0.05)
    return int(path.read_text())
