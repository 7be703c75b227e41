"""The lab's end of the pages: their files, and what they ask, answered by the Python that runs here."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

from hwmodels.errors import InputError
from sim.site.gate import Gate, Refusal
from sim.site.pages import FOLDER, notebook_files, page_files
from sim.site.questions import VERBS, keep, reply

__all__ = ["LabServer"]

KINDS = {
    ".html": "text/html; charset=utf-8", ".mjs": "text/javascript", ".css": "text/css", ".png": "image/png",
    ".json": "application/json", ".ipynb": "application/x-ipynb+json",
}  # fmt: skip
#: What runs Python in the browser, which this server does itself.
LEFT_OUT = ("worker.js", "service.js")
#: By this a page knows whom to ask.
HEAD, SIGN = b'<meta charset="utf-8">', b'<meta name="transport" content="server">'
LONGEST_QUESTION, LONGEST_FILE = 1 << 20, 256 << 20  # bytes
PATIENCE_S = 60


class LabServer(ThreadingHTTPServer):
    """Serves the pages and their questions behind a gate, on a socket that listens already."""

    def __init__(self, door: socket.socket, gate: Gate) -> None:
        self.address_family = door.family
        super().__init__(door.getsockname()[:2], _Visit, bind_and_activate=False)
        self.socket.close()
        self.socket, self.gate, self.simulator = door, gate, Lock()
        self.pages = lab_files()

    def file(self, name: str) -> bytes | None:
        """Return a file by its name, None for one that is not there; notebooks are made when one is first asked for."""
        if name.startswith(FOLDER):
            with self.simulator:
                return notebook_files().get(name)
        return self.pages.get(name)

    def handle_error(self, *_: Any) -> None:
        """Say nothing of a browser that went away."""


def lab_files() -> dict[str, bytes]:
    """Return the pages' files by name, each page with the sign that the server answers."""
    files = {name: data for name, data in page_files().items() if name not in LEFT_OUT}
    return {
        name: data.replace(HEAD, HEAD + SIGN, 1) if name.endswith(".html") else data for name, data in files.items()
    }


class _Visit(BaseHTTPRequestHandler):
    """One browser's requests."""

    server: LabServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "edgetpusim", ""
    disable_nagle_algorithm = True  # an answer has a head and a body
    timeout = PATIENCE_S

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Serve a file of the pages, and none besides."""
        refusal = self.server.gate.refusal(self.path, self.headers)
        name = urlsplit(self.path).path.lstrip("/") or "index.html"
        data = None if refusal else self.server.file(name)
        if data is None:
            self._refuse(refusal or Refusal(404, "No such page."))
        else:
            self._send(200, data, KINDS[Path(name).suffix])

    def do_POST(self) -> None:
        """Answer a question, or keep a file that was dropped."""
        refusal = self.server.gate.refusal(self.path, self.headers)
        address = urlsplit(self.path)
        if refusal is None and address.path not in ("/ask", "/drop"):
            refusal = Refusal(404, "No such question.")
        most = LONGEST_QUESTION if address.path == "/ask" else LONGEST_FILE
        if refusal is None and not self._length() <= most:
            refusal = Refusal(413, f"At most {most >> 20} MB.")
        if refusal:
            self._refuse(refusal)
            return
        body = self.rfile.read(self._length())
        with self.server.simulator:
            answer = asked(body) if address.path == "/ask" else dropped(address.query, body)
        self._send(200, answer.encode(), KINDS[".json"])

    def _length(self) -> int:
        text = self.headers.get("Content-Length", "")
        return int(text) if text.isdecimal() else LONGEST_FILE + 1

    def _refuse(self, refusal: Refusal) -> None:
        self.close_connection = True  # what it brings is not read
        self._send(refusal.status, refusal.words.encode(), KINDS[".html"], refusal.headers)

    def _send(self, status: int, body: bytes, kind: str, more: tuple[tuple[str, str], ...] = ()) -> None:
        self.send_response(status)
        known = (
            ("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-cache"),
            ("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "same-origin"),
        )  # fmt: skip
        for name, value in known + more:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def asked(body: bytes) -> str:
    """Return the reply to a question as JSON; whatever goes wrong is told, as the page's worker tells it."""
    try:
        question = json.loads(body)
        verb, options = str(question["verb"]), question["options"]
        if verb in VERBS:
            _check_inside(options)
        return reply(verb, json.dumps(options))
    except InputError as error:
        return json.dumps({"error": str(error)})
    except Exception as error:  # a visitor's question never ends the lab
        return json.dumps({"error": f"The simulator failed: {type(error).__name__}: {error}"})


def _check_inside(options: Any) -> None:
    """Raise :class:`InputError` for an option that names a file elsewhere: visitors may not read this computer's."""
    for text in _texts(options):
        if "/" in text or "\\" in text or Path(text).drive:
            raise InputError.problem(repr(text), "names a file elsewhere", "drop the file onto the page instead")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner)


def dropped(query: str, data: bytes) -> str:
    """Keep a dropped file; return its name as JSON."""
    name = parse_qs(query).get("name", [""])[0]
    try:
        return json.dumps({"answer": keep(name, data)})
    except OSError:
        return json.dumps({"error": f"{name!r} is no name of a file"})
