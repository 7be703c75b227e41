"""What the calibration has seen, and which traits of a set-up lie outside it.

The tables claim no more than the measurements of ``calibration/datasets`` hold (tests/test_calibrated.py checks that).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache

from hwmodels.accelerator import load_accelerator
from hwmodels.executable import Executable
from hwmodels.host import load_host
from hwmodels.link import load_link
from hwmodels.parts import Part, part_names
from sim.setup import ByIdentity, Setup

__all__ = ["HOSTS", "MOST", "OPERATORS", "outside", "part_hashes"]

#: Link -> hosts on which an accelerator was measured over it.
HOSTS = {
    "pcie": {"x86-desktop", "dev-board", "orange-pi-6-plus", "jetson-nano", "raspberry-pi-cm4"},
    "usb3": {
        "raspberry-pi-4", "raspberry-pi-4-32bit", "x86-xeon", "jetson-nano", "raspberry-pi-5", "rk3399", "odroid-xu4",
    },
    "usb2": {
        "raspberry-pi-3b", "raspberry-pi-3b-32bit", "raspberry-pi-3b-plus", "raspberry-pi-3b-plus-32bit",
        "raspberry-pi-2", "raspberry-pi-2-32bit", "jetson-nano", "dev-board-mini",
    },
}  # fmt: skip
#: Operators of networks that were measured, on the accelerator or beside it.
OPERATORS = frozenset([
    "FULLY_CONNECTED", "CONV_2D", "ADD", "DEPTHWISE_CONV_2D", "MUL", "LOGISTIC", "AVERAGE_POOL_2D", "RELU", "RESHAPE",
    "CONCATENATION", "MAX_POOL_2D", "SLICE", "PAD", "RESIZE_NEAREST_NEIGHBOR", "STRIDED_SLICE", "SPLIT", "SOFTMAX",
    "DEQUANTIZE", "MEAN", "TFLite_Detection_PostProcess", "TRANSPOSE", "SUB", "RESIZE_BILINEAR", "ARG_MAX",
    "L2_NORMALIZATION", "PosenetDecoderOp",
])  # fmt: skip
#: Trait -> the most that was measured.
MOST = {
    "multiply-accumulates": 245_880_061_984, "parameter bytes": 138_397_792, "layers": 902,
    "accelerators": 2, "accelerators in a pipeline": 4, "threads of one accelerator": 1,
}  # fmt: skip
CLOCKS_HZ = (250e6, 500e6)
PARTS: dict[str, Callable[[str], Part]] = {"size": load_accelerator, "link": load_link, "host": load_host}


def part_hashes(setup: Setup) -> dict[str, str]:
    """Hashes of the numbers of the parts that a set-up uses, and of its networks, by what they are."""
    hashes = {kind: ",".join(dict.fromkeys(part.digest for part in parts)) for kind, parts in _parts(setup).items()}
    return hashes | {"network": ",".join(dict.fromkeys(row[0].token for row in setup.executables))}


def _parts(setup: Setup) -> dict[str, Sequence[Part]]:
    links = [load_link(name.strip()) for name in setup.scenario.link.split(",")]
    return {"size": setup.accelerators, "link": links, "host": (setup.host,)}


def outside(setup: Setup) -> list[str]:
    """Say which traits of a set-up lie outside what was measured: a line for each, beginning with the trait."""
    if not setup.executables[0][0].graph.layers:  # a profile: its stage times were measured
        return []
    found = [note for row in setup.executables for note in _of_network(ByIdentity(row[0]))]
    return [*dict.fromkeys([*found, *_of_parts(setup), *_of_numbers(setup)])]


@lru_cache(maxsize=1024)
def _of_network(executable: ByIdentity) -> tuple[str, ...]:
    network: Executable = executable.value
    if network.source == "file":  # its own note says where its times come from
        return ()
    graph = network.graph
    traits = {"multiply-accumulates": graph.macs, "parameter bytes": graph.parameter_bytes, "layers": len(graph.layers)}
    notes = [
        f"network {graph.name}: {value} {trait}, at most {MOST[trait]} were measured"
        for trait, value in traits.items()
        if value > MOST[trait]
    ]
    unknown = sorted({layer.op for layer in graph.layers} - OPERATORS)
    if unknown:
        notes.append(f"network {graph.name}: in no measured network: {', '.join(unknown)}")
    return tuple(notes)


def _of_parts(setup: Setup) -> Iterator[str]:
    """Parts with numbers of the user's own, hosts that were not measured over their link, other clocks."""
    used = _parts(setup)
    for kind, parts in used.items():
        yield from (f"{kind} {part.name}: not the calibrated numbers" for part in parts if _is_changed(kind, part))
    for link in used["link"]:
        host = _shipped("host", setup.host)
        if host not in HOSTS.get(link.root, ()):
            yield f"host {host}: never measured over {link.root}"
    for clock in setup.clocks_hz:
        if clock not in CLOCKS_HZ:
            yield f"clock {clock / 1e6:g} MHz: measured were 250 and 500 MHz"


def _is_changed(kind: str, part: Part) -> bool:
    return part.digest != PARTS[kind](_shipped(kind, part)).digest


def _shipped(kind: str, part: Part) -> str:
    """The shipped part of a part's name, or else the one that it goes back to."""
    return part.name if part.name in _names(kind) else part.root


@cache
def _names(kind: str) -> frozenset[str]:
    return frozenset(part_names("accelerator" if kind == "size" else kind))


def _of_numbers(setup: Setup) -> Iterator[str]:
    """More accelerators, or more threads on one, than any measurement has."""
    many, threads = len(setup.accelerators), len(setup.thread_models)
    most = MOST["accelerators in a pipeline" if setup.pipelines else "accelerators"]
    if many > most:
        yield f"accelerators {many}: at most {most} were measured"
    sharing = min(threads, many) if setup.scenario.mode == "coexec" else threads
    if not setup.pipelines and sharing > many:
        yield f"threads {threads}: no measurement has several on one accelerator; waiting is computed, not calibrated"
