"""Run a program against a session: find the compiled files that it names, start it, wait for it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hwmodels.errors import InputError
from sim.virtual.plan import compiled_options
from sim.virtual.session import Session

__all__ = ["find_files", "run_program"]

COMPILED = "*edgetpu*.tflite"
PYTHON = re.compile(r"python[0-9.]*")
#: Options with which Python reads neither PYTHONPATH nor sitecustomize.
ISOLATED = {"I": "-I", "E": "-E", "S": "-S"}


def find_files(command: Sequence[str]) -> list[Path]:
    """Return the compiled files that a command line names, or that lie beside the files and in the folders it names."""
    named: dict[Path, None] = {}
    beside: dict[Path, None] = {}
    for word in command[1:]:
        path = Path(word.split("=", 1)[-1])
        if path.suffix == ".tflite" and path.is_file():
            named[path] = None
        elif path.is_dir() or path.is_file():
            folder = path if path.is_dir() else path.parent
            beside.update(dict.fromkeys(sorted(folder.glob(COMPILED))))
    return [path for path in named or beside if _is_compiled(path)]


def _is_compiled(path: Path) -> bool:
    try:
        return bool(compiled_options(path))
    except InputError:
        return False


def refuse_isolated(command: Sequence[str]) -> None:
    """Raise :class:`InputError` for a Python that is told to ignore the environment: no hook could reach it."""
    if not PYTHON.fullmatch(Path(command[0]).name):
        return
    for word in command[1:]:
        if not word.startswith("-") or word.startswith("--") or word in ("-c", "-m"):
            return
        for letter, option in ISOLATED.items():
            if letter in word:
                raise InputError.problem(
                    f"{command[0]} {option}", "ignores PYTHONPATH", f"leave out {option}, or use --library DIR"
                )


def run_program(session: Session, command: Sequence[str], quiet: bool = False) -> int:
    """Run a program to its end and return its exit code; one that was killed counts 128 and its signal.

    ``quiet`` sends its output to the error channel, so that a JSON answer stands alone.

    Raises
    ------
    InputError
        For a program that cannot be started.
    """
    if not session.is_compiled:
        refuse_isolated(command)
    target = sys.stderr if quiet else None
    try:
        process = subprocess.Popen(list(command), env=session.environment(), stdout=target)
    except OSError as error:
        raise InputError.problem(f"the program {command[0]!r}", "cannot be started", error.strerror or "") from None
    while True:
        try:
            code = process.wait()
            return code if code >= 0 else 128 - code
        except KeyboardInterrupt:  # the terminal told the program as well: its devices' report is still wanted
            continue
