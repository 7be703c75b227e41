"""Stage times of a set-up's executables on a host, for every way to share the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

from hwmodels.cache import remembered
from hwmodels.cpu import frame_ns, postprocess_ns
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.host import Host
from hwmodels.link import Channel
from hwmodels.networks.graph import LayerGraph
from hwmodels.stages import AppWork, StageTimes, stretch
from hwmodels.timing import cpu_stage, stage_times
from sim.scenario import Scenario, app_ms_and_kind, frame_size
from sim.setup.values import ON_CPU, Rows, Setup

__all__ = ["app_work", "host_ns", "host_work", "retimed", "timed_rows"]


def retimed(setup: Setup, host: Host) -> Setup:
    """Return a set-up on another host of the same kind; a replayed profile keeps its measured times."""
    if not all(row[0].segments for row in setup.executables):
        return setup
    return replace(setup, host=host, stage_times=timed_rows(setup, host))


def timed_rows(setup: Setup, host: Host) -> Rows:
    """Return stage times by model, then by accelerator, as the host does its part of them."""
    scenario = setup.scenario
    rows = tuple(_row(setup, host, row) for row in setup.executables)
    if setup.pipelines:
        return tuple(_in_runner(scenario, host, row) for row in _at_the_ends(scenario, host, rows, _whole_graph(setup)))
    return tuple(
        _on_cpu(setup, host, executables[0], times) if setup.is_on_cpu or name.endswith(ON_CPU) else times
        for name, executables, times in zip(setup.models, setup.executables, rows, strict=True)
    )


def _row(setup: Setup, host: Host, executables: Sequence[Executable]) -> tuple[StageTimes, ...]:
    """A network's times on each accelerator; those that are alike share them."""
    found: dict[tuple[int, Channel, float], StageTimes] = {}
    keys = list(zip(map(id, executables), setup.channels, setup.clocks_hz, strict=True))
    for key, executable in zip(keys, executables, strict=True):
        if key not in found:
            found[key] = _stage_times(setup.scenario, executable, key[1], host, key[2])
    return tuple(found[key] for key in keys)


def _whole_graph(setup: Setup) -> LayerGraph:
    """A pipeline's network, as far as its ends are concerned."""
    if setup.whole is not None:
        return setup.whole.executables[0][0].graph
    first, last = setup.executables[0][0].graph, setup.executables[-1][0].graph
    return LayerGraph(first.name, (), first.inputs, last.outputs)


def _on_cpu(setup: Setup, host: Host, network: Executable, row: Sequence[StageTimes]) -> tuple[StageTimes, ...]:
    """A network that runs on the CPU, whichever accelerator there is."""
    return (_cpu_only(setup.scenario, host, network, row[0]),) * len(row)


def _stage_times(scenario: Scenario, executable: Executable, bus: Channel, host: Host, clock_hz: float) -> StageTimes:
    return _times_of_work(executable, bus, host, clock_hz, *host_work(scenario))


def host_work(scenario: Scenario) -> tuple[str, int, str, float, str]:
    """Return the options that say what a host does around an inference, and how."""
    return (
        scenario.cpu_kernels, scenario.num_threads, scenario.app_ms, scenario.background_load, scenario.preprocess,
    )  # fmt: skip


@remembered(4096)  # many threads and accelerators have it in common, and an interval moves each number for all of them
def _times_of_work(
    executable: Executable, bus: Channel, host: Host, clock_hz: float,
    kernels: str, num_threads: int, app_ms: str, background_load: float, preprocess: str,
) -> StageTimes:  # fmt: skip
    times = stage_times(executable, bus, host, clock_hz, kernels, num_threads)
    factor = stretch(background_load)
    times = replace(times, app=_app_work(app_ms)).stretched(factor)
    before, after = _host_ns(preprocess, factor, host, executable.graph)
    return replace(times, preprocess_ns=before, postprocess_ns=after)


def _at_the_ends(
    scenario: Scenario, host: Host, rows: Sequence[Sequence[StageTimes]], whole: LayerGraph
) -> list[tuple[StageTimes, ...]]:
    """A frame is resized once, before the first segment; its result is decoded and used once, after the last."""
    before, after = host_ns(scenario, host, whole)
    last, own = len(rows) - 1, rows[0][0].app
    return [
        tuple(
            replace(
                times,
                preprocess_ns=before if m == 0 else 0,
                postprocess_ns=after if m == last else 0,
                app=own if m == last else AppWork(),
            )
            for times in row
        )
        for m, row in enumerate(rows)
    ]


def host_ns(scenario: Scenario, host: Host, graph: LayerGraph) -> tuple[int, int]:
    """Pre- and postprocessing of one request beside other programs (ns); 0 unless the scenario asks for them."""
    return _host_ns(scenario.preprocess, stretch(scenario.background_load), host, graph)


def _host_ns(preprocess: str, factor: float, host: Host, graph: LayerGraph) -> tuple[int, int]:
    frame = frame_size(preprocess)
    if frame is None:
        return 0, 0
    return round(frame_ns(graph, host, *frame) * factor), round(postprocess_ns(graph, host) * factor)


def app_work(scenario: Scenario) -> AppWork:
    """The program's own work of a request, nobody else on its core; none unless the scenario names it."""
    return _app_work(scenario.app_ms)


def _app_work(app_ms: str) -> AppWork:
    ms, kind = app_ms_and_kind(app_ms)
    return AppWork(**{f"{kind}_ns": round(ms * 1e6)})


def _in_runner(scenario: Scenario, host: Host, row: tuple[StageTimes, ...]) -> tuple[StageTimes, ...]:
    """The compiled runner passes pointers; a Python one copies tensors under the GIL, too, and between its queues."""
    if scenario.runner == "chained":  # an interpreter for each segment, called as a whole network's is
        return row
    if scenario.runner == "pipelined":  # tensors between segments are bound to the driver's buffers: no copies
        return tuple(replace(times.with_passes(lambda s: replace(s, copy_ns=0)), python_ns=0) for times in row)
    factor = stretch(scenario.background_load)
    return tuple(replace(times, python_ns=ceil(host.python_stage_ns * factor)) for times in row)


def _cpu_only(scenario: Scenario, host: Host, network: Executable, beside: StageTimes) -> StageTimes:
    """Every operator on the CPU; the host's work around the call is as with the accelerator."""
    plans = tuple(LayerPlan(layer, "on the CPU by choice") for layer in network.graph.layers)
    stage = cpu_stage(Segment("cpu", plans), host, scenario.cpu_kernels, scenario.num_threads)
    stages = (stage.stretched(stretch(scenario.background_load)),)
    return replace(beside, name=f"{network.name}{ON_CPU}", token="", stages=stages)
