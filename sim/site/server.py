"""``edgetpusim lab``: the same pages on a loopback address, behind a random token, answered by this computer's Python.

Nothing of it needs a network, Pyodide or another package. Whoever comes without the token gets nothing.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shutil
import socket
import sys
import tempfile
import webbrowser
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress

from hwmodels.errors import InputError, nearest, reason
from sim.lab.catalogue import LESSONS
from sim.lab.lesson import Lesson
from sim.site.answering import LabServer
from sim.site.gate import LOCAL, TOKEN, Gate

__all__ = ["find_lesson", "listen", "serve"]


def find_lesson(text: str) -> Lesson | None:
    """Return the lesson of a number or name (``3``, ``lesson_3``), None for no text.

    Raises :class:`InputError` for another one.
    """
    names = {name: one for one in LESSONS for name in (str(one.number), f"lesson_{one.number}")}
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
    one needs ``remote``. Raises :class:`InputError` for an unknown lesson, a port that is taken or an address that is
    refused.
    """
    wanted = find_lesson(lesson)
    token = secrets.token_urlsafe(24)
    door = listen(address, port, remote)
    host, number = door.getsockname()[:2]
    page, part = ("lesson.html", f"#{wanted.number}") if wanted else ("lessons.html", "")
    url = f"http://{f'[{host}]' if ':' in host else host}:{number}/{page}?{TOKEN}={token}{part}"
    print(f"{url}\nCtrl-C ends the lab.", file=sys.stderr, flush=True)
    if as_json:
        print(json.dumps({"url": url}), flush=True)
    if browser and has_browser():
        webbrowser.open(url)
    _run(Gate(token, None if remote else {*LOCAL, host}), door)


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


@contextmanager
def _own_folder() -> Iterator[None]:
    """Work in a folder of its own, where files that are dropped on a page are kept until the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, chdir(folder):
        yield


def _run(gate: Gate, door: socket.socket) -> None:
    """Answer until Ctrl-C."""
    with suppress(KeyboardInterrupt), _own_folder(), LabServer(door, gate) as lab:
        lab.serve_forever()
    print("The lab is closed.", file=sys.stderr, flush=True)
