"""Rows of an invoke beside busy Python threads: the invoke alone is the profile, the simulator's lock does the rest.

``edgetpusim-calibrate measure --host-only`` writes one row of the invoke alone and one for each switch interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from calibration.harness.gil import METRIC
from calibration.measurements import Measurement
from calibration.setups import Parts, Skip, conditions_of, network_of
from hwmodels.link import load_link
from hwmodels.stages import CpuStage, StageTimes
from sim import setup as simsetup
from sim.engine import run
from sim.scenario import Scenario

__all__ = ["gil_ms", "with_profile"]


def with_profile(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return the rows, those beside busy threads with the row of the invoke alone as their ``reference``."""
    alone = {_series(row): row for row in rows if row.metric == METRIC and not row.python_threads}
    return [replace(row, reference=alone.get(_series(row))) if _is_beside(row) else row for row in rows]


def _is_beside(row: Measurement) -> bool:
    return row.metric == METRIC and bool(row.python_threads)


def _series(row: Measurement) -> tuple[str, ...]:
    return row.source_id, row.host_id, row.host, row.model


def gil_ms(row: Measurement, parts: Parts) -> float:
    """Mean time of an invoke beside busy Python threads (ms), from its time alone.

    Raises :class:`Skip` for the profile itself, and where it is missing.
    """
    if not row.python_threads or not row.switch_interval_ms:
        raise Skip("the invoke alone, from which the rows beside a busy thread are predicted")
    if row.reference is None:
        raise Skip("no row of the same invoke alone")
    graph, host_name = network_of(row), conditions_of(row).host
    scenario = Scenario(
        models=graph.name, host=host_name, busy_python_threads=row.python_threads,
        switch_interval_ms=row.switch_interval_ms, inferences=100,
    )  # fmt: skip
    host, link = parts.host(host_name), load_link(scenario.link)
    built = simsetup.assemble_graphs(scenario, simsetup.Parts(host, (parts.accelerator(),), (link,)), [graph], [0])
    locked_ns = round(host.python_call_ns)
    invoke = CpuStage(round(row.reference.value * 1e6) - locked_ns)
    times = StageTimes(graph.name, "", (invoke,), python_ns=locked_ns)
    return 1e3 / run(replace(built, stage_times=((times,),))).throughput_ips
