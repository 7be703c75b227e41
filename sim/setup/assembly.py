"""Parts and networks put together: executables and stage times for every way to share the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from hwmodels.accelerator import Accelerator
from hwmodels.errors import InputError
from hwmodels.executable import Executable
from hwmodels.families import compile_graph, compile_together
from hwmodels.link import rate_notes
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.heads import load_with_heads
from hwmodels.networks.readers import is_profile
from hwmodels.stages import StageTimes, stretch
from sim.scenario import Scenario
from sim.setup.times import app_work, timed_rows
from sim.setup.values import ON_CPU, Parts, Setup

__all__ = [
    "assemble", "assemble_graphs", "assemble_pipeline", "profile_setup", "with_cpu_threads",
]  # fmt: skip

ANY_NUMBER = 255  # places of a bus whose file says no number
MAX_INVOKE_S = 600  # of one inference alone


def assemble(scenario: Scenario, parts: Parts, names: Sequence[str], thread_models: Sequence[int]) -> Setup:
    """Put loaded parts and networks together: channels, executables, stage times."""
    graphs = load_with_heads(names, scenario.classes, scenario.max_boxes)
    return assemble_graphs(scenario, parts, graphs, thread_models)


def assemble_graphs(
    scenario: Scenario, parts: Parts, graphs: Sequence[LayerGraph], thread_models: Sequence[int]
) -> Setup:
    """Compile layer graphs for every accelerator and time their stages.

    Compiling is remembered by the identity of graph and accelerator, so many set-ups of a study share it.
    """
    channels, clocks = parts.channels, parts.clocks_hz(scenario.clock)
    compiled = [_compiled(scenario, graphs, accelerator) for accelerator in parts.accelerators]
    executables = tuple(tuple(row[model] for row in compiled) for model in range(len(graphs)))
    setup = Setup(
        scenario, parts.host, scenario.cores or parts.host.cores, parts.accelerators, channels, clocks,
        tuple(graph.name for graph in graphs), executables, (), tuple(thread_models),
        _warnings(scenario, parts, executables, len(thread_models)),
    )  # fmt: skip
    return _timed(setup)


def _timed(setup: Setup) -> Setup:
    """The set-up with the stage times of its executables; they have to end."""
    if setup.is_on_cpu:
        _check_operators(row[0] for row in setup.executables)
    timed = replace(setup, stage_times=timed_rows(setup, setup.host))
    _check_length(one for row in timed.stage_times for one in row)
    return timed


def _check_length(networks: Iterable[StageTimes]) -> None:
    """Raise :class:`InputError` for an inference so long that a run of many would not end."""
    for times in networks:
        alone_s = times.latency_ns / 1e9
        if alone_s > MAX_INVOKE_S:
            raise InputError.problem(
                times.name, f"takes {alone_s:.3g} s for one inference", f"at most {MAX_INVOKE_S} s can be simulated"
            )


def _check_operators(networks: Iterable[Executable]) -> None:
    """Raise :class:`InputError` for a compiled file, whose operators for the CPU are gone."""
    for network in networks:
        if network.source == "file":
            raise InputError.problem(
                "--accelerators 0", f"cannot run {network.name}, which is compiled for an accelerator",
                "give the plain .tflite file",
            )  # fmt: skip


def _compiled(scenario: Scenario, graphs: Sequence[LayerGraph], part: Accelerator) -> list[Executable]:
    if scenario.cocompile:
        return compile_together(graphs, part, scenario.compiler)
    return [compile_graph(graph, part, scenario.compiler) for graph in graphs]


def assemble_pipeline(
    scenario: Scenario, parts: Parts, graphs: Sequence[LayerGraph], graph: LayerGraph | None = None
) -> Setup:
    """Put a pipeline together from a network's graphs: thread and accelerator i run graph i modulo their number.

    ``graph`` is the whole network, where it is known: gains compare with it in one piece.
    """
    count, segments = len(parts.accelerators), len(graphs)
    setup = assemble_graphs(scenario, parts, graphs, [i % segments for i in range(count)])
    pipelines = tuple(tuple(range(i, i + segments)) for i in range(0, count, segments))
    plain = replace(scenario, mode="threads", num_segments=0, segmentation="compiler", batch=0, runner="pipelined")
    whole = assemble_graphs(plain, parts, [graph], [0]) if graph else None
    return _timed(replace(setup, pipelines=pipelines, whole=whole))


def profile_setup(scenario: Scenario, parts: Parts, names: Sequence[str], thread_models: Sequence[int]) -> Setup:
    """Replay measured stage times: host and accelerator parts are as their files say, nothing shares a link."""
    if not all(is_profile(name) for name in names) or scenario.mode not in ("threads", "processes"):
        raise InputError.problem(
            "MODEL",
            f"{scenario.models} names a profile in --mode {scenario.mode} or beside a network",
            "give only profiles, with --mode threads or processes",
        )
    from hwmodels.profile import load_profile  # no other set-up reads them

    count = len(parts.accelerators)
    factor = stretch(scenario.background_load)
    app = app_work(scenario)
    times = tuple((replace(load_profile(name).stage_times(), app=app).stretched(factor),) * count for name in names)
    empty = (Executable(one.name, LayerGraph(one.name, (), (), ()), (), "") for (one, *_) in times)
    return Setup(
        scenario, parts.host, scenario.cores or parts.host.cores, parts.accelerators,
        tuple(replace(line, shared=False) for line in parts.channels), parts.clocks_hz(scenario.clock),
        tuple(one.name for (one, *_) in times), tuple((one,) * count for one in empty), times,
        tuple(thread_models),
        ("measured stage times; power and memory contention of that accelerator are not modelled",),
    )  # fmt: skip


def with_cpu_threads(setup: Setup) -> Setup:
    """Threads beyond one for each accelerator run their network on the CPU alone."""
    count = len(setup.accelerators)
    if len(setup.thread_models) <= count:
        raise InputError.value(
            "--threads",
            len(setup.thread_models),
            f"more than {count} here (one for each accelerator, the rest on the CPU)",
        )
    runs = [(model, i >= count) for i, model in enumerate(setup.thread_models)]
    kinds = sorted(set(runs), key=lambda run: (run[1], run[0]))
    return _timed(replace(
        setup,
        models=tuple(setup.models[model] + (ON_CPU if on_cpu else "") for model, on_cpu in kinds),
        executables=tuple(setup.executables[model] for model, _ in kinds),
        thread_models=tuple(kinds.index(run) for run in runs),
    ))  # fmt: skip


def _warnings(
    scenario: Scenario, parts: Parts, executables: Sequence[Sequence[Executable]], threads: int
) -> tuple[str, ...]:
    if scenario.is_on_cpu:
        return ()
    sizes = {a.name for a in parts.accelerators if a.is_extrapolated}
    notes = [f"size {name} was never measured: an extrapolation" for name in sorted(sizes)]
    notes += dict.fromkeys(note for link in parts.links for note in rate_notes(link, parts.host))
    notes += [*_lane_notes(parts), *_shared_notes(scenario, parts)]
    notes += _process_note(scenario, len(parts.accelerators))
    notes += _idle_note(scenario, len(parts.accelerators), threads)
    for row in executables:
        notes += [f"{row[0].name}: {note}" for note in row[0].notes]
    return tuple(notes)


def _lane_notes(parts: Parts) -> list[str]:
    """Cards that are taken to have a lane each, where the host's file does not say that it has so many places."""
    lanes = Counter(bus.channel.name for bus in parts.buses if not bus.is_fluid)
    return [
        f"{count} accelerators over {name} are taken to have a lane each; behind one lane (a switch, an x1 expander, a "
        "dual adapter) they share it and take longer: --link pcie-lane-gen2 or pcie-lane-gen3"
        for name, count in lanes.items()
        if count > 1 and not count <= parts.host.bus(name)[1].places < ANY_NUMBER
    ]


def _shared_notes(scenario: Scenario, parts: Parts) -> list[str]:
    """Cards that share the host's only lane though nobody named it."""
    lanes = Counter(bus.channel.name for bus in parts.buses if bus.is_fluid and bus.channel.is_lane)
    counts = Counter(link.name for link in parts.links)
    return [
        f"{counts[name]} accelerators share the one lane that {parts.host.name} has, as behind a switch (--link {name})"
        for name in lanes
        if name not in scenario.link
    ]


def _idle_note(scenario: Scenario, accelerators: int, threads: int) -> list[str]:
    """A thread waits for its result, so it uses one accelerator at a time."""
    if scenario.mode not in ("threads", "processes") or threads >= accelerators:
        return []
    busy = f"{threads} {scenario.mode if threads > 1 else scenario.mode.removesuffix('es').removesuffix('s')}"
    what = f"{busy} can use {threads} of {accelerators} accelerators at a time"
    return [f"{what}: add --threads {accelerators}"]


def _process_note(scenario: Scenario, accelerators: int) -> list[str]:
    """An accelerator belongs to one process: more processes than accelerators need one that owns and shares it."""
    if scenario.mode != "processes" or scenario.threads <= accelerators:
        return []
    return ["an accelerator belongs to one process: sharing it among processes takes a server process, not modelled"]
