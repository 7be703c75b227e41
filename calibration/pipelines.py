"""Pipelines that were measured: the cuts as they were logged, replayed by the simulator.

A row's ``cut`` holds parameter MiB on and off the chip for every segment. The cut is the one whose segments hold as
much in all; what the log shows on the chip is kept there. A first segment of nothing is a lone QUANTIZE: no stage here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache, lru_cache
from itertools import combinations, pairwise
from math import ceil

from calibration.data import Row
from calibration.predict import Conditions, Parts, Skip, conditions, network_of
from hwmodels import memory
from hwmodels.accelerator import Accelerator
from hwmodels.capacity import parameter_capacity_bytes
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
ROUNDED = 0.01  # logs print three digits
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
def logged_cuts(graph: LayerGraph, log: Log, compiler: str) -> tuple[int, ...]:
    """Return the layer numbers before which a network was cut, by the memory that the compiler logged."""
    candidates = combinations(range(1, len(graph.layers)), len(log) - 1)
    sizes = [memory.on_chip_bytes(layer, compiler) / MIB for layer in graph.layers]

    def apart(cuts: tuple[int, ...]) -> float:
        """How far the segments are from the log, in MiB."""
        edges = [0, *cuts, len(sizes)]
        return sum(abs(sum(sizes[a:b]) - on - off) for (a, b), (on, off) in zip(pairwise(edges), log, strict=True))

    return min(candidates, key=apart)


def usable_log(row: Row, parts: Parts) -> Log:
    """A row's log, or nothing: where none was kept, or where it is of another trial than the one that was timed.

    Nineteen profiled dense networks name segments whose streamed parameters alone take 1.7 to 35 times the measured
    time to cross the link; all others leave room for the rest.
    """
    if not row.cut:
        return ()
    log, setup = parse_cut(row.cut), conditions(row)
    rate = channel(parts.link(setup.link), parts.host(setup.host)).out_bytes_per_s
    return log if max(off for _, off in log) * MIB / rate * 1e3 <= row.value or not row.metric.endswith("_ms") else ()


def pipeline_parts(row: Row, accelerator: Accelerator, setup: Conditions, log: Log) -> list[LayerGraph]:
    """The segments' layer graphs: by the logged cut, else by the rule that the row names.

    Raises :class:`Skip` for a profiled cut that was not logged, or a network that cannot be cut so often.
    """
    graph = network_of(row)
    if log:
        return split(graph, logged_cuts(graph, log, setup.compiler))
    if row.cut:
        return split(graph, profiled_cuts(graph, len(parse_cut(row.cut)), accelerator, setup.compiler))
    if row.segmentation not in ("compiler", "equal_layers", ""):
        raise Skip("a profiled cut that was not logged")
    try:
        return split(graph, cut_by_parameters(graph, max(2, row.accelerators)))
    except InputError as error:
        raise Skip(str(error)) from None


@lru_cache(maxsize=1024)
def profiled_cuts(graph: LayerGraph, segments: int, accelerator: Accelerator, compiler: str) -> tuple[int, ...]:
    """Return the cut whose slowest segment is fastest, every cut tried: how these pipelines were profiled."""

    @cache
    def segment_ns(first: int, last: int) -> float:
        """Time of an inference of the layers from first to last."""
        part = split(graph, [cut for cut in (first, last) if 0 < cut < len(graph.layers)])[bool(first)]
        return stage_ns(part, accelerator, compiler)

    def slowest_ns(cuts: tuple[int, ...]) -> float:
        """Time of the slowest segment of a cut."""
        return max(segment_ns(a, b) for a, b in pairwise([0, *cuts, len(graph.layers)]))

    return min(combinations(range(1, len(graph.layers)), segments - 1), key=slowest_ns)


def stage_ns(part: LayerGraph, accelerator: Accelerator, compiler: str) -> float:
    """Time of an inference of a segment alone, on the desktop PC over PCIe (ns)."""
    host = load_host(PROFILED_ON)
    compiled = compile_graph(part, accelerator, compiler)
    return stage_times(compiled, channel(load_link("pcie"), host), host, accelerator.clock_hz).invoke_ns


def as_logged(part: LayerGraph, kept_mib: float, streamed_mib: float, accelerator: Accelerator) -> Accelerator:
    """Return the accelerator with as much parameter memory as a segment's log shows: where it streamed, what it kept.

    The rule of the compiler model is not quite that of segments: it kept 6.5 MiB but not 6.66 of three layers with
    512 input channels, and of two layers with 640 not 6.43.
    """
    beside = accelerator.parameter_cache_bytes - parameter_capacity_bytes(part.layers, accelerator)
    kept = kept_mib * MIB if streamed_mib else sum(memory.footprint_bytes(layer) for layer in part.layers)
    return replace(accelerator, parameter_cache_bytes=beside + ceil(kept * (1 + ROUNDED)))


def pipeline_segments(row: Row, parts: Parts) -> list[Executable]:
    """The compiled segments of a pipeline row, parameters placed by the compiler model's own rule."""
    accelerator, setup = parts.accelerator(), conditions(row)
    graphs = pipeline_parts(row, accelerator, setup, usable_log(row, parts))
    return [compile_graph(part, accelerator, setup.compiler) for part in graphs]


def pipeline_ms(row: Row, parts: Parts) -> float:
    """Time of an inference in a pipeline (ms): the latency of a batch of one, else a batch's time over its size."""
    accelerator, setup, log = parts.accelerator(), conditions(row), usable_log(row, parts)
    graphs = pipeline_parts(row, accelerator, setup, log)
    count = len(graphs)
    if count < 2:
        raise Skip("a pipeline of one segment")
    each = (
        [as_logged(part, *memory_of, accelerator) for part, memory_of in zip(graphs, log, strict=True)] if log else []
    )
    return simulated_ms(row, parts, graphs, each or [accelerator] * count)


def simulated_ms(row: Row, parts: Parts, graphs: list[LayerGraph], accelerators: list[Accelerator]) -> float:
    """Time of an inference in ms when a row's network is cut into these segments, on these accelerators."""
    setup, count = conditions(row), len(graphs)
    scenario = Scenario(
        models=network_of(row).name, mode="pipeline", num_segments=count, accelerators=count,
        link=setup.link, host=setup.host, clock=setup.clock, compiler=setup.compiler, batch=max(1, row.batch),
        runner="python" if row.runner.startswith("python") else "pipelined",
    )  # fmt: skip
    links = [parts.link(setup.link)] * count
    built = assemble_pipeline(scenario, parts.host(setup.host), accelerators, links, graphs)
    return 1e3 / run(built).throughput_ips
