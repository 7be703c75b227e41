"""Name what limits a set-up, in words that a person can act on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hwmodels.stages import StageTimes
from sim.closed_form.remedies import Remedy
from sim.machine.states import TRAITS, WAYS, Group, State, states_of
from sim.setup import Setup
from sim.window import Window

__all__ = ["bottleneck", "spoken"]

SATURATED = 0.93
AT_ITS_PACE = 0.98  # of what its slowest segment allows: a pipeline that no more of anything else makes faster
LATE = 0.02  # of a run, after its last request: what could end sooner
MOST_NAMED = 2
WAITED_FOR = 0.7  # use of threads from which on requests wait for them long
SHORTER = 2.0  # so many times as long they wait for threads as for what all threads share: then more threads help
ANOTHER_THREAD = "one more thread"  # what people ask first
ON_LINK = states_of(group="link")
DOING: dict[Group, str] = {
    "accelerator": "computing", "link": "transfers", "cpu": "host work", "gil": "waiting for Python's lock",
    "app": "the program's own waits",
}  # fmt: skip


def bottleneck(
    setup: Setup, window: Window, used: Mapping[str, float], is_overloaded: bool = False
) -> tuple[str, str]:  # fmt: skip
    """Return the limiting resource (accelerator, link, cpu, gil, arrivals) and a sentence about it.

    Parameters
    ----------
    used
        Shares of time by resource (:func:`sim.answer.utilisation`); one counts as full from :data:`SATURATED` on.
    is_overloaded
        Requests come faster than they are served, or frames are dropped: then they are not what limits, however idle
        every resource is.

    Notes
    -----
    Order: requests that do not come faster; full cores, as whoever waits for one may hold the accelerator or the GIL,
    unless a pipeline is at the pace of its slowest segment all the same;
    a full bus, as accelerators wait for it; the fuller of accelerator and GIL; a pipeline's slowest segment; else the
    longest part of an inference.
    """
    keeps_up = not is_overloaded and not _runs_on(setup, window)
    if setup.scenario.arrival_process.process.is_open and keeps_up:
        return "arrivals", _not_faster(setup, window, used)
    if used["cpu"] >= SATURATED:
        return _slowest_segment(setup) if _is_at_its_pace(setup, window) else ("cpu", _cores(setup, used))
    bus = _full_bus(setup, window)
    if bus:
        return "link", bus
    if max(used["accelerator"], used["gil"]) >= SATURATED:
        if used["gil"] > used["accelerator"]:
            return "gil", f"{_lock(used)}."
        return _accelerator(setup, window, used)
    return _slowest_segment(setup) if setup.pipelines else _unsaturated(setup, window, used)


def _not_faster(setup: Setup, window: Window, used: Mapping[str, float]) -> str:
    """A sentence about requests that do not come faster; they may wait for threads that wait for nothing shared."""
    busy, count = _busy_threads(setup, window), setup.threads
    if busy < WAITED_FOR or _queue(busy) < SHORTER * _queue(max(used.values())):
        return f"Requests do not come faster: the busiest resource is used {max(used.values()):.0%}."
    who = "the one thread, which is" if count == 1 else f"the {count} threads, which are"
    text = f"Requests do not come faster, and wait for {who} busy {busy:.0%} of the time"
    return f"{text}." if setup.pipelines else f"{text}: more threads shorten the wait."


def _queue(used: float) -> float:
    """How long requests wait for what is used so much, up to a factor: its queue, each of whom takes its share."""
    return used**2 / max(1 - used, 1e-9)


def _busy_threads(setup: Setup, window: Window) -> float:
    """Share of the threads' time in which they serve, none of them in another's way; 0 of a pipeline's segments."""
    if setup.pipelines and not setup.is_chained:
        return 0.0
    if setup.pipelines:
        whole_ns = sum(setup.stage_times[setup.thread_models[i]][i].latency_ns for i in setup.pipelines[0])
        return window.count * whole_ns / window.elapsed_ns / len(setup.pipelines)
    served = zip(window.latency, setup.stage_times, strict=True)
    spent_ns = sum(counts.n * min(times.latency_ns for times in row) for counts, row in served)
    return spent_ns / window.elapsed_ns / max(1, len(setup.thread_models))


def _runs_on(setup: Setup, window: Window) -> bool:
    """Whether a run whose requests have ended took notably longer than they and one inference do: they waited."""
    if window.last_arrival_ns is None:
        return False
    members = setup.pipelines[0] if setup.pipelines else range(1)
    alone_ns = sum(setup.stage_times[setup.thread_models[i]][i].latency_ns for i in members)
    return window.end_ns - window.last_arrival_ns - alone_ns > LATE * window.elapsed_ns


def _cores(setup: Setup, used: Mapping[str, float]) -> str:
    """A sentence about full cores; each thread may fill one of its own, and then more of them do nothing.

    Nor do they where the accelerators are full as well, or Python's lock: all are named.
    """
    share = used["cpu"]
    width = max(times.width for row in setup.stage_times for times in row)
    if len(setup.thread_models) * width + setup.scenario.busy_python_threads <= setup.cores and setup.cores > 1:
        return f"The threads compute on the CPU all the time ({share:.0%} of {setup.cores} cores)."
    words = "The one core is" if setup.cores == 1 else f"All {setup.cores} cores are"
    also = {"accelerator": _held(setup, used), "gil": _lock(used)}
    full = [f"{words} busy ({share:.0%})", *(said for name, said in also.items() if used[name] >= SATURATED)]
    return f"{', and '.join(full)}."


def _lock(used: Mapping[str, float]) -> str:
    return f"Python's global lock is held {used['gil']:.0%} of the time"


def _held(setup: Setup, used: Mapping[str, float]) -> str:
    who = "accelerator is" if len(setup.accelerators) == 1 else "accelerators are"
    return f"the {who} held {used['accelerator']:.0%} of the time"


def _full_bus(setup: Setup, window: Window) -> str:
    """A sentence about a bus that several accelerators share and fill, if there is one."""
    for bus in setup.buses:
        for state, way in WAYS.items():
            share = setup.bus_ns(bus, [part.time_ns[state] for part in window.links], way) / window.elapsed_ns
            if bus.is_shared and share >= SATURATED:
                there, many = ("to" if way == "out" else "from"), len(bus.accelerators)
                return f"The {bus.channel.name} bus {there} its {many} accelerators is full ({share:.0%})."
    return ""


def _accelerator(setup: Setup, window: Window, used: Mapping[str, float]) -> tuple[str, str]:
    """The accelerator is held all the time: by transfers, or by computing?"""
    link_ns = {state: window.state_ns(state) for state in ON_LINK}
    total = sum(link_ns.values()) + window.state_ns(State.COMPUTE)
    share = sum(link_ns.values()) / max(1, total)
    held = _held(setup, used).capitalize()
    if share > 0.5:
        names = " and ".join(dict.fromkeys(line.name for line in setup.channels))
        return "link", f"{held}, {share:.0%} of it by transfers over {names}, most for {_most_for(setup, link_ns)}."
    return "accelerator", f"{held}, {1 - share:.0%} of it computing."


def _most_for(setup: Setup, spent_ns: Mapping[State, float]) -> str:
    """What most of some time goes to, and why where something is wrong with that."""
    worst = max(spent_ns, key=lambda state: spent_ns[state])
    evicted = len(setup.models) > 1 and not setup.scenario.cocompile
    why = {
        State.PARAMETERS: ", which its memory does not keep",
        State.LOAD_PARAMETERS: ", as networks take each other's place in its memory" if evicted else "",
    }
    return TRAITS[worst].words + why.get(worst, "")


def _is_at_its_pace(setup: Setup, window: Window) -> bool:
    """Whether pipelines are as fast as their slowest segment alone would be, so that nothing shared holds them up."""
    if not setup.pipelines or setup.batch:
        return False
    slowest_ns = max(setup.stage_times[setup.thread_models[i]][i].latency_ns for i in setup.pipelines[0])
    return window.throughput_ips * slowest_ns / 1e9 >= AT_ITS_PACE * len(setup.pipelines)


def _slowest_segment(setup: Setup) -> tuple[str, str]:
    """A pipeline is as fast as its slowest segment; a chain takes the time of all."""
    times = [(setup.stage_times[setup.thread_models[i]][i], i) for i in setup.pipelines[0]]
    slowest, i = max(times, key=lambda pair: (pair[0].latency_ns, -pair[1]))
    part = slowest.latency_ns / sum(one.latency_ns for one, _ in times)
    if setup.is_chained:
        kind = _longest_part([one for one, _ in times])
        text = f"One input at a time goes through {len(times)} segments: even the slowest one rests {1 - part:.0%}"
        return "cpu" if kind == "app" else kind, f"{text} of the time."
    kind, place = _longest_part([slowest]), setup.pipelines[0].index(i) + 1
    return "cpu" if kind == "app" else kind, (
        f"Segment {place} of {len(times)} is the slowest: {slowest.latency_ns / 1e6:.2f} ms, "
        f"{part:.0%} of the time of all, most of it {DOING[kind]}."
    )


def _longest_part(stages: Sequence[StageTimes]) -> Group:
    """What networks spend most of their time alone with."""
    spent = [name for one in stages for name in one.alone_ns.items()]
    names = {group: {state.name.lower() for state in states_of(group=group)} for group in DOING}
    return max(names, key=lambda group: sum(ns for name, ns in spent if name in names[group]))


def _unsaturated(setup: Setup, window: Window, used: Mapping[str, float]) -> tuple[str, str]:
    """Nothing is full: name the longest part of an inference."""
    if setup.is_on_cpu:
        return "cpu", f"Every operator runs on the CPU: {used['cpu']:.0%} of its {setup.cores} cores are used."
    spent = {group: {state: window.state_ns(state) for state in states_of(group=group)} for group in DOING}
    name = max(spent, key=lambda group: sum(spent[group].values()))
    share = sum(spent[name].values()) / max(1, sum(sum(row.values()) for row in spent.values()))
    most = f", most for {_most_for(setup, spent[name])}" if len(spent[name]) > 1 else ""
    kind = "cpu" if name == "app" else name  # the program around the network is the host's
    text = f"{share:.0%} of an inference is {DOING[name]}{most}; the accelerator idles"
    return kind, f"{_late_threads(setup, window)}{text} {1 - used['accelerator']:.0%} of the time."


def _late_threads(setup: Setup, window: Window) -> str:
    """Where more is asked for than is served and nothing shared is full: the threads are what everything waits for."""
    busy, count = _busy_threads(setup, window), setup.threads
    if not setup.scenario.arrival_process.process.is_open or busy < SATURATED:
        return ""
    who = "The one thread is" if count == 1 else f"The {count} threads are"
    return f"{who} busy {min(1.0, busy):.0%} of the time: "


def _times(gain: float) -> str:
    """A gain in words: two decimals where it is small, two digits else."""
    return f"{gain:.2f}" if gain < 2 else f"{gain:.2g}"


def spoken(found: Sequence[Remedy]) -> str:
    """Return sentences about what helps and what does not, of changes whose gain the closed form knows."""
    helps = [f"{remedy.change} ({_times(remedy.gain)} x)" for remedy in found if remedy.helps][:MOST_NAMED]
    useless = [remedy.change for remedy in found if remedy.helps is False]
    useless = sorted(useless, key=lambda change: change != ANOTHER_THREAD)[:MOST_NAMED]
    words = [f"What helps: {', '.join(helps)}."] if helps else []
    return " ".join(words + ([f"What does not: {', '.join(useless)}."] if useless else []))
