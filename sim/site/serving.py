"""The page on this computer's own address, as any other web server would serve it."""

from __future__ import annotations

import sys
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hwmodels.errors import InputError, reason

__all__ = ["serve", "server_of"]

LOCAL = "127.0.0.1"


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def server_of(folder: Path, port: int = 0) -> ThreadingHTTPServer:
    """Return a server of a folder on the loopback address; port 0 is any free one.

    Raises :class:`InputError` for a port that cannot be had.
    """
    try:
        return ThreadingHTTPServer((LOCAL, port), partial(Quiet, directory=str(folder)))
    except OSError as error:
        raise InputError.problem(
            f"--serve {port}", f"cannot be had ({reason(error)})", "take another port, or 0 for a free one"
        ) from None


def serve(folder: Path, port: int = 0) -> None:
    """Serve a folder until Ctrl-C, and say where."""
    with server_of(folder, port) as server:
        print(f"http://{LOCAL}:{server.server_port}/ (Ctrl-C ends it)", file=sys.stderr, flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
