"""The first thing that a program's Python runs: copied into the session's folder as ``sitecustomize.py``.

Puts the virtual libedgetpu in place and goes on to the user's own ``sitecustomize``, if there is one. Standard library
only, Python 3.8 or newer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER, HOOKED, PACKAGE = "EDGETPUSIM_VIRTUAL", "hooked", "edgetpusim_virtual"


def start() -> None:
    """Install the virtual library where a session is named, and leave a note that a Python came by."""
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    try:
        (Path(folder) / HOOKED).touch()
        from importlib import import_module

        import_module(PACKAGE + ".loader").install()
    except Exception as error:
        print(f"edgetpusim virtual: no virtual accelerator in this process: {error}", file=sys.stderr)


def go_on() -> None:
    """Run the next ``sitecustomize`` of the path in place of this one."""
    from importlib.machinery import PathFinder
    from importlib.util import module_from_spec

    here = Path(__file__).resolve().parent
    rest = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    spec = PathFinder.find_spec("sitecustomize", rest)
    if spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if __name__ == "sitecustomize":
    start()
    go_on()
