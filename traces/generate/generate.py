"""Regenerate traces of the zoo: ``python traces/generate/generate.py [NAME ...] [--all] [--jobs N]``.

One child process for each network. Traces that are there and current are skipped, so an interrupted run is resumed by
the same command. A network that fails is reported at the end and does not end the run.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from hwmodels.families import compile_graph, load_accelerator  # noqa: E402 (after the path)
from hwmodels.networks.graph import LayerGraph, from_json, graph_hash  # noqa: E402 (after the path)
from traces.generate.convert import describe, write  # noqa: E402 (after the path)
from traces.generate.definition import Definition  # noqa: E402 (after the path)
from traces.generate.registry import definitions  # noqa: E402 (after the path)

ZOO = ROOT / "traces" / "zoo"
QUIET = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "CUDA_VISIBLE_DEVICES": "",
    "KERAS_BACKEND": "tensorflow",
}


def main(arguments: list[str] | None = None) -> int:
    """Generate what the command line asks for and return the exit code: 1 when a network failed."""
    options = _parser().parse_args(arguments)
    known = definitions()
    chosen = _choose(known, options)
    options.folder.mkdir(parents=True, exist_ok=True)
    stale = [item for item in chosen if options.force or not _is_current(item, options.folder)]
    print(f"{len(chosen)} networks, {len(chosen) - len(stale)} current, {len(stale)} to generate", file=sys.stderr)
    failed = _run(stale, options.folder, options.jobs)
    write(options.folder / "index.csv", _index(options.folder, known))
    return _report(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("names", nargs="*", metavar="NAME", help="networks to generate")
    parser.add_argument("--all", action="store_true", help="every network")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--index", action="store_true", help="generate nothing, only write index.csv anew")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time (default 1); heavy ones run alone")
    parser.add_argument("--force", action="store_true", help="regenerate current traces too")
    parser.add_argument("--folder", type=Path, default=ZOO, help="where the traces go (default traces/zoo)")
    return parser


def _choose(known: dict[str, Definition], options: argparse.Namespace) -> list[Definition]:
    if options.list:
        print("\n".join(known))
        raise SystemExit(0)
    unknown = [name for name in options.names if name not in known]
    if unknown:
        raise SystemExit(f"error: no network is named {', '.join(unknown)}; --list prints the names")
    if options.index:
        return []
    if not options.names and not options.all:
        raise SystemExit("error: name networks, or --all, or --index")
    return list(known.values()) if options.all else [known[name] for name in options.names]


def _is_current(definition: Definition, folder: Path) -> bool:
    try:
        head = json.loads((folder / f"{definition.name}.json").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    return all(head.get(key) == value for key, value in describe(definition).items())


@dataclass
class _Progress:
    """Counts finished networks and tells how long the rest will take."""

    total: int
    started: float
    done: int = 0

    def tell(self, definition: Definition, seconds: float, error: str) -> None:
        """Print one line about a network that has just finished."""
        self.done += 1
        left = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        state = f"FAILED: {error}" if error else "ok"
        print(
            f"[{self.done}/{self.total}] {definition.name} {seconds:.0f} s {state} ({left / 60:.0f} min left)",
            file=sys.stderr,
            flush=True,
        )


def _run(stale: list[Definition], folder: Path, jobs: int) -> dict[str, str]:
    """Generate light networks ``jobs`` at a time, then heavy ones one by one; return the errors by name."""
    progress, failed = _Progress(len(stale), time.monotonic()), {}
    for heavy in (False, True):
        batch = [item for item in stale if item.heavy == heavy]
        for item, seconds, error in _parallel(batch, folder, 1 if heavy else max(1, jobs)):
            progress.tell(item, seconds, error)
            if error:
                failed[item.name] = error
    return failed


def _parallel(batch: list[Definition], folder: Path, jobs: int) -> Iterator[tuple[Definition, float, str]]:
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(_generate, item.name, folder): item for item in batch}
        for future in as_completed(futures):
            yield futures[future], *future.result()


def _generate(name: str, folder: Path) -> tuple[float, str]:
    started = time.monotonic()
    command = [sys.executable, "-m", "traces.generate.convert", name, str(folder.resolve())]
    child = subprocess.run(command, cwd=ROOT, env=os.environ | QUIET, capture_output=True, text=True, check=False)
    lines = child.stderr.strip().splitlines() or [f"exit code {child.returncode}"]
    return time.monotonic() - started, lines[-1] if child.returncode else ""


def _report(failed: dict[str, str]) -> int:
    for name, error in failed.items():
        print(f"error: {name}: {error}", file=sys.stderr)
    return 1 if failed else 0


_COLUMNS = (
    "name", "family", "architecture", "variant", "task", "input_h", "input_w", "input_c", "ops", "macs",
    "parameter_bytes", "parameters", "cpu_ops_on_coral", "source", "converter", "route", "hash",
)  # fmt: skip


def _index(folder: Path, known: Iterable[str]) -> str:
    """Return the index of all traces in ``folder``; ``parameters`` counts elements of the folded trace."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\n")
    writer.writeheader()
    for name in sorted(known):
        path = folder / f"{name}.json"
        if path.exists():
            writer.writerow(_row(from_json(path.read_text(encoding="ascii"), path.name)))
    return text.getvalue()


def _row(graph: LayerGraph) -> dict[str, Any]:
    counts = {
        "ops": len(graph.layers),
        "macs": graph.macs,
        "parameter_bytes": graph.parameter_bytes,
        "parameters": sum(prod(weight.shape) for layer in graph.layers for weight in layer.weights),
        "cpu_ops_on_coral": sum(bool(plan.reason) for plan in compile_graph(graph, load_accelerator("coral")).plans),
    }
    size = dict(zip(("input_h", "input_w", "input_c"), graph.inputs[0].hwc, strict=True))
    meta = {key: graph.meta[key] for key in _COLUMNS if key in graph.meta}
    return {"name": graph.name, "hash": graph_hash(graph), **meta, **size, **counts}


if __name__ == "__main__":
    sys.exit(main())
