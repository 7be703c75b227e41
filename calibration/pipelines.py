"""Pipelines that were measured: the cuts as they were logged, replayed by the simulator.

A row's ``cut`` holds parameter MiB on and off the chip for every segment; the cut is the one whose segments, as our
model compiles them, come closest to both. A first segment of nothing is a lone QUANTIZE, which is no stage here.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from itertools import combinations, pairwise

from calibration.data import Row
from calibration.predict import Conditions, Parts, Skip, conditions, network_of
from hwmodels import memory
from hwmodels.accelerator import Accelerator
from hwmodels.compiler import compile_graph, cut_by_parameters, split
from hwmodels.errors import InputError
from hwmodels.executable import Executable
from hwmodels.graph import LayerGraph
from hwmodels.host import load_host
from hwmodels.link import channel, load_link
from hwmodels.timing import stage_times
from sim.engine import run
from sim.scenario import Scenario
from sim.setup import assemble_pipeline

__all__ = ["logged_cuts", "pipeline_ms", "pipeline_segments"]

MIB = 2**20
CLEARLY_SLOWER = 1.5
PROFILED_ON = "x86-desktop"
Log = tuple[tuple[float, float], ...]


def parse_cut(text: str) -> Log:
    """Parse ``[on, on]/[off, off]`` into (on, off) MiB of each segment that holds parameters.

    Raises :class:`InputError` for another form.
    """
    try:
        on, off = (json.loads(part) for part in text.split("/"))
        rows = tuple((float(a), float(b)) for a, b in zip(on, off, strict=True))
    except (ValueError, TypeError):
        raise InputError("cut", text, "[MiB on chip, ...]/[MiB off chip, ...]") from None
    return tuple(row for i, row in enumerate(rows) if i or sum(row) > 1e-4)


@lru_cache(maxsize=4096)
def logged_cuts(graph: LayerGraph, log: Log, accelerator: Accelerator, compiler: str) -> tuple[int, ...]:
    """Return the layer numbers before which a network was cut, by the memory that the compiler logged."""
    candidates = combinations(range(1, len(graph.layers)), len(log) - 1)
    sizes = [memory.on_chip_bytes(layer, compiler) / MIB for layer in graph.layers]

    def apart(cuts: tuple[int, ...]) -> float:
        """MiB by which cuts miss the logged parameters of the segments."""
        edges = [0, *cuts, len(sizes)]
        return sum(abs(sum(sizes[a:b]) - on - off) for (a, b), (on, off) in zip(pairwise(edges), log, strict=True))

    close = sorted(candidates, key=apart)[:6]
    return min(close, key=lambda cuts: _memory_apart(graph, cuts, log, accelerator, compiler))


def _memory_apart(graph: LayerGraph, cuts: tuple[int, ...], log: Log, accelerator: Accelerator, compiler: str) -> float:
    segments = [compile_graph(part, accelerator, compiler) for part in split(graph, cuts)]
    modelled = [_memory_mib(segment) for segment in segments]
    return sum(abs(a - c) + abs(b - d) for (a, b), (c, d) in zip(modelled, log, strict=True))


def _memory_mib(executable: Executable) -> tuple[float, float]:
    plans = [plan for plan in executable.plans if not plan.reason]
    on = sum(plan.on_chip_bytes for plan in plans if plan.cached)
    return on / MIB, sum(plan.on_chip_bytes for plan in plans if not plan.cached) / MIB


def pipeline_parts(row: Row, accelerator: Accelerator, setup: Conditions) -> list[LayerGraph]:
    """The segments' layer graphs: by the logged cut, else by the compiler's rule.

    Raises :class:`Skip` for a profiled cut that was not logged, or a network that cannot be cut so often.
    """
    graph = network_of(row)
    if row.cut:
        cuts = logged_cuts(graph, parse_cut(row.cut), accelerator, setup.compiler)
        return split(graph, _profiled(graph, cuts, accelerator) if row.segmentation == "profiled" else cuts)
    if row.segmentation not in ("compiler", "equal_layers", ""):
        raise Skip("a profiled cut that was not logged")
    try:
        return split(graph, cut_by_parameters(graph, max(2, row.accelerators)))
    except InputError as error:
        raise Skip(str(error)) from None


def _profiled(graph: LayerGraph, cuts: tuple[int, ...], accelerator: Accelerator) -> tuple[int, ...]:
    """The logged cut, unless another one is much faster: then profiling must have found that one.

    Nineteen logs of dense networks name cuts that stream more bytes than their measured time has room for: they are of
    another trial than the one that was timed.
    """

    @cache
    def slowest_ns(candidate: tuple[int, ...]) -> float:
        """Time of the slowest segment."""
        return max(_stage_ns(part, accelerator) for part in split(graph, candidate))

    best = min(combinations(range(1, len(graph.layers)), len(cuts)), key=slowest_ns)
    return best if slowest_ns(cuts) > CLEARLY_SLOWER * slowest_ns(best) else cuts


def _stage_ns(part: LayerGraph, accelerator: Accelerator) -> float:
    host = load_host(PROFILED_ON)
    times = stage_times(compile_graph(part, accelerator), channel(load_link("pcie"), host), host, accelerator.clock_hz)
    return times.invoke_ns


def pipeline_segments(row: Row, parts: Parts) -> list[Executable]:
    """The compiled segments of a pipeline row."""
    accelerator, setup = parts.accelerator(), conditions(row)
    return [compile_graph(part, accelerator, setup.compiler) for part in pipeline_parts(row, accelerator, setup)]


def pipeline_ms(row: Row, parts: Parts) -> float:
    """Time of an inference in a pipeline (ms): the latency of a batch of one, else a batch's time over its size."""
    accelerator, setup = parts.accelerator(), conditions(row)
    graphs = pipeline_parts(row, accelerator, setup)
    if len(graphs) < 2:
        raise Skip("a pipeline of one segment")
    scenario = Scenario(
        models=network_of(row).name, mode="pipeline", num_segments=len(graphs), accelerators=len(graphs),
        link=setup.link, host=setup.host, clock=setup.clock, compiler=setup.compiler, batch=max(1, row.batch),
        runner="python" if row.runner.startswith("python") else "pipelined",
    )  # fmt: skip
    count = len(graphs)
    built = assemble_pipeline(
        scenario, parts.host(setup.host), [accelerator] * count, [parts.link(setup.link)] * count, graphs
    )
    return 1e3 / run(built).throughput_ips
