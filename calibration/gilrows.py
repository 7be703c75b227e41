"""Rows of an invoke beside busy Python threads: the invoke alone is the profile, the simulator's lock does the rest.

``edgetpusim-calibrate measure --host-only`` writes one row of the invoke alone and one for each switch interval.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from calibration.data import Row
from calibration.predict import Parts, Skip, conditions, network_of
from hwmodels.link import load_link
from hwmodels.timing import CpuStage, StageTimes
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import assemble_graphs

__all__ = ["METRIC", "gil_ms", "with_profile"]

METRIC = "gil_invoke_latency_ms"
INTERVAL = re.compile(r"switch interval ([\d.]+) ms, (one|\d+) busy")
ALONE = re.compile(r"alone ([\d.e+-]+) ms")


def with_profile(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those beside busy threads with the time of the invoke alone in their conditions."""
    alone = {_series(row): row.value for row in rows if row.metric == METRIC and not INTERVAL.search(row.conditions)}
    return [_stated(row, alone.get(_series(row))) for row in rows]


def _series(row: Row) -> tuple[str, ...]:
    return row.source_id, row.host_id, row.host, row.model


def _stated(row: Row, alone_ms: float | None) -> Row:
    known = row.metric != METRIC or alone_ms is None or ALONE.search(row.conditions)
    return row if known else replace(row, conditions=f"{row.conditions}; alone {alone_ms:g} ms")


def gil_ms(row: Row, parts: Parts) -> float:
    """Mean time of an invoke beside busy Python threads (ms), from its time alone.

    Raises :class:`Skip` for the profile itself, and where it is missing.
    """
    interval = INTERVAL.search(row.conditions)
    if not interval:
        raise Skip("the invoke alone, from which the rows beside a busy thread are predicted")
    alone = ALONE.search(row.conditions)
    if not alone:
        raise Skip("no row of the same invoke alone")
    busy = 1 if interval[2] == "one" else int(interval[2])
    return invoke_beside_ms(row, parts, float(alone[1]), busy, float(interval[1]))


def invoke_beside_ms(row: Row, parts: Parts, alone_ms: float, busy: int, interval_ms: float) -> float:
    """Replay one thread whose invoke takes ``alone_ms``, most of it without the lock, beside busy ones (ms)."""
    graph, setup = network_of(row), conditions(row)
    scenario = Scenario(
        models=graph.name, host=setup.host, busy_python_threads=busy, switch_interval_ms=interval_ms, inferences=100
    )
    host, link = parts.host(setup.host), load_link(scenario.link)
    built = assemble_graphs(scenario, host, [parts.accelerator()], [link], [graph], [0])
    locked_ns = round(host.python_call_ns)
    times = StageTimes(graph.name, "", (CpuStage(round(alone_ms * 1e6) - locked_ns),), python_ns=locked_ns)
    return 1e3 / run(replace(built, networks=((times,),))).throughput_ips
