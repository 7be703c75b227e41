"""What the calibration has seen, and which traits of a set-up lie outside it.

What was seen is a data file beside this module, made from the measurements of ``calibration/datasets``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from hwmodels.cache import remembered
from hwmodels.evidence import cpu_evidence
from hwmodels.executable import Executable
from hwmodels.families import family_name, load_accelerator
from hwmodels.host import Host, load_host
from hwmodels.link import load_link
from hwmodels.parts import Part, shipped_name
from sim.setup import Setup

__all__ = ["Covered", "covered", "gaps", "part_hashes"]

#: Made by ``python -m calibration.coverage --write`` from the shipped measurements.
_COVERED = json.loads(Path(__file__).with_name("coverage.json").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Covered:
    """What was measured of one family of accelerators.

    Attributes
    ----------
    hosts
        Link -> hosts on which an accelerator was measured over it.
    operators
        Of networks that were measured, on the accelerator or beside it.
    clocks_hz
        Core clocks.
    most
        Trait -> the most that was measured.
    sizes
        Sizes that were measured, where a family has several; None where no more is known than the part says.
    rows
        Host -> how many times and rates were measured on it, with an accelerator or without.
    """

    hosts: Mapping[str, Sequence[str]]
    operators: Sequence[str]
    clocks_hz: Sequence[float]
    most: Mapping[str, int]
    sizes: Sequence[str] | None = None
    rows: Mapping[str, int] = field(default_factory=dict)


@cache
def covered(family: str) -> Covered:
    """Return what was measured of a family by its name; nothing for one that the file does not name."""
    return Covered(**_COVERED.get(family, {"hosts": {}, "operators": (), "clocks_hz": (), "most": {}}))


PARTS: dict[str, Callable[[str], Part]] = {"size": load_accelerator, "link": load_link, "host": load_host}

#: What the note on threads says of every scenario with several: a terminal shows it once.
OF_THREADS = "no measurement has several on one accelerator; waiting is computed, not calibrated"


def part_hashes(setup: Setup) -> dict[str, str]:
    """Hashes of the numbers of the parts that a set-up uses, and of its networks, by what they are."""
    hashes = {kind: ",".join(dict.fromkeys(part.digest for part in parts)) for kind, parts in _parts(setup).items()}
    return hashes | {"network": ",".join(dict.fromkeys(row[0].token for row in setup.executables))}


def _parts(setup: Setup) -> dict[str, Sequence[Part]]:
    links = [line.link for line in setup.channels if line.link]
    return {"size": setup.accelerators, "link": links, "host": (setup.host,)}


def gaps(setup: Setup) -> list[str]:
    """Say which traits of a set-up lie outside what was measured: a line for each, beginning with the trait."""
    if not setup.executables[0][0].graph.layers:  # a profile: its stage times were measured
        return []
    if setup.is_on_cpu:
        return [_changed_note("host", setup.host)] if _is_changed("host", setup.host) else [*_scaled_note(setup.host)]
    family = family_name(setup.accelerators[0])
    known = covered(family)
    found = [note for row in setup.executables for note in _of_network(row[0], family)]
    return [*dict.fromkeys([*found, *_of_parts(setup, known), *_of_numbers(setup, known)])]


@remembered(1024)
def _of_network(network: Executable, family: str) -> tuple[str, ...]:
    if network.source == "file":  # its own note says where its times come from
        return ()
    graph, known = network.graph, covered(family)
    traits = {"multiply-accumulates": graph.macs, "parameter bytes": graph.parameter_bytes, "layers": len(graph.layers)}
    notes = [
        f"network {graph.name}: {value} {trait}, at most {known.most.get(trait, 0)} were measured"
        for trait, value in traits.items()
        if value > known.most.get(trait, 0)
    ]
    if graph.meta.get("compiled"):
        notes.append(
            f"network {graph.name}: compiled by the model, whose instructions are not those of the file that it was "
            "added with: name that file for its own times"
        )
    unknown = sorted({layer.op for layer in graph.layers}.difference(known.operators))
    if unknown:
        notes.append(f"network {graph.name}: in no measured network: {', '.join(unknown)}")
    return tuple(notes)


def _of_parts(setup: Setup, known: Covered) -> Iterator[str]:
    """Parts with numbers of the user's own, hosts that were not measured over their link, other clocks."""
    used = _parts(setup)
    for kind, parts in used.items():
        yield from (_changed_note(kind, part) for part in parts if _is_changed(kind, part))
    host = shipped_name("host", setup.host) or setup.host.name
    for link in used["link"]:
        bus = shipped_name("link", link) or link.name
        if host not in known.hosts.get(bus, ()):
            yield f"host {host}: never measured over {bus}"
    yield from _scaled_note(setup.host)
    if setup.no_room:
        yield f"accelerators: {setup.no_room}"
    for clock in setup.clocks_hz:
        if clock not in known.clocks_hz:
            yield f"clock {clock / 1e6:g} MHz: measured were {_listed(known.clocks_hz)} MHz"
    names = [shipped_name("accelerator", part) or part.name for part in setup.accelerators]
    yield from (f"size {name}: never measured" for name in names if known.sizes is not None and name not in known.sizes)


def _scaled_note(host: Host) -> Iterator[str]:
    """Say which host the costs of the CPU come from, where they were not measured on this one."""
    known = cpu_evidence(host)
    if known.status == "scaled":
        yield f"host {host.name}: CPU times are scaled from those of {known.near}, the nearest host that was measured"


def _changed_note(kind: str, part: Part) -> str:
    return f"{kind} {part.name}: not the calibrated numbers"


def _listed(clocks_hz: Sequence[float]) -> str:
    return " and ".join(f"{clock / 1e6:g}" for clock in clocks_hz) or "none"


@remembered(1024)
def _is_changed(kind: str, part: Part) -> bool:
    """Whether a part has other numbers than the shipped one that it is or is based on, or stands by itself."""
    name = shipped_name("accelerator" if kind == "size" else kind, part)
    return not name or part.digest != PARTS[kind](name).digest


def _of_numbers(setup: Setup, known: Covered) -> Iterator[str]:
    """More accelerators, or more threads on one, than any measurement has."""
    many, threads = len(setup.accelerators), len(setup.thread_models)
    most = known.most.get("accelerators in a pipeline" if setup.pipelines else "accelerators", 0)
    if many > most:
        yield f"accelerators {many}: at most {most} were measured"
    sharing = min(threads, many) if setup.scenario.mode == "coexec" else threads
    if not setup.pipelines and sharing > many * known.most.get("threads of one accelerator", 0):
        yield f"threads {threads}: {OF_THREADS}"
    if setup.scenario.mode == "coexec" and setup.is_crowded:
        yield "more threads than cores: how soon an accelerator's thread gets a core is computed, not measured"
