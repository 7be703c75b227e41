"""How close left-out predictions are, by the groups of docs/device-model.md: ``python tests/benchmarks/accuracy.py``.

Every network is left out of the fit in turn, sweeps by regimes (``edgetpusim-calibrate validate --leave-out model``;
takes a minute). A file with that command's JSON may be given instead. Flagged rows are left out; those of CPUs have
lines of their own.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from calibration.kinds import network_kind
from calibration.measurements import Measurement
from calibration.problem import block_of
from calibration.setups import Parts, network_of
from calibration.shipped import dataset_names, load_dataset
from calibration.validation import validate

Answer = dict[str, Any]
CLASSIFIERS = ("coral_ai_table1", "gh_edgetpu_280", "pycoral_ref", "qutibench", "softserve")
VISION = ("coral_ai_table1", "n4hy", "nobuo_log", "pycoral_ref", "ultralytics")
LARGE_MACS = 10_000_000


@cache
def rows_of(file: str) -> dict[int, Measurement]:
    """Rows of a shipped dataset by line."""
    return {row.line: row for row in load_dataset(file.removesuffix(".csv"))}


def row_of(answer: Answer) -> Measurement:
    """The measurement behind an answer."""
    return rows_of(answer["file"])[answer["line"]]


def is_alone(answer: Answer, metric: str = "invoke_latency_ms") -> bool:
    """Whether one thread drives one accelerator over a link."""
    alone = answer["threads"] == answer["accelerators"] == 1 and answer["mode"] == "single"
    return alone and answer["metric"] == metric and answer["link"] != "none"


def name_on_accelerator(answer: Answer) -> Iterator[str]:
    """Groups of an answer whose network runs on an accelerator."""
    source, link, model = answer["source_id"], answer["link"], answer["model"]
    if answer["metric"] == "alternating_pair_latency_ms":
        yield f"alternating pairs, {link}"
    if answer["metric"] == "first_inference_ms" and source == "nobuo_log":
        yield f"first inference (nobuo_log), {link}"
    if answer["mode"] == "pipeline" and answer["metric"].endswith("_ms"):
        yield "pipelines, cuts as recorded"
    if not is_alone(answer):
        return
    if source == "villarrubia":
        yield block_of(row_of(answer), Parts())
    if source == "jetson_nano":
        yield f"jetson_nano, {link}"
    if source in CLASSIFIERS and network_kind(model) == "classifier":
        yield "classifiers"
    if source in VISION and network_kind(model) == "detector":
        yield "detection, segmentation, pose"


def name_on_cpu(answer: Answer) -> Iterator[str]:
    """Groups of an answer whose network runs on the CPU alone: by source, networks that are large enough."""
    is_invoke = answer["metric"] == "invoke_latency_ms" and answer["link"] == "none"
    if is_invoke and network_of(row_of(answer)).macs >= LARGE_MACS:
        yield f"CPU ({answer['source_id']}{', flagged' if answer['flag'] else ''})"


def names(answer: Answer) -> Iterator[str]:
    """All groups that an answer belongs to."""
    yield from name_on_accelerator(answer)
    yield from name_on_cpu(answer)
    if answer["metric"].endswith("_chip_bytes") and answer["source_id"] == "villarrubia":
        yield answer["metric"]


def rank_correlation(answers: Sequence[Answer]) -> float:
    """Spearman's: the correlation of the ranks of measured and predicted."""
    order = [np.argsort(np.argsort([answer[key] for answer in answers])) for key in ("measured", "predicted")]
    return float(np.corrcoef(*order)[0, 1])


def line(name: str, answers: Sequence[Answer]) -> str:
    """A group's figures in %: mean, median and 90 % of the absolute errors, bias, rank correlation."""
    errors = np.array([answer["error"] for answer in answers])
    sizes = 100 * np.abs(errors)
    cells = (sizes.mean(), np.median(sizes), np.quantile(sizes, 0.9), 100 * errors.mean())
    rank = f"{rank_correlation(answers):8.3f}" if len(answers) > 2 else ""
    return f"{name:38}{len(answers):6}" + "".join(f"{cell:8.1f}" for cell in cells) + rank


def best_line_median(x: Sequence[float], y: Sequence[float]) -> float:
    """Smallest median of relative errors (%) that any straight line through two of the points reaches."""
    x_values, y_values = np.array(x), np.array(y)
    best = np.inf
    for i in range(len(x)):
        for j in range(i):
            if x[i] != x[j]:
                slope = (y[i] - y[j]) / (x[i] - x[j])
                best = min(best, float(np.median(np.abs((y[i] + slope * (x_values - x[i])) / y_values - 1))))
    return 100 * best


def of_dense(answers: Sequence[Answer]) -> str:
    """What a straight line through the dense networks on the chip could reach at best."""
    dense = [answer for answer in answers if "fc5 cached" in names(answer)]
    sizes = [float(network_of(row_of(answer)).macs) for answer in dense]
    best = best_line_median(sizes, [answer["measured"] for answer in dense])
    return f"fc5 cached: no straight line through two of its points has a median below {best:.1f} %"


def coverage(name: str, answers: Sequence[Answer], is_meant: Callable[[Answer], bool]) -> str:
    """Share of readings inside their 90 % intervals."""
    inside = [answer["lo90"] <= answer["measured"] <= answer["hi90"] for answer in answers if is_meant(answer)]
    return f"inside 90 % intervals: {100 * np.mean(inside):.1f} % of {len(inside)} {name}"


def main() -> None:
    """Print the table."""
    whole = json.loads(Path(sys.argv[1]).read_text()) if sys.argv[1:] else validate(dataset_names(), "model")
    predicted = [answer for answer in whole["rows"] if answer["error"] is not None]
    answers = [answer for answer in predicted if not answer["flag"]]
    groups: dict[str, list[Answer]] = defaultdict(list)
    for answer in predicted:
        for name in name_on_cpu(answer) if answer["flag"] else names(answer):
            groups[name].append(answer)
    print(f"{'group':38}{'rows':>6}{'mean':>8}{'median':>8}{'90 %':>8}{'bias':>8}{'rank':>8}")
    print("\n".join(line(name, groups[name]) for name in sorted(groups)))
    print(of_dense(answers))
    for row in whole["repeats"]:
        if row["group"] == "villarrubia/invoke_latency_ms/pcie":
            print(f"{row['n']} of them measured twice differ by a median {100 * row['median_difference']:.1f} %")
    print(coverage("latencies on an accelerator", answers, is_alone))
    print(coverage("rows", answers, lambda answer: answer["lo90"] is not None))


if __name__ == "__main__":
    main()
