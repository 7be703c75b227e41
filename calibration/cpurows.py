"""The published CPU rows as samples for the fit: which part each belongs to, what is left out and why."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from itertools import chain

from calibration.corrections import corrected, host_part_of
from calibration.cpufit import RATIOS, TENSORFLOW, CpuFit, CpuSample, Ranges, Ratios, fit_cpu
from calibration.measurements import Measurement
from calibration.problem import prior_of
from calibration.setups import Parts, Skip, accelerator_part, api_ns, executable_of, keeping, network_of, times_of
from calibration.shipped import dataset_names, load_dataset
from calibration.tables import matches, shipped_table
from hwmodels.host import load_host
from hwmodels.networks.zoo import load_network

__all__ = ["cpu_part_of", "cpu_samples", "fit_hosts", "fit_without"]

#: ns of a call of the 2019 Python API on the Jetson Nano, taken off before the fit: an empty network takes it.
CALL_NS = {"jetson_nano": 6500.0}
#: Parts whose rows ran on other kernels than TFLite's.
OTHER_KERNELS = {"raspberry-pi-3b-plus-tensorflow": TENSORFLOW}
#: Rows with an accelerator (source, model) that tell what operators on the CPU cost.
TAILS = {("coral_ai_table1", "deeplab_v3")}
SPAGHETTI = re.compile(r"spaghettinet_edgetpu_[sml]")


def cpu_samples() -> dict[str, list[CpuSample]]:
    """Return the samples of every host part, from the shipped datasets; rows of unknown networks are left out."""
    return {part: [sample for _, sample in pairs] for part, pairs in _rows_and_samples().items()}


@cache
def _rows_and_samples() -> dict[str, list[tuple[Measurement, CpuSample]]]:
    rows = [row for name in dataset_names() for row in load_dataset(name)]
    found: dict[str, list[tuple[Measurement, CpuSample]]] = defaultdict(list)
    for row in filter(is_used, rows):
        found[host_part_of(row) or "x86-desktop"] += [(row, sample) for sample in _sample(row)]
    for row, sample in chain(_postprocessing(rows), _tails(rows)):
        found[row.host_id].append((row, sample))
    return dict(found)


def fit_hosts(parts: Iterable[str] = ()) -> dict[str, CpuFit]:
    """Fit every host part that has at least three samples (or only ``parts``); needs SciPy."""
    samples = cpu_samples()
    wanted = set(parts) or set(samples)
    return {
        part: fit_cpu(found, *priors_of(part))
        for part, found in sorted(samples.items()) if len(found) > 2 and part in wanted
    }  # fmt: skip


def cpu_part_of(host: str) -> str:
    """Return the part whose rows tell a host's CPU: its own, or that of the nearest host that it is based on."""
    known = _rows_and_samples()
    return next((name for name in (host, *load_host(host).bases) if name in known), host)


def fit_without(part: str, is_out: Callable[[Measurement], bool]) -> CpuFit | None:
    """Fit a host part without some rows; None where none of its rows is out, or none is left."""
    pairs = _rows_and_samples().get(part, [])
    kept = [sample for row, sample in pairs if not is_out(row)]
    return fit_cpu(kept, *priors_of(part)) if 0 < len(kept) < len(pairs) else None


def priors_of(part: str) -> tuple[Ratios, Ranges]:
    """The prior ratios of the kernels that a part's rows ran on, and the ranges of what is known by itself."""
    ranges = {key: prior_of("host", part, key) for key in RATIOS}
    return OTHER_KERNELS.get(part, RATIOS), {key: found for key, found in ranges.items() if found}


def is_used(row: Measurement) -> bool:
    """Whether a row times a whole network on a CPU, and its figure is believed."""
    if row.link != "none" or row.metric not in ("invoke_latency_ms", "coexec_cpu_latency_ms") or row.value <= 0:
        return False
    if row.source_id.startswith("ddps") and not row.host_id:
        return False
    is_out = any(matches(row, pattern) for pattern in shipped_table("left_out"))
    return not is_out and _is_kept_of_a_sweep(row)


def _is_kept_of_a_sweep(row: Measurement) -> bool:
    """Keep every eighth network of villarrubia's sweeps, and of the dense ones those that fit the cache."""
    match = re.search(r"_[fn](\d+)_", corrected(row).model)
    if row.source_id != "villarrubia" or not match:
        return True
    size = int(match[1])
    if row.model.startswith("fc5"):
        return row.threads == 1 and size <= 940 and size % 80 == 20
    return size % 80 == 32


def _sample(row: Measurement) -> Iterator[CpuSample]:
    try:
        graph = network_of(row)
    except Skip:
        return
    threads = 1 if row.metric.startswith("coexec") else max(1, row.threads)
    yield CpuSample(graph, row.value * 1e6 - CALL_NS.get(row.source_id, 0.0) - api_ns(row, graph), threads)


def _postprocessing(rows: Iterable[Measurement]) -> Iterator[tuple[Measurement, CpuSample]]:
    """SpaghettiNet on the accelerator with 10 to 100 detections, less the same network without post-processing."""
    found: dict[tuple[str, str], dict[int, Measurement]] = defaultdict(dict)
    for row in rows:
        match = SPAGHETTI.match(row.model)
        if match and row.metric == "invoke_latency_ms" and row.host_id in ("dev-board", "raspberry-pi-4"):
            found[row.host_id, match[0]][row.detections or 0] = row
    for (_, name), times in found.items():
        for kept_boxes, row in times.items():
            if kept_boxes and 0 in times:
                yield row, _pair(name, kept_boxes, row.value - times[0].value)


def _tails(rows: Iterable[Measurement]) -> Iterator[tuple[Measurement, CpuSample]]:
    """Networks whose operators on the CPU take most of the time, less what their accelerator's part takes."""
    for row in rows:
        if row.metric == "invoke_latency_ms" and row.link != "none" and (row.source_id, row.model) in TAILS:
            executable = executable_of(row, Parts())
            ns = row.value * 1e6 - accelerator_part(times_of(executable, row, Parts())).invoke_ns
            layers = tuple(plan.layer for plan in executable.plans if plan.reason)
            yield row, CpuSample(replace(executable.graph, layers=layers), ns)


def _pair(name: str, kept_boxes: int, ms: float) -> CpuSample:
    whole, without = load_network(f"{name}_320"), load_network(f"{name}_320_no_postprocess")
    return CpuSample(keeping(whole, kept_boxes), ms * 1e6, minus=without)
