"""What pages show of a command's output: lines of a ``text`` block below it, or code in the last cell of its row.

``python tests/shown.py`` prints what each command shown in the pages prints now, to bring a page up to date.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "Shown", "printed", "shown", "words"]

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^    (edgetpusim [^\n]*)\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\|[^|\n]*\| `(edgetpusim [^`]*)` \| ((?:`[^`]*`(?:, )?)+) \|$", re.MULTILINE)


@dataclass(frozen=True)
class Shown:
    """A command of a page, and lines that it is said to print."""

    page: str
    command: str
    lines: tuple[str, ...]


def shown(page: Path) -> list[Shown]:
    """Every command of a page whose output stands there."""
    text = page.read_text(encoding="utf-8")
    blocks = [Shown(page.name, command, tuple(lines.splitlines())) for command, lines in BLOCK.findall(text)]
    return blocks + [Shown(page.name, line, tuple(re.findall(r"`([^`]*)`", cell))) for line, cell in ROW.findall(text)]


def words(text: str) -> str:
    """A text without the lines of tables, and with single spaces."""
    return " ".join(re.sub(r"[│┃━╇╪─█▏▎▍▌▋▊▉]", " ", text).split())


def printed(command: str) -> str:
    """What a command prints on a wide terminal."""
    run = "from sim.commands.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", run, *shlex.split(command)[1:]], cwd=ROOT, check=True, text=True, capture_output=True,
        env={**os.environ, "COLUMNS": "300", "PYTHONIOENCODING": "utf-8"},
    ).stdout  # fmt: skip


def main() -> None:
    """Print every command with what it prints now."""
    for one in (one for name in ("README.md", "docs/howto.md") for one in shown(ROOT / name)):
        print(f"{one.page}: {one.command}\n{printed(one.command)}")


if __name__ == "__main__":
    main()
