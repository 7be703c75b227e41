"""Series of more and more accelerators on a host that nobody named: its speed comes from the row of one accelerator.

Each row says how busy other programs kept the host's cores (``load``); they stretch the host's work
(:meth:`hwmodels.stages.StageTimes.stretched`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibration.measurements import Measurement
from calibration.scenarios import scenario_of
from calibration.setups import Parts, Skip
from hwmodels.stages import AcceleratorStage, StageTimes
from sim.engine import run
from sim.setup import Setup, build

__all__ = ["is_of_series", "paced", "series_fps", "with_series"]

METRIC = "throughput_fps"


def with_series(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return the rows, those of several accelerators with their series' row of one accelerator as ``reference``."""
    firsts: dict[tuple[str, ...], Measurement] = {}
    for row in filter(_is_loaded, rows):
        if row.accelerators == 1:
            firsts.setdefault(_series(row), row)
    return [_with_first(row, firsts) if _is_loaded(row) else row for row in rows]


def _is_loaded(row: Measurement) -> bool:
    return row.metric == METRIC and row.load is not None and not row.host_id


def _series(row: Measurement) -> tuple[str, ...]:
    return row.source_id, row.host, row.model


def _with_first(row: Measurement, firsts: dict[tuple[str, ...], Measurement]) -> Measurement:
    first = firsts.get(_series(row))
    return row if row.accelerators < 2 or first is None else replace(row, reference=first)


def is_of_series(row: Measurement) -> bool:
    """Whether a row knows the first one of its series."""
    return row.metric == METRIC and row.reference is not None


def series_fps(row: Measurement, parts: Parts) -> float:
    """Inferences per second of a row whose host's speed is fitted on the row of one accelerator.

    Raises :class:`Skip` without that row, or where it is faster than the accelerator and its link alone.
    """
    first = row.reference
    if first is None or first.load is None or row.load is None:
        raise Skip("no row of one accelerator in this series")
    alone = _setup(row, parts, 1, first.load).stage_times[0][0]
    fixed_ns = paced(alone, 0).latency_ns
    factor = (1e9 / first.value - fixed_ns) / (alone.latency_ns - fixed_ns)
    if factor <= 0:
        raise Skip("one accelerator was faster than the model's accelerator and link alone")
    setup = _setup(row, parts, row.accelerators, row.load)
    networks = tuple(tuple(paced(times, factor) for times in each) for each in setup.stage_times)
    return run(replace(setup, stage_times=networks)).throughput_ips


def _setup(row: Measurement, parts: Parts, count: int, load: float) -> Setup:
    return build(scenario_of(row, parts, mode="processes", threads=count, accelerators=count, background_load=load))


def paced(times: StageTimes, factor: float) -> StageTimes:
    """Stage times on a host that takes ``factor`` times as long for all that is its own.

    Its work, and how fast its driver takes outputs in and an inference's fixed steps follow each other.
    """

    def slowed(stage: AcceleratorStage) -> AcceleratorStage:
        """A pass whose outputs and fixed steps take longer."""
        return replace(stage, output_ns=round(stage.output_ns * factor), latency_ns=round(stage.latency_ns * factor))

    return times.stretched(factor).with_passes(slowed)
