"""Pipelines that were measured: the cuts as they were logged, replayed by the simulator.

A row's ``cut`` holds parameter MiB on and off the chip for every segment. The cut is the one whose segments hold as
much in all; what the log shows on the chip is kept there. A first segment of nothing is a lone QUANTIZE: no stage here.
"""

from __future__ import annotations

import json
from functools import cache, lru_cache
from itertools import combinations, pairwise
from math import ceil

from calibration.kept import cache_holding
from calibration.measurements import Measurement
from calibration.scenarios import scenario_of
from calibration.setups import Conditions, Parts, Skip, conditions_of, network_of
from hwmodels.cuts import cut_by_parameters, in_cutting_order, split
from hwmodels.edgetpu import parameters
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.edgetpu.coefficients import NEWEST, load_compiler
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.errors import InputError
from hwmodels.executable import Executable
from hwmodels.host import load_host
from hwmodels.link import channel, load_link
from hwmodels.networks.graph import LayerGraph
from hwmodels.timing import stage_times
from sim import setup as simsetup
from sim.engine import run

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
        raise InputError.value("the cut", text, "[MiB on chip, ...]/[MiB off chip, ...]") from None
    return tuple(row for i, row in enumerate(rows) if i or sum(row) > 1e-4)


@lru_cache(maxsize=4096)
def logged_cuts(graph: LayerGraph, log: Log, compiler: str) -> tuple[int, ...]:
    """Return the layer numbers before which a network was cut, by the memory that the compiler logged."""
    candidates = combinations(range(1, len(graph.layers)), len(log) - 1)
    version = load_compiler(compiler)
    sizes = [parameters.on_chip_bytes(layer, version) / MIB for layer in graph.layers]

    def apart(cuts: tuple[int, ...]) -> float:
        """How far the segments are from the log, in MiB."""
        edges = [0, *cuts, len(sizes)]
        return sum(abs(sum(sizes[a:b]) - on - off) for (a, b), (on, off) in zip(pairwise(edges), log, strict=True))

    return min(candidates, key=apart)


def usable_log(row: Measurement, parts: Parts) -> Log:
    """A row's log, or nothing: where none was kept, or where it is of another trial than the one that was timed.

    Nineteen profiled dense networks name segments whose streamed parameters alone take 1.7 to 35 times the measured
    time to cross the link; all others leave room for the rest.
    """
    if not row.cut:
        return ()
    log, conditions = parse_cut(row.cut), conditions_of(row)
    rate = channel(parts.link(conditions.link), parts.host(conditions.host)).out_bytes_per_s
    return log if max(off for _, off in log) * MIB / rate * 1e3 <= row.value or not row.metric.endswith("_ms") else ()


def pipeline_parts(row: Measurement, accelerator: EdgeTpu, conditions: Conditions, log: Log) -> list[LayerGraph]:
    """The segments' layer graphs: by the logged cut, else by the rule that the row names.

    Raises :class:`Skip` for a profiled cut that was not logged, or a network that cannot be cut so often.
    """
    graph = in_cutting_order(network_of(row))
    if log:
        return split(graph, logged_cuts(graph, log, conditions.compiler))
    if row.cut:
        return split(graph, profiled_cuts(graph, len(parse_cut(row.cut)), accelerator, conditions.compiler))
    if row.segmentation not in ("compiler", "equal_layers", ""):
        raise Skip("a profiled cut that was not logged")
    try:
        return split(graph, cut_by_parameters(graph, max(2, row.accelerators)))
    except InputError as error:
        raise Skip(str(error)) from None


@lru_cache(maxsize=1024)
def profiled_cuts(graph: LayerGraph, segments: int, accelerator: EdgeTpu, compiler: str) -> tuple[int, ...]:
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


def stage_ns(part: LayerGraph, accelerator: EdgeTpu, compiler: str) -> float:
    """Time of an inference of a segment alone, on the desktop PC over PCIe (ns)."""
    host = load_host(PROFILED_ON)
    compiled = compile_graph(part, accelerator, compiler)
    return stage_times(compiled, channel(load_link("pcie"), host), host, accelerator.clock_hz).invoke_ns


def as_logged(part: LayerGraph, kept_mib: float, streamed_mib: float, accelerator: EdgeTpu) -> EdgeTpu:
    """Return the accelerator with as much parameter memory as a segment's log shows: where it streamed, what it kept.

    The rule of the compiler model is not quite that of segments: it kept 6.5 MiB but not 6.66 of three layers with
    512 input channels, and of two layers with 640 not 6.43.
    """
    compiler = load_compiler(NEWEST)
    footprint = sum(parameters.footprint_bytes(layer, accelerator, compiler) for layer in part.layers)
    kept = kept_mib * MIB if streamed_mib else footprint
    return cache_holding(part, ceil(kept * (1 + ROUNDED)), accelerator)


def pipeline_segments(row: Measurement, parts: Parts) -> list[Executable]:
    """The compiled segments of a pipeline row, parameters placed by the compiler model's own rule."""
    accelerator, conditions = parts.accelerator(), conditions_of(row)
    graphs = pipeline_parts(row, accelerator, conditions, usable_log(row, parts))
    return [compile_graph(part, accelerator, conditions.compiler) for part in graphs]


def pipeline_ms(row: Measurement, parts: Parts) -> float:
    """Time of an inference in a pipeline (ms): the latency of a batch of one, else a batch's time over its size."""
    accelerator, log = parts.accelerator(), usable_log(row, parts)
    graphs = pipeline_parts(row, accelerator, conditions_of(row), log)
    count = len(graphs)
    if count < 2:
        raise Skip("a pipeline of one segment")
    each = (
        [as_logged(part, *memory_of, accelerator) for part, memory_of in zip(graphs, log, strict=True)] if log else []
    )
    return simulated_ms(row, parts, graphs, each or [accelerator] * count)


def runner_of(row: Measurement) -> str:
    """The option of ``run`` that stands for a row's runner."""
    if row.runner.endswith("chained by hand"):
        return "chained"
    return "python" if row.runner.startswith("python") else "pipelined"


def simulated_ms(row: Measurement, parts: Parts, graphs: list[LayerGraph], accelerators: list[EdgeTpu]) -> float:
    """Time of an inference in ms when a row's network is cut into these segments, on these accelerators."""
    conditions, count, runner = conditions_of(row), len(graphs), runner_of(row)
    scenario = scenario_of(
        row, parts, mode="pipeline", num_segments=count, accelerators=count, runner=runner,
        batch=0 if runner == "chained" else max(1, row.batch),
    )  # fmt: skip
    links = (parts.link(conditions.link),) * count
    used = simsetup.Parts(parts.host(conditions.host), tuple(accelerators), links)
    return 1e3 / run(simsetup.assemble_pipeline(scenario, used, graphs)).throughput_ips
