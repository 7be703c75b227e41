"""The virtual libedgetpu in C, built with the system's compiler: for containers and programs that are not Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from hwmodels.errors import InputError

__all__ = ["NAMES", "NO_COMPILER", "build_library", "compiler"]

SOURCE = Path(__file__).parent / "device.c"
#: Names under which programs load it; the first is the file.
NAMES = ("libedgetpu.so.1", "libedgetpu.so.1.0", "libedgetpu.so")
NO_COMPILER = "no C compiler (cc, or the one that $CC names): no library is built"


def compiler() -> str | None:
    """Return the path of the system's C compiler, None where there is none."""
    return shutil.which(os.environ.get("CC") or "cc")


def build_library(folder: Path) -> Path | None:
    """Build the library into a folder, under each of its names, and return its path.

    Returns
    -------
    Path or None
        None where the system has no compiler.

    Raises
    ------
    InputError
        Where the compiler fails or the folder cannot be written.
    """
    path = compiler()
    if path is None:
        return None
    target = folder / NAMES[0]
    command = [path, "-O2", "-shared", "-fPIC", "-fvisibility=hidden", str(SOURCE), "-o", str(target), "-lpthread"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise InputError.problem(f"the compiler {path}", "does not run", error.strerror or "") from None
    if done.returncode:
        raise InputError.problem(
            f"the compiler {path}", "builds no library", (done.stderr or "it says nothing").splitlines()[0]
        )
    for name in NAMES[1:]:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(NAMES[0])
    return target
