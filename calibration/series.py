"""Series of more and more accelerators on a host that nobody named: its speed comes from the row of one accelerator.

The host's column says how busy its cores were, from the first row of the series to the last: ``CPU 77-89% busy``. Other
programs stretch the host's work (:mod:`sim.host_load`); rows between the two take their place on the line.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from calibration.data import Row
from calibration.predict import Parts, Skip, conditions, network_of
from hwmodels.timing import CpuStage, StageTimes
from sim.engine import run
from sim.host_load import stretched
from sim.scenario import Scenario
from sim.setup import Setup, build

__all__ = ["is_of_series", "paced", "series_fps", "with_series"]

METRIC = "throughput_fps"
BUSY = re.compile(r"CPU (\d+)-(\d+)% busy")
STATED = re.compile(r"one accelerator ([\d.e+-]+) at load ([\d.]+), here load ([\d.]+)")


def with_series(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those of several accelerators with the series' first row and both loads in their conditions."""
    series: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        if row.metric == METRIC and BUSY.search(row.host) and not row.host_id:
            series[row.source_id, row.host, row.model].append(row)
    return [_stated(row, series.get((row.source_id, row.host, row.model), [])) for row in rows]


def _stated(row: Row, series: Sequence[Row]) -> Row:
    first = next((other for other in series if other.accelerators == 1), None)
    busy = BUSY.search(row.host)
    if row.metric != METRIC or row.accelerators < 2 or first is None or not busy:
        return row
    low, high = (float(percent) / 100 for percent in busy.groups())
    most = max(other.accelerators for other in series)
    load = low + (high - low) * (row.accelerators - 1) / (most - 1)
    text = f"one accelerator {first.value:g} at load {low:g}, here load {load:g}"
    return replace(row, conditions=f"{row.conditions}; {text}")


def is_of_series(row: Row) -> bool:
    """Whether a row knows the first one of its series."""
    return bool(STATED.search(row.conditions))


def series_fps(row: Row, parts: Parts) -> float:
    """Inferences per second of a row whose host's speed is fitted on the row of one accelerator.

    Raises :class:`Skip` without that row, or where it is faster than the accelerator and its link alone.
    """
    found = STATED.search(row.conditions)
    if not found:
        raise Skip("no row of one accelerator in this series")
    one_fps, first_load, load = map(float, found.groups())
    alone = _setup(row, parts, 1, first_load).networks[0][0]
    fixed_ns = paced(alone, 0).latency_ns
    factor = (1e9 / one_fps - fixed_ns) / (alone.latency_ns - fixed_ns)
    if factor <= 0:
        raise Skip("one accelerator was faster than the model's accelerator and link alone")
    setup = _setup(row, parts, row.accelerators, load)
    networks = tuple(tuple(paced(times, factor) for times in each) for each in setup.networks)
    return run(replace(setup, networks=networks)).throughput_ips


def _setup(row: Row, parts: Parts, count: int, load: float) -> Setup:
    setup = conditions(row)
    return build(Scenario(
        models=network_of(row).name, size=parts.accelerator_name, link=setup.link, clock=setup.clock, host=setup.host,
        mode="processes", threads=count, accelerators=count, compiler=setup.compiler, cpu_kernels=setup.kernels,
        background_load=load,
    ))  # fmt: skip


def paced(times: StageTimes, factor: float) -> StageTimes:
    """Stage times on a host that takes ``factor`` times as long for all that is its own.

    Its work, and how fast its driver takes outputs in and an inference's fixed steps follow each other.
    """
    slower = stretched(times, factor)
    stages = tuple(
        stage if isinstance(stage, CpuStage)
        else replace(stage, output_ns=round(stage.output_ns * factor), latency_ns=round(stage.latency_ns * factor))
        for stage in slower.stages
    )  # fmt: skip
    return replace(slower, stages=stages)
