"""A scenario resolved: the parts, compiled networks and stage times that its options stand for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil
from typing import Any

from hwmodels.accelerator import Accelerator, load_accelerator
from hwmodels.compiler import cocompile, compile_graph, segment_cuts, split
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.graph import LayerGraph
from hwmodels.host import Host, frame_ns, load_host, postprocess_ns
from hwmodels.link import Channel, Link, channel, load_link
from hwmodels.profile import is_profile, load_profile
from hwmodels.timing import CpuStage, StageTimes, TpuStage, cpu_stage, stage_times
from hwmodels.zoo import load_network
from sim.host_load import stretch, stretched
from sim.scenario import Scenario, frame_size, name_and_count, parse_models

__all__ = ["ByIdentity", "Setup", "assemble", "assemble_graphs", "assemble_pipeline", "at_divisor", "build"]

MAX_INVOKE_S = 600  # of one inference alone


@dataclass(frozen=True)
class Setup:
    """A scenario resolved: accelerators with their channels, the host, and networks compiled for each accelerator.

    ``networks[model][accelerator]`` are stage times, ``executables`` likewise; ``thread_models`` holds one model number
    for each thread; with ``turns`` one thread runs those models in turn; each of ``pipelines`` names the threads of
    its segments.

    Attributes
    ----------
    cores
        Of the host, or as the scenario says.
    channels, clocks_hz
        One for each accelerator.
    executables, networks
        By model, then by accelerator.
    warnings
        What a reader of the answer should know: extrapolated sizes, assumptions of compiled files.
    """

    scenario: Scenario
    host: Host
    cores: int
    accelerators: tuple[Accelerator, ...]
    channels: tuple[Channel, ...]
    clocks_hz: tuple[float, ...]
    models: tuple[str, ...]
    executables: tuple[tuple[Executable, ...], ...]
    networks: tuple[tuple[StageTimes, ...], ...]
    thread_models: tuple[int, ...]
    warnings: tuple[str, ...] = ()
    turns: tuple[int, ...] = ()
    pipelines: tuple[tuple[int, ...], ...] = ()


def build(scenario: Scenario) -> Setup:
    """Load every part and network that a scenario names, and compile.

    Raises :class:`InputError` for whatever cannot be loaded or does not fit together.

    Parameters
    ----------
    scenario
        Checked for its plain values already; parts and networks are looked up here.

    Raises
    ------
    InputError
        For what cannot be loaded, counts that contradict each other, an inference of more than :data:`MAX_INVOKE_S`.
    """
    scenario = _with_segments(scenario)
    host = load_host(scenario.host)
    accelerators = _accelerators(scenario)
    links = _links(scenario, len(accelerators))
    if scenario.mode == "pipeline":
        return _pipeline_setup(scenario, host, accelerators, links)
    names, thread_models = _threads(scenario)
    if any(is_profile(name) for name in names):
        return _profile_setup(scenario, host, accelerators, links, names, thread_models)
    setup = assemble(scenario, host, accelerators, links, names, thread_models)
    return _with_cpu_threads(setup) if scenario.mode == "coexec" else setup


def assemble(
    scenario: Scenario,
    host: Host,
    accelerators: Sequence[Accelerator],
    links: Sequence[Link],
    names: Sequence[str],
    thread_models: Sequence[int],
) -> Setup:
    """Put loaded parts and networks together: channels, executables, stage times."""
    return assemble_graphs(scenario, host, accelerators, links, [load_network(name) for name in names], thread_models)


def assemble_graphs(
    scenario: Scenario,
    host: Host,
    accelerators: Sequence[Accelerator],
    links: Sequence[Link],
    graphs: Sequence[LayerGraph],
    thread_models: Sequence[int],
) -> Setup:
    """Compile layer graphs for every accelerator and time their stages.

    Compiling is remembered by the identity of graph and accelerator, so many set-ups of a study share it.
    """
    channels = tuple(channel(link, host) for link in links)
    clocks = tuple(a.at_clock(scenario.clock, link.root) for a, link in zip(accelerators, links, strict=True))
    compiled = [_compiled(scenario, graphs, accelerator) for accelerator in accelerators]
    executables = tuple(tuple(row[model] for row in compiled) for model in range(len(graphs)))
    networks = tuple(
        tuple(
            _stage_times(scenario, executable, channels[i], host, clocks[i])
            for i, executable in enumerate(per_accelerator)
        )
        for per_accelerator in executables
    )
    _check_length(times for row in networks for times in row)
    return Setup(
        scenario, host, scenario.cores or host.cores, tuple(accelerators), channels, clocks,
        tuple(graph.name for graph in graphs),
        executables, networks, tuple(thread_models), _warnings(scenario, accelerators, executables),
    )  # fmt: skip


def _check_length(networks: Iterable[StageTimes]) -> None:
    """Raise :class:`InputError` for an inference so long that a run of many would not end."""
    for times in networks:
        alone_s = (times.preprocess_ns + times.invoke_ns + times.postprocess_ns) / 1e9
        if alone_s > MAX_INVOKE_S:
            raise InputError(times.name, f"{alone_s:.3g} s for one inference", f"at most {MAX_INVOKE_S} s")


def _compiled(scenario: Scenario, graphs: Sequence[Any], accelerator: Accelerator) -> list[Executable]:
    if scenario.cocompile:
        return cocompile(graphs, accelerator, scenario.compiler)
    return [_compile_once(graph, accelerator, scenario.compiler) for graph in graphs]


class ByIdentity:
    """A cache key that stands for an object itself, so that large frozen values need no hashing."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.value is self.value


def _compile_once(graph: Any, accelerator: Accelerator, compiler: str) -> Executable:
    return _compile_cached(ByIdentity(graph), ByIdentity(accelerator), compiler)


@lru_cache(maxsize=256)
def _compile_cached(graph: ByIdentity, accelerator: ByIdentity, compiler: str) -> Executable:
    return compile_graph(graph.value, accelerator.value, compiler)


def _stage_times(scenario: Scenario, executable: Executable, bus: Channel, host: Host, clock_hz: float) -> StageTimes:
    times = stage_times(executable, bus, host, clock_hz, scenario.cpu_kernels, scenario.num_threads)
    frame = frame_size(scenario.preprocess)
    if frame is not None:
        before, after = frame_ns(executable.graph, host, *frame), postprocess_ns(executable.graph, host)
        times = replace(times, preprocess_ns=before, postprocess_ns=after)
    return stretched(times, stretch(scenario.background_load))


def _accelerators(scenario: Scenario) -> list[Accelerator]:
    pairs = [name_and_count("--size", part) for part in scenario.size.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        pairs = [(pairs[0][0], scenario.accelerators)]
    count = sum(max(1, number) for _, number in pairs)
    if scenario.accelerators not in (1, count):
        raise InputError("--accelerators", scenario.accelerators, f"{count}, as --size {scenario.size} says")
    return [part for name, number in pairs for part in [load_accelerator(name)] * max(1, number)]


def _links(scenario: Scenario, count: int) -> list[Link]:
    names = scenario.link.split(",")
    if len(names) not in (1, count):
        raise InputError("--link", scenario.link, f"one link, or one for each of {count} accelerators")
    return [load_link(name.strip()) for name in (names if len(names) == count else names * count)]


def _threads(scenario: Scenario) -> tuple[list[str], list[int]]:
    pairs = parse_models(scenario.models)
    counts = [count for _, count in pairs]
    if len(pairs) == 1 and not counts[0]:
        return [pairs[0][0]], [0] * scenario.threads
    if any(counts):
        total = sum(max(1, count) for count in counts)
        if scenario.threads not in (1, total):
            raise InputError("--threads", scenario.threads, f"{total}, as MODEL {scenario.models} says")
        return [n for n, _ in pairs], [m for m, count in enumerate(counts) for _ in range(max(1, count))]
    threads = max(scenario.threads, len(pairs))
    return [n for n, _ in pairs], [thread % len(pairs) for thread in range(threads)]


def _with_segments(scenario: Scenario) -> Scenario:
    """A pipeline without a number of segments has one for each accelerator, and the other way round; least two."""
    if scenario.mode != "pipeline":
        if scenario.num_segments:
            raise InputError("--num-segments", scenario.num_segments, "only with --mode pipeline")
        return scenario
    segments = scenario.num_segments or max(2, scenario.accelerators)
    accelerators = max(scenario.accelerators, segments)
    if accelerators % segments:
        raise InputError("--accelerators", accelerators, f"a multiple of --num-segments {segments}")
    return replace(scenario, num_segments=segments, accelerators=accelerators)


def _pipeline_setup(
    scenario: Scenario, host: Host, accelerators: Sequence[Accelerator], links: Sequence[Link]
) -> Setup:
    """Cut the one network as the scenario says."""
    (name, _), *more = parse_models(scenario.models)
    if more or scenario.threads > 1:
        raise InputError("--mode pipeline", scenario.models, "one network and no --threads: every segment has its own")
    graph, segments = load_network(name), scenario.num_segments
    parts = split(graph, segment_cuts(graph, accelerators[0], segments, scenario.segmentation))
    if len(parts) != segments:
        raise InputError("--segmentation", scenario.segmentation, f"{segments - 1} layer numbers")
    return assemble_pipeline(scenario, host, accelerators, links, parts)


def assemble_pipeline(
    scenario: Scenario,
    host: Host,
    accelerators: Sequence[Accelerator],
    links: Sequence[Link],
    parts: Sequence[LayerGraph],
) -> Setup:
    """Put a pipeline together from a network's parts: thread and accelerator i run part i modulo their number."""
    count, segments = len(accelerators), len(parts)
    setup = assemble_graphs(scenario, host, accelerators, links, parts, [i % segments for i in range(count)])
    networks = tuple(_in_runner(scenario, host, row) for row in setup.networks)
    pipelines = tuple(tuple(range(i, i + segments)) for i in range(0, count, segments))
    return replace(setup, networks=networks, pipelines=pipelines)


def _in_runner(scenario: Scenario, host: Host, row: tuple[StageTimes, ...]) -> tuple[StageTimes, ...]:
    """The compiled runner passes pointers; a Python one also copies tensors in and out under the GIL."""
    if scenario.runner == "pipelined":
        return tuple(replace(times, python_ns=0, stages=tuple(map(_without_copy, times.stages))) for times in row)
    factor = stretch(scenario.background_load)
    return tuple(replace(times, python_ns=ceil(host.python_stage_ns * factor)) for times in row)


def _without_copy(stage: TpuStage | CpuStage) -> TpuStage | CpuStage:
    """Tensors between segments are bound to the driver's buffers: nobody copies them."""
    return replace(stage, copy_ns=0) if isinstance(stage, TpuStage) else stage


def at_divisor(setup: Setup, divisor: int) -> Setup:
    """Return the set-up with every accelerator's clock divided (8, 4, 2: gasket's throttle steps).

    Parameters
    ----------
    divisor
        1, 2, 4 or 8; cycles take that many times as long, transfers and host work stay.
    """
    clocks = tuple(clock / divisor for clock in setup.clocks_hz)
    networks = tuple(tuple(_slowed(times, divisor) for times in row) for row in setup.networks)
    return replace(setup, clocks_hz=clocks, networks=networks)


def _slowed(times: StageTimes, divisor: int) -> StageTimes:
    stages = tuple(
        replace(stage, steps=tuple(replace(step, compute_ns=step.compute_ns * divisor) for step in stage.steps))
        if isinstance(stage, TpuStage)
        else stage
        for stage in times.stages
    )
    return replace(times, stages=stages)


def _profile_setup(
    scenario: Scenario,
    host: Host,
    accelerators: Sequence[Accelerator],
    links: Sequence[Link],
    names: Sequence[str],
    thread_models: Sequence[int],
) -> Setup:
    """Replay measured stage times: host and accelerator parts are as their files say, nothing shares a link."""
    if not all(is_profile(name) for name in names) or scenario.mode not in ("threads", "processes"):
        raise InputError("MODEL", scenario.models, "only profiles, with --mode threads or processes")
    count = len(accelerators)
    channels = tuple(replace(channel(link, host), header_bytes=0) for link in links)
    factor = stretch(scenario.background_load)
    networks = tuple((stretched(load_profile(name).stage_times(), factor),) * count for name in names)
    empty = (Executable(times.name, LayerGraph(times.name, (), (), ()), (), "") for (times, *_) in networks)
    return Setup(
        scenario, host, scenario.cores or host.cores, tuple(accelerators), channels,
        tuple(a.at_clock(scenario.clock, link.root) for a, link in zip(accelerators, links, strict=True)),
        tuple(times.name for (times, *_) in networks), tuple((one,) * count for one in empty), networks,
        tuple(thread_models),
        ("measured stage times; power and memory contention of that accelerator are not modelled",),
    )  # fmt: skip


def _with_cpu_threads(setup: Setup) -> Setup:
    """Threads beyond one for each accelerator run their network on the CPU alone."""
    scenario, count = setup.scenario, len(setup.accelerators)
    if len(setup.thread_models) <= count:
        raise InputError(
            "--threads", len(setup.thread_models), f"more than {count}: one an accelerator, the rest on the CPU"
        )
    on_cpu = tuple(_cpu_only(scenario, setup.host, row) for row in setup.executables)
    models = len(setup.models)
    threads = [model if i < count else models + model for i, model in enumerate(setup.thread_models)]
    return replace(
        setup,
        models=(*setup.models, *(f"{name} on the CPU" for name in setup.models)),
        executables=setup.executables * 2,
        networks=(*setup.networks, *((times,) * count for times in on_cpu)),
        thread_models=tuple(threads),
    )


def _cpu_only(scenario: Scenario, host: Host, row: Sequence[Executable]) -> StageTimes:
    plans = tuple(LayerPlan(layer, "on the CPU by choice") for layer in row[0].graph.layers)
    stage = cpu_stage(Segment("cpu", plans), host, scenario.cpu_kernels, scenario.num_threads)
    times = StageTimes(f"{row[0].name} on the CPU", "", (stage,))
    return stretched(times, stretch(scenario.background_load))


def _warnings(
    scenario: Scenario, accelerators: Sequence[Accelerator], executables: Sequence[Sequence[Executable]]
) -> tuple[str, ...]:
    sizes = {a.name for a in accelerators if a.is_extrapolated}
    notes = [f"size {name} was never measured: an extrapolation" for name in sorted(sizes)]
    notes += _process_note(scenario, len(accelerators))
    for row in executables:
        notes += [f"{row[0].name}: {note}" for note in row[0].notes]
    return tuple(notes)


def _process_note(scenario: Scenario, accelerators: int) -> list[str]:
    """An accelerator belongs to one process: more processes than accelerators need one that owns and shares it."""
    if scenario.mode != "processes" or scenario.threads <= accelerators:
        return []
    return ["an accelerator belongs to one process: sharing it among processes takes a server process, not modelled"]
