"""A scenario resolved: its options, in the words of the command line, become parts and compiled networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from hwmodels.accelerator import Accelerator
from hwmodels.cache import remembered
from hwmodels.cuts import in_cutting_order, split
from hwmodels.errors import InputError
from hwmodels.families import load_accelerator
from hwmodels.host import Host, load_host
from hwmodels.link import Link, load_link
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.heads import load_with_heads
from hwmodels.networks.readers import is_profile
from hwmodels.parts import Part, part_names
from sim.scenario import Scenario, name_and_count, parse_models
from sim.setup.acting import check_options
from sim.setup.assembly import assemble, assemble_pipeline, profile_setup, with_cpu_threads
from sim.setup.cutting import LOOKED_FOR, Cuts, Cutter, cuts_of
from sim.setup.values import Parts, Setup
from sim.setup.work import with_segments, work_of

__all__ = ["build", "host_of"]

P = TypeVar("P", bound=Part)


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
    check_options(scenario)
    scenario = with_segments(scenario)
    parts = parts_of(scenario)
    if scenario.mode == "pipeline":
        return _pipeline_setup(scenario, parts)
    work = work_of(scenario)
    if any(is_profile(name) for name in work.names):
        return profile_setup(scenario, parts, work.names, work.thread_models)
    setup = replace(
        assemble(scenario, parts, work.names, work.thread_models),
        turns=work.turns,
        is_server=work.is_server,
        follows=work.follows,
    )
    return with_cpu_threads(setup) if scenario.mode == "coexec" else setup


def parts_of(scenario: Scenario) -> Parts:
    """Return the parts that a scenario names, checked against each other.

    Raises :class:`InputError` for a part that cannot be loaded, or that does not go with the others.
    """
    accelerators, host = _accelerators(scenario), host_of(scenario)
    if scenario.cores:
        host = replace(host, cores=scenario.cores)
    links = [_shared(scenario, link, host, len(accelerators)) for link in _links(scenario, len(accelerators))]
    if scenario.is_on_cpu:  # the default accelerator stands there, without power and without work
        return Parts(host, tuple(accelerators), tuple(links))
    for part, link in zip(accelerators, links, strict=True):
        _check_fit(part, link, host)
    if "clock_hz" not in scenario.numbers_of("size"):
        accelerators = [_on_board(part, link, host) for part, link in zip(accelerators, links, strict=True)]
    return Parts(host, tuple(accelerators), tuple(links))


def _shared(scenario: Scenario, link: Link, host: Host, cards: int) -> Link:
    """The link; where cards find no place of their own on a host with one lane, that lane, which they share."""
    named = [name.strip() for name in scenario.link.split(",")]
    many = cards if len(named) == 1 else named.count(link.name)
    row, costs = host.bus(link.name)
    if not row or not costs.lane_generation or many <= costs.places:
        return link
    return _own_numbers(scenario, "link", load_link(f"{link.name}-lane-gen{costs.lane_generation}"))


def _check_fit(part: Accelerator, link: Link, host: Host) -> None:
    """Raise :class:`InputError` for an accelerator that cannot be on a link, or a link that a host cannot have."""
    if bool(part.port_bytes_per_s) != bool(link.fluid):
        allowed = "memory: its ports are wired to the board's" if part.port_bytes_per_s else "usb3, usb2 or pcie"
        raise InputError.value(f"--link for {part.name}", link.name, allowed)
    if link.on_board and not host.bus(link.name, *link.bases)[0]:
        boards = [name for name in part_names("host") if load_host(name).bus(link.name)[0]]
        raise InputError.value("--host", host.name, f"a board of such accelerators: {', '.join(boards)}")


def _on_board(part: Accelerator, link: Link, host: Host) -> Accelerator:
    """The accelerator at the clock that the host's board gives it, where that is not its own."""
    clock_hz = host.bus(link.name, *link.bases)[1].clock_hz
    return _clocked(part, clock_hz) if clock_hz and clock_hz != part.clock_hz else part


@remembered(64)  # what is compiled for a part is remembered by its identity
def _clocked(part: Accelerator, clock_hz: float) -> Accelerator:
    return replace(part, clock_hz=clock_hz)


def host_of(scenario: Scenario) -> Host:
    """Return the host that a scenario names, with the numbers that it replaces."""
    return _own_numbers(scenario, "host", load_host(scenario.host))


def _own_numbers(scenario: Scenario, option: str, part: P) -> P:
    """The part with the numbers that the scenario replaces; the same numbers make the same object again."""
    numbers = scenario.numbers_of(option)
    return _changed(part, tuple(numbers.items())) if numbers else part


@remembered(256)  # what is compiled for a part is remembered by its identity
def _changed(part: P, numbers: tuple[tuple[str, float], ...]) -> P:
    return part.with_numbers(dict(numbers), "the scenario")


def _accelerators(scenario: Scenario) -> list[Accelerator]:
    pairs = [name_and_count("--size", part) for part in scenario.size.split(",")]
    if len(pairs) == 1 and not pairs[0][1]:
        pairs = [(pairs[0][0], scenario.accelerators)]
    count = sum(max(1, number) for _, number in pairs)
    if scenario.accelerators not in (0, 1, count):
        raise InputError.value("--accelerators", scenario.accelerators, f"{count}, as --size {scenario.size} says")
    loaded = [(_own_numbers(scenario, "size", load_accelerator(name)), max(1, number)) for name, number in pairs]
    return [part for part, number in loaded for _ in range(number)]


def _links(scenario: Scenario, count: int) -> list[Link]:
    names = scenario.link.split(",")
    if len(names) not in (1, count):
        raise InputError.value("--link", scenario.link, f"one link, or one for each of {count} accelerators")
    links = {name: _own_numbers(scenario, "link", load_link(name.strip())) for name in set(names)}
    return [links[name] for name in (names if len(names) == count else names * count)]


def _pipeline_setup(scenario: Scenario, parts: Parts) -> Setup:
    """Cut the one network as the scenario says."""
    graph = in_cutting_order(_pipeline_network(scenario))
    if scenario.segmentation not in LOOKED_FOR:
        return assemble_pipeline(scenario, parts, split(graph, cuts_of(graph, scenario, parts)), graph)
    cutter = Cutter(graph, scenario, parts)
    return replace(_with_cuts(cutter, cutter.best), cutter=cutter)


def _with_cuts(cutter: Cutter, cuts: Cuts) -> Setup:
    return assemble_pipeline(cutter.scenario, cutter.parts, split(cutter.graph, cuts), cutter.graph)


def _pipeline_network(scenario: Scenario) -> LayerGraph:
    (name, _), *more = parse_models(scenario.models)
    if more or scenario.threads > 1:
        raise InputError.problem(
            "--mode pipeline",
            f"cannot run {scenario.models} with --threads {scenario.threads}",
            "give one network and no --threads, as every segment has its own",
        )
    (graph,) = load_with_heads([name], scenario.classes, scenario.max_boxes)
    return graph


def with_best_cut(setup: Setup, rate_ips: Callable[[Setup], float]) -> Setup:
    """Return the set-up with the cut of the highest rate among those that its segmentation tries.

    ``best`` tries the most promising cuts, ``profiled`` its own and the compiler's: segments that were timed one by one
    do not tell how they get in each other's way on a bus. They are judged by what they do in a closed loop, however
    requests come. A warning says what was found. Any other set-up stays.

    Parameters
    ----------
    setup
        A pipeline, as :func:`build` makes it.
    rate_ips
        How many inferences a second a set-up does.
    """
    cutter: Cutter | None = setup.cutter
    if cutter is None:
        return setup
    scenario = setup.scenario
    tried = cutter.promising() if scenario.segmentation == "best" else (cutter.best, cutter.compilers)
    rows = {cuts: _with_cuts(cutter, cuts) for cuts in tried}
    loop = replace(scenario, arrivals="closed", inferences=0, duration_s=0.0)
    rates = {cuts: rate_ips(replace(row, scenario=loop)) for cuts, row in rows.items()}
    best = max(rates, key=lambda cuts: rates[cuts])
    note = _about_cuts(scenario, cutter, {cuts: rate / rates[best] for cuts, rate in rates.items()})
    return replace(rows[best], warnings=(*rows[best].warnings, *note))


def _about_cuts(scenario: Scenario, cutter: Cutter, shares: Mapping[Cuts, float]) -> list[str]:
    """What the chosen cut is, and how far others are behind it, in words."""
    best, compilers, profiled = max(shares, key=lambda cuts: shares[cuts]), cutter.compilers, cutter.best
    if scenario.segmentation == "profiled":
        behind = f"reaches {shares[profiled]:.1%} of the rate of the compiler's cut, which is taken"
        return [] if best == profiled else [f"the profiled cut {behind}"]
    where = f"cut before layers {', '.join(map(str, best))}"
    return [f"{where}; of its rate the compiler's reaches {shares[compilers]:.1%}, the profiled {shares[profiled]:.1%}"]
