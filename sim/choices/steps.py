"""What could be changed about a scenario, one thing at a time: what advice tries and what diagnoses speak of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hwmodels.families import family_of_size, order_counts, sizes
from hwmodels.host import load_host
from hwmodels.link import load_link, plugged_links
from hwmodels.parts import part_names
from sim.choices.market import has_port
from sim.scenario import Scenario, option_defaults, parse_models
from sim.setup import DEVICE_OPTIONS, accelerator_count, host_of

__all__ = ["Step", "on_cpu_options", "orders_together", "own_counts", "quick_steps", "steps"]

MOST_ORDERS = 3  # of networks that are compiled together


@dataclass(frozen=True)
class Step:
    """One change: in words, the options it changes, and why it should help where the bottleneck is one of these."""

    change: str
    options: Mapping[str, Any]
    reason: str


def steps(scenario: Scenario) -> Iterator[Step]:
    """Yield every change of one thing that a scenario admits."""
    for make in (_threads, _accelerators, _cpu, _size, _link, _cores, _host, _software, _policies):
        yield from make(scenario)


def quick_steps(scenario: Scenario) -> Iterator[Step]:
    """Yield the changes that need no other part file read than a link's: more threads, accelerators, links, cores."""
    for make in (_threads, _accelerators, _link, _cores, _software):
        yield from make(scenario)


def own_counts(scenario: Scenario) -> bool:
    """Whether MODEL gives thread counts, so that ``--threads`` has no say."""
    return any(count for _, count in parse_models(scenario.models))


def _threads(scenario: Scenario) -> Iterator[Step]:
    pairs = parse_models(scenario.models)
    if scenario.mode == "pipeline" or (own_counts(scenario) and len(pairs) > 1):
        return
    name, count = pairs[0]
    threads = max(scenario.threads, count, len(pairs))
    alone = {"models": name} if count else {}
    idle = "cores that one thread leaves idle work"
    reason = idle if scenario.is_on_cpu else "a thread's host work overlaps the other threads' time on the accelerator"
    yield Step("one more thread", {**alone, "threads": threads + 1}, reason)
    if threads < 4:
        yield Step("four threads", {**alone, "threads": 4}, reason)


def _cpu(scenario: Scenario) -> Iterator[Step]:
    """No accelerator at all; the options that speak of accelerators go with them."""
    if not scenario.is_on_cpu:
        reason = "leave it on the CPU, which is faster than sending it over the link"
        yield Step("everything on the CPU", on_cpu_options(scenario), reason)


def on_cpu_options(scenario: Scenario) -> dict[str, Any]:
    """Return the options that put everything on the CPU; those that speak of accelerators go back to their defaults."""
    plain = option_defaults()
    kept = "processes" if scenario.mode == "processes" else "threads"
    options = {name: plain[name] for name in DEVICE_OPTIONS if name not in ("link", "mode")}
    return {**options, "link": "", "mode": kept, "accelerators": 0}


def _accelerators(scenario: Scenario) -> Iterator[Step]:
    if scenario.is_on_cpu:
        yield Step("one accelerator", {"accelerators": 1}, "it computes faster than the CPU")
        return
    if "," in scenario.size or ":" in scenario.size or scenario.mode == "pipeline" or "," in scenario.link:
        return
    more = accelerator_count(scenario) + 1
    reason = "two inferences can be on accelerators at once"
    pairs = parse_models(scenario.models)
    single = len(pairs) == 1
    name, count = pairs[0]
    threads = max(scenario.threads, count)
    alone = {"models": name} if single and count else {}
    more_threads = {} if own_counts(scenario) and not single else {**alone, "threads": max(threads + 1, more)}
    yield Step("one more accelerator (and a thread)", {"accelerators": more, **more_threads}, reason)
    if single and scenario.mode == "threads" and scenario.arrivals == "closed" and not scenario.cameras:
        pipeline = {
            **alone,
            "mode": "pipeline",
            "threads": 1,
            "accelerators": max(2, more),
            "num_segments": max(2, more),
        }
        reason = "each accelerator does a part of the network"
        yield Step(f"a pipeline over {max(2, more)} accelerators", pipeline, reason)


def _size(scenario: Scenario) -> Iterator[Step]:
    order = sizes(family_of_size(scenario.size))
    if scenario.size in order[:-1] and not scenario.is_on_cpu:
        larger = order[order.index(scenario.size) + 1]
        reason = "a larger array computes more in a cycle"
        yield Step(f"size {larger}", {"size": larger, "clock": "max"}, reason)
    if scenario.clock == "std":
        yield Step("clock max", {"clock": "max"}, "the array's clock doubles")


def _link(scenario: Scenario) -> Iterator[Step]:
    links = plugged_links()
    slower = links.index(scenario.link) + 1 if scenario.link in links and not scenario.is_on_cpu else len(links)
    for link in links[slower:]:
        if has_port(scenario.host, link):
            clock = {} if load_link(link).std_clock else {"clock": "max"}
            yield Step(f"link {link}", {"link": link, **clock}, "instructions, inputs and parameters cross it faster")


def _cores(scenario: Scenario) -> Iterator[Step]:
    cores = scenario.cores or host_of(scenario).cores
    yield Step(f"{2 * cores} cores", {"cores": 2 * cores}, "threads do not wait for a core")


def _host(scenario: Scenario) -> Iterator[Step]:
    host = host_of(scenario)
    names = part_names("host")
    if load_link(scenario.link.split(",")[0].strip()).on_board:
        yield from _boards(scenario, names)
        return
    faster = [name for name in ("raspberry-pi-4", "raspberry-pi-5", "x86-desktop") if name in names]
    for name in faster:
        faster_work = load_host(name).cast_ns_per_byte < 0.8 * host.cast_ns_per_byte
        link = _best_stick(scenario, name)
        if faster_work and has_port(name, link):
            over = {"link": link} if link != scenario.link else {}
            what = f"host {name}{f' over {link}' if over else ''}"
            yield Step(what, {"host": name, "cores": 0, **over}, "host work of an inference takes less time")
            yield from _card(scenario, name)
            return


def _best_stick(scenario: Scenario, host: str) -> str:
    """Where sticks are used: the fastest link for them that a host has; else the link as it is."""
    sticks = [link for link in plugged_links() if load_link(link).std_clock]
    if scenario.link not in sticks or scenario.is_on_cpu:
        return scenario.link
    return next((link for link in reversed(sticks) if has_port(host, link)), scenario.link)


def _card(scenario: Scenario, host: str) -> Iterator[Step]:
    """A faster host may also have a slot for a card, where sticks are used now."""
    are_sticks = scenario.link in plugged_links() and scenario.link != "pcie"
    if are_sticks and has_port(host, "pcie") and not scenario.is_on_cpu:
        options = {"host": host, "cores": 0, "link": "pcie", "clock": "max"}
        yield Step(f"host {host} with a card (pcie)", options, "host work and transfers take less time")


def _boards(scenario: Scenario, names: Sequence[str]) -> Iterator[Step]:
    """Other boards that have such accelerators."""
    reason = "the board's clocks, cores and memory are others"
    for name in names:
        if name != scenario.host and has_port(name, scenario.link):
            yield Step(f"board {name}", {"host": name, "cores": 0}, reason)


def _software(scenario: Scenario) -> Iterator[Step]:
    several = len(parse_models(scenario.models)) > 1
    yield from _together(scenario)
    if scenario.mode == "threads" and (scenario.threads > 1 or several or scenario.busy_python_threads):
        yield Step("processes instead of threads", {"mode": "processes"}, "nobody waits for Python's global lock")
    if scenario.mode == "pipeline" and scenario.runner == "chained":
        yield Step("segments that overlap", {"runner": "pipelined"}, "each takes the next input while the others work")
    if scenario.cpu_kernels == "builtin":
        yield Step("XNNPACK kernels", {"cpu_kernels": "xnnpack"}, "operators on the CPU run faster")
    if scenario.num_threads == 1:
        yield Step("two interpreter threads", {"num_threads": 2}, "convolutions on the CPU use two cores")


def _together(scenario: Scenario) -> Iterator[Step]:
    """Compile the networks together, in every order where that decides who gets the parameter memory first."""
    rows = list(orders_together(scenario))
    for name, options in rows:
        first = (f", {name} first", f", and {name} gets it first") if len(rows) > 1 else ("", "")
        reason = f"the networks share the parameter memory{first[1]}: what is kept there stays at a model's turn"
        yield Step(f"compile together{first[0]}", options, reason)


def orders_together(scenario: Scenario) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the networks that may be first where all are compiled together, each with the options; none where it is.

    Only the first where the compiler ranks them all as one.
    """
    parts = scenario.models.split(",")
    if len(parse_models(scenario.models)) < 2 or scenario.cocompile or scenario.is_on_cpu:
        return
    counts = order_counts(scenario.size, scenario.compiler)
    for first in range(min(len(parts), MOST_ORDERS) if counts else 1):
        models = ",".join([parts[first], *parts[:first], *parts[first + 1 :]])
        yield parse_models(parts[first])[0][0], {"models": models, "cocompile": True}


def _policies(scenario: Scenario) -> Iterator[Step]:
    """Another dispatch where there are accelerators to choose from, another discipline where models differ."""
    if accelerator_count(scenario) > 1 and scenario.dispatch == "bind" and scenario.mode in ("threads", "processes"):
        reason = "a thread takes the accelerator with the fewest others"
        yield Step("dispatch least_loaded", {"dispatch": "least_loaded"}, reason)
    several = len(parse_models(scenario.models)) > 1 and not scenario.is_on_cpu
    if several and scenario.discipline == "fifo":
        yield Step("discipline affinity", {"discipline": "affinity"}, "requests of one model are served in a row")
