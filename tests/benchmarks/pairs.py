"""The compiler model against compiled files: ``python tests/benchmarks/pairs.py [FOLDER ...]``.

Prints a line for each plain network whose compiled file lies beside it (default: the shared models), then the shares
that are right. Names and columns are those of ``edgetpusim compile``; a miss is marked.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from twins import MODELS, Twin, compiled_paths

KEYS = {
    "cached": ("cached_bytes", "cached_parameter_bytes"),
    "streamed": ("streamed_bytes", "streamed_parameter_bytes"),
    "instructions": ("instruction_bytes", "instruction_bytes"),
}


def row(path: Path) -> dict[str, tuple[int, int] | bool | str]:
    """Model and file of one pair, by column."""
    twin = Twin(path)
    found = {name: (twin.modelled(ours), twin.total(files)) for name, (ours, files) in KEYS.items()}
    blob = tuple(a + b for a, b in zip(found["cached"], found["streamed"], strict=True))
    split = (len(twin.cpu_ops), len(twin.file_cpu_ops))
    return {"name": path.stem, "compiler": twin.compiler, "blob": blob, **found, "cpu ops": split,
            "split": twin.cpu_ops == twin.file_cpu_ops}  # fmt: skip


def near(pair: tuple[int, int], share: float = 0.01) -> bool:
    """Whether the model is within a share of the file."""
    return abs(pair[0] - pair[1]) <= share * pair[1]


def show(one: dict) -> None:
    """Print one pair; * marks what is not right."""
    marks = {"blob": near(one["blob"]), "cached": near(one["cached"]), "streamed": near(one["streamed"], 0),
             "instructions": near(one["instructions"], 0.2), "cpu ops": one["split"]}  # fmt: skip
    cells = (f"{one[k][0]:>9}/{one[k][1]:<9}{' ' if right else '*'}" for k, right in marks.items())
    print(f"{one['name'][-64:]:64} {one['compiler']:>4} {' '.join(cells)}")


def summary(rows: list[dict]) -> None:
    """Print the shares that are right."""
    shares = {
        "parameter bytes exact": [near(one["blob"], 0) for one in rows],
        "parameter bytes within 1 %": [near(one["blob"]) for one in rows],
        "streams or not": [(one["streamed"][0] > 0) == (one["streamed"][1] > 0) for one in rows],
        "streamed bytes exact": [near(one["streamed"], 0) for one in rows],
        "cached bytes within 1 %": [near(one["cached"]) for one in rows],
        "operator split exact": [one["split"] for one in rows],
    }
    for name, right in shares.items():
        print(f"{name:28} {fmean(right):6.1%} of {len(right)}")
    for compiler in sorted({one["compiler"] for one in rows}):
        errors = [abs(a / b - 1) for one in rows if one["compiler"] == compiler for a, b in [one["instructions"]]]
        print(f"instructions of {compiler:12} {median(errors):6.1%} in the median, of {len(errors)}")


def main(folders: Iterable[Path]) -> None:
    """Print the table and the shares."""
    rows = [row(path) for folder in folders for path in compiled_paths(folder)]
    print(
        f"{'pair (model/file)':64} {'v':>4} "
        + " ".join(f"{k:>20}" for k in ("blob", "cached", "streamed", "instructions", "cpu ops"))
    )
    for one in rows:
        show(one)
    summary(rows)


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]] or [MODELS, MODELS / "field"])
