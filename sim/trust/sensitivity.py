"""Sizes that nobody measured: every assumed number of the part, at both ends of its range, through the closed form.

A star, not a grid: one number at a time, two evaluations each, so that a run stays cheap and the number that matters
most has a name. Ends move a prediction by d (logarithm); a number anywhere between them adds a variance of d^2 / 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, expm1, hypot, log, sqrt

from hwmodels.accelerator import Accelerator, Effect
from hwmodels.cache import remembered
from hwmodels.executable import Executable
from hwmodels.families import compile_graph, compile_together, recosted, refitted
from hwmodels.stages import StageTimes
from hwmodels.timing import stage_times
from sim.closed_form.flows import Flow, flows, power_at
from sim.setup import Setup

__all__ = ["Sensitivity", "at_end", "notes", "sensitivities", "sides", "swept", "with_part"]

CLOCKS = {"max": "clock_hz", "std": "clock_std_hz"}
TELLING = 0.02  # a number that moves the throughput by less is not worth a warning


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """How far one assumed number moves the answer: logarithms of the change at the low and the high end."""

    part: str
    key: str
    throughput: tuple[float, float]
    energy: tuple[float, float]


def swept(part: Accelerator) -> list[str]:
    """Assumed numbers with a range, of a size that nobody measured; none of one that was."""
    if not part.is_extrapolated:
        return []
    return [key for key, quantity in part.quantities.items() if quantity.status == "assumed" and quantity.range]


def sensitivities(setup: Setup) -> list[Sensitivity]:
    """Sweep the assumed numbers of every extrapolated accelerator of a set-up.

    Returns
    -------
    list
        One one for each accelerator part and number, in the parts' order; empty where nothing is assumed, and for
        replayed profiles.
    """
    parts = {id(part): part for part in setup.accelerators}.values()
    keys = [(part, key) for part in parts for key in swept(part)]
    if not keys or not all(row[0].segments for row in setup.executables):
        return []
    rows = flows(setup)
    base = _figures(setup, rows)
    return [_sensitivity(setup, part, key, rows, base) for part, key in keys]


def _sensitivity(
    setup: Setup, part: Accelerator, key: str, rows: Sequence[Flow], base: tuple[float, float]
) -> Sensitivity:
    ends = [with_part(setup, part, at_end(part, key, end), key) for end in (0, 1)]
    figures = [_figures(end, rows if part.effect(key) == "energy" else flows(end)) for end in ends]
    (low, low_mj), (high, high_mj) = [tuple(log(x / y) for x, y in zip(end, base, strict=True)) for end in figures]
    return Sensitivity(part.name, key, (low, high), (low_mj, high_mj))


def _figures(setup: Setup, rows: Sequence[Flow]) -> tuple[float, float]:
    """Throughput (1/s) and energy of an inference (mJ) of the closed form."""
    ips = sum(row.ips for row in rows) / (len(setup.pipelines[0]) if setup.pipelines else 1)
    return ips, power_at(setup, rows).total_w / ips * 1e3


@remembered(1024)
def at_end(part: Accelerator, key: str, end: int) -> Accelerator:
    """Return the part with one number at the low (0) or high (1) end of its range."""
    span = part.quantities[key].range
    assert span is not None
    now = getattr(part, key)
    moved = ceil(span[end]) if isinstance(now, int) else span[end]  # counts and bytes stay whole, and above zero
    return part if moved == now else part.moved(key, moved)


def with_part(setup: Setup, old: Accelerator, new: Accelerator, key: str = "") -> Setup:
    """Return the set-up with one accelerator part in place of another.

    Parameters
    ----------
    setup
        Its channels, host and threads stay.
    old, new
        The part to be replaced wherever it stands, and its replacement.
    key
        The one number in which they differ, where it is one: spares compiling what does not depend on it.
    """
    where = [i for i, part in enumerate(setup.accelerators) if part is old]
    accelerators = tuple(new if part is old else part for part in setup.accelerators)
    effect = old.effect(key) if key else "program"
    if effect == "energy":
        return replace(setup, accelerators=accelerators)
    state = CLOCKS[setup.scenario.clock]
    ratio = getattr(new, state) / getattr(old, state)
    clocks = tuple(hz * ratio if i in where else hz for i, hz in enumerate(setup.clocks_hz))
    changed = replace(setup, accelerators=accelerators, clocks_hz=clocks)
    if effect != "clock":
        changed = _compiled_anew(changed, where, new, effect)
    return _timed_anew(changed, where)


def _compiled_anew(setup: Setup, where: Sequence[int], part: Accelerator, effect: Effect) -> Setup:
    """The executables of some accelerators for another part, as far as what its number acts on changes them."""
    compiled = {i: _compile([row[i] for row in setup.executables], part, setup, effect) for i in where}
    executables = tuple(
        tuple(compiled[i][model] if i in compiled else executable for i, executable in enumerate(row))
        for model, row in enumerate(setup.executables)
    )
    return replace(setup, executables=executables)


@remembered(1024)
def _recosted(executable: Executable, part: Accelerator, compiler: str) -> Executable:
    return recosted(executable, part, compiler)


def _compile(
    executables: Sequence[Executable], part: Accelerator, setup: Setup, effect: Effect
) -> list[Executable]:  # fmt: skip
    """Compile for another part: no byte changes its place with cycles, few programs change with the memory."""
    compiler = setup.scenario.compiler
    if effect == "cycles":
        return [_recosted(executable, part, compiler) for executable in executables]
    if setup.scenario.cocompile:
        return compile_together([executable.graph for executable in executables], part, compiler)
    compiled = refitted if effect == "memory" else _from_its_graph
    return [compiled(executable, part, compiler) for executable in executables]


def _from_its_graph(executable: Executable, part: Accelerator, compiler: str) -> Executable:
    return compile_graph(executable.graph, part, compiler)


def _timed_anew(setup: Setup, where: Sequence[int]) -> Setup:
    networks = tuple(
        tuple(_retimed(setup, model, i) if i in where else times for i, times in enumerate(row))
        for model, row in enumerate(setup.stage_times)
    )
    return replace(setup, stage_times=networks)


def _retimed(setup: Setup, model: int, i: int) -> StageTimes:
    """The accelerator's stages timed again; everything on the host stays as it is."""
    old, scenario = setup.stage_times[model][i], setup.scenario
    executable, bus, clock_hz = setup.executables[model][i], setup.channels[i], setup.clocks_hz[i]
    new = stage_times(executable, bus, setup.host, clock_hz, scenario.cpu_kernels, scenario.num_threads)
    if len(new.stages) != len(old.stages):  # the network runs on the CPU by choice
        return old
    again = iter(new.accelerator_stages)
    return old.with_passes(lambda was: replace(next(again), copy_ns=was.copy_ns))


def sides(changes: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Standard deviations (logarithm) below and above a prediction, from the changes at the ends of each number."""
    down = hypot(*(min(0.0, *ends) for ends in changes)) / sqrt(3)
    up = hypot(*(max(0.0, *ends) for ends in changes)) / sqrt(3)
    return down, up


def notes(setup: Setup, found: Sequence[Sensitivity]) -> Iterator[str]:
    """Which assumed number of each extrapolated size moves the throughput most."""
    for part in {id(part): part for part in setup.accelerators}.values():
        mine = [one for one in found if one.part == part.name]
        widest = max(mine, key=lambda one: max(map(abs, one.throughput)), default=None)
        if widest and max(map(abs, widest.throughput)) > TELLING:
            yield _note(part, widest)


def _note(part: Accelerator, one: Sensitivity) -> str:
    low, high = part.quantities[one.key].range or (0.0, 0.0)
    changes = " and ".join(f"{expm1(change) * 100:+.0f} %" for change in one.throughput)
    return f"size {part.name}: {one.key} is assumed and matters most: throughput {changes} at {low:g} and {high:g}"
