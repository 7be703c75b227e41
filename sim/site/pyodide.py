"""Python for the browser: one pinned release of Pyodide, from its npm package, checked by its hash.

Pyodide (pyodide.org) is under the Mozilla Public License 2.0. It is put into the site when that is built and is no
part of this repository.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from io import BytesIO
from pathlib import Path

from hwmodels.errors import InputError, reason

__all__ = ["RELEASE", "SHA512", "pyodide_files"]

RELEASE = "314.0.7"  # Python 3.14
SHA512 = (
    "d18bd7c4485f11da4b7dbfd790cd8114078c44eab488c517d9bcf31fda4eb6dc"
    "8c716930abe1db139bb2b860fcd8b37bcb6abe48dbe2ffa579244b0e943d91d4"
)
WANTED = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "pyodide-lock.json", "python_stdlib.zip")
PATIENCE_S = 300


def pyodide_files(archive: Path | None = None) -> dict[str, bytes]:
    """Return the files of Pyodide that a page needs, by name.

    ``archive`` is the npm package as a file; without one, npm downloads it. Raises :class:`InputError` where there is
    neither, and for an archive that is not the pinned release.
    """
    data = _read(archive) if archive else _downloaded()
    found = hashlib.sha512(data).hexdigest()
    if found != SHA512:
        what = f"is not the npm package pyodide {RELEASE} (its SHA-512 begins with {found[:12]})"
        raise InputError.problem(f"--pyodide {archive or 'from npm'}", what, f"give pyodide-{RELEASE}.tgz")
    with tarfile.open(fileobj=BytesIO(data)) as package:
        return {name: _member(package, f"package/{name}") for name in WANTED}


def _member(package: tarfile.TarFile, name: str) -> bytes:
    file = package.extractfile(name)
    assert file is not None  # the hash says what is in it
    return file.read()


def _read(archive: Path) -> bytes:
    try:
        return archive.read_bytes()
    except OSError as error:
        raise InputError.problem(
            f"--pyodide {archive}", f"cannot be read ({reason(error)})", f"give pyodide-{RELEASE}.tgz"
        ) from None


def _downloaded() -> bytes:
    """The package as ``npm pack`` fetches it."""
    npm = shutil.which("npm")
    if npm is None:
        raise InputError.problem(
            "npm", "is not installed", f"install it, or give its package pyodide {RELEASE} with --pyodide FILE.tgz"
        )
    with tempfile.TemporaryDirectory() as folder:
        words = [npm, "pack", f"pyodide@{RELEASE}", "--silent", "--pack-destination", folder]
        try:
            subprocess.run(words, check=True, capture_output=True, timeout=PATIENCE_S, cwd=folder)
            return (Path(folder) / f"pyodide-{RELEASE}.tgz").read_bytes()
        except (OSError, subprocess.SubprocessError):
            raise InputError.problem(
                f"npm pack pyodide@{RELEASE}", "fails", "try again with a network, or give --pyodide FILE.tgz"
            ) from None
