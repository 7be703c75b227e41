"""``edgetpusim lab``: the lessons on a loopback address, behind a random token, with no network needed.

One process serves the list of lessons and every notebook. Whoever comes without the token (in the address once, then
in a cookie) gets nothing.
"""

from __future__ import annotations

import ipaddress
import json
import os
import re
import secrets
import shutil
import socket
import sys
import webbrowser
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from contextlib import suppress
from html import escape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, quote

from hwmodels.errors import InputError, nearest, reason
from sim.lab import LESSONS, Lesson

__all__ = ["Gate", "find_lesson", "lab_app", "listen", "serve"]

STYLE = (
    "body{font-family:system-ui,'DejaVu Sans',sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "line-height:1.5}li{margin:.7rem 0}a{color:#0072B2}"
)
COOKIE = "edgetpusim_lab"
#: What marimo could serve and no lesson has: files in memory, which by name may be any program's, and a terminal.
NOT_OURS = ("/@file", "/terminal")
LOCAL = frozenset(["127.0.0.1", "localhost", "::1"])
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


def find_lesson(text: str) -> Lesson | None:
    """Return the lesson of a number or name (``3``, ``lesson_3``), None for no text.

    Raises :class:`InputError` for another one.
    """
    names = {name: lesson for lesson in LESSONS for name in (str(lesson.number), lesson.name)}
    if text and text not in names:
        raise InputError.value("LESSON", text, f"1 to {len(LESSONS)}", nearest(text, names))
    return names.get(text)


def serve(
    lesson: str = "",
    port: int = 0,
    address: str = "127.0.0.1",
    remote: bool = False,
    browser: bool = True,
    as_json: bool = False,
) -> None:
    """Serve the lessons until interrupted; print their address on stderr and open it where there is a browser.

    ``as_json`` also prints it on stdout, as one object. ``port`` 0 takes a free one; an ``address`` that is no loopback
    one needs ``remote``. Raises :class:`InputError` for an unknown lesson, a port that is taken, an address that is
    refused or a missing extra.
    """
    wanted = find_lesson(lesson)
    require_marimo()
    token = secrets.token_urlsafe(24)
    door = listen(address, port, remote)
    host, number = door.getsockname()[:2]
    page = f"{wanted.name}/" if wanted else ""
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}/{page}?access_token={token}"
    print(f"{url}\nCtrl-C ends the lab.", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"url": url}), flush=True)
    if browser and has_browser():
        webbrowser.open(url)
    _run(lab_app(token, None if remote else {*LOCAL, host}), door)


def require_marimo() -> None:
    """Raise :class:`InputError` with what to install where the extra is missing."""
    try:
        import marimo  # noqa: F401 (is it there?)
        import uvicorn  # noqa: F401 (is it there?)
    except ImportError:
        raise InputError.problem("marimo", "is not installed", "run pip install 'edgetpusim[lab]'") from None


def listen(address: str, port: int, remote: bool = False) -> socket.socket:
    """Return a socket that is bound to a loopback address, or to another one if ``remote`` says that it is meant.

    Raises :class:`InputError` for an address that is refused or a port that cannot be had.
    """
    try:
        loopback = ipaddress.ip_address("127.0.0.1" if address == "localhost" else address).is_loopback
    except ValueError:
        raise InputError.value("--address", address, "an IP address such as 127.0.0.1") from None
    if not loopback and not remote:
        raise InputError.value("--address", address, "a loopback address without --remote, as the lab runs programs")
    door = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        door.bind((address, port))
        door.listen()  # from here on a browser that is quicker than the server waits
    except (OSError, OverflowError) as error:
        door.close()
        raise InputError.problem(
            f"--port {port}", f"cannot be opened ({reason(error)})", "give a free port, or 0"
        ) from None
    return door


def has_browser() -> bool:
    """Whether a window can be opened here: a display, or a system that always has one."""
    shown = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform in ("win32", "darwin")
    return bool(shown or (os.environ.get("BROWSER") and shutil.which(os.environ["BROWSER"].split()[0])))


def lab_app(token: str, hosts: Collection[str] | None = LOCAL) -> App:
    """The list of lessons and the notebooks as one ASGI application behind a gate, for browsers that ask ``hosts``."""
    import marimo

    # The server's own log must not show up in the terminal, and no page may ask another host.
    builder = marimo.create_asgi_app(quiet=True, include_code=True)
    for lesson in LESSONS:
        builder = builder.with_app(path=f"/{lesson.name}", root=str(lesson.file))
    return Gate(_with_index(builder.build()), token, hosts)


def _with_index(lessons: Any) -> App:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        """Answer ``/`` with the index, hand everything else to the lessons."""
        if scope["type"] == "http" and scope["path"] == "/":
            await _respond(send, 200, index_page().encode())
        elif any(word in scope.get("path", "") for word in NOT_OURS):
            await _refuse(scope, send, b"No such page.")
        else:
            await lessons(scope, receive, send)

    return app


def index_page() -> str:
    """The list of lessons as a page of its own."""
    rows = "".join(
        f"<li><a href='/{lesson.name}/'>{escape(lesson.title)}</a><br>{escape(lesson.question)}</li>"
        for lesson in LESSONS
    )
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>edgetpusim lab</title>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><link rel='icon' href='data:,'>"
        f"<style>{STYLE}</style></head><body>"
        "<h1>Threads on an accelerator: nine lessons</h1><p>Each asks a question, lets you predict, and answers with "
        f"the simulator. Twenty minutes a lesson.</p><ol>{rows}</ol></body></html>"
    )


class Gate:
    """Lets through who has the token: in the address (then in a cookie from there on) or in the cookie.

    Requests for another host than ``hosts`` (None: any) and from pages of another origin are refused, token or not.
    """

    def __init__(self, app: App, token: str, hosts: Collection[str] | None = LOCAL) -> None:
        self.app, self.token, self.hosts = app, token, hosts

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve, redirect to the address without the token, or refuse."""
        is_request = scope["type"] in ("http", "websocket")
        if is_request and self._is_foreign(scope):
            await _refuse(scope, send, b"This lab answers its own pages only.")
        elif not is_request or self._matches(_cookie(scope)):
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and self._matches(_query(scope)):
            await _respond(send, 303, b"", [(b"location", _own_path(scope)), (b"set-cookie", self._set_cookie())])
        else:
            await _refuse(scope, send, b"This lab opens with the address that edgetpusim lab printed.")

    def _is_foreign(self, scope: Message) -> bool:
        host, origin = _header(scope, b"host"), _header(scope, b"origin")
        return self._is_other_host(host) or bool(origin and origin.partition("://")[2] != host)

    def _is_other_host(self, host: str) -> bool:
        if self.hosts is None:
            return False
        return re.sub(r":[0-9]+$", "", host).strip("[]").lower() not in self.hosts

    def _matches(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())

    def _set_cookie(self) -> bytes:
        return f"{COOKIE}={self.token}; HttpOnly; SameSite=Strict; Path=/".encode()


async def _refuse(scope: Message, send: Send, why: bytes) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
    else:
        await _respond(send, 403, why)


def _own_path(scope: Message) -> bytes:
    """The path asked for, on this host whatever it begins with."""
    return quote("/" + scope["path"].lstrip("/\\")).encode()


def _header(scope: Message, name: bytes) -> str:
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    return next((value.decode("latin-1") for key, value in headers if key == name), "")


def _cookie(scope: Message) -> str:
    try:
        found = SimpleCookie(_header(scope, b"cookie")).get(COOKIE)
    except Exception:  # a header that is no cookie: its parser has several errors
        found = None
    return str(found.value) if found else ""


def _query(scope: Message) -> str:
    query: bytes = scope.get("query_string", b"")
    return parse_qs(query.decode("latin-1")).get("access_token", [""])[0]


async def _respond(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    kind = (b"content-type", b"text/html; charset=utf-8")
    await send({"type": "http.response.start", "status": status, "headers": [kind, *(headers or [])]})
    await send({"type": "http.response.body", "body": body})


def _run(app: App, door: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[door])
    print("The lab is closed.", file=sys.stderr, flush=True)
    os._exit(0)  # the kernels of opened lessons are threads that would wait for ever
