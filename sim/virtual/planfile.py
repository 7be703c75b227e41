"""The plan of a session: what a virtual device must know, as lines of text that Python and C read alike.

One line for each fact: a word, then numbers, a text last. Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["RECORDED", "TWIN", "Device", "Operator", "Pass", "Plan", "Settings", "plan_text", "read_plan"]

VERSION = 1
TWIN = "twin"  # outputs of the plain file of each network, which the CPU computes
RECORDED = "recorded"  # outputs of a file of this name in the session's folder
PASS_FIELDS = 10  # numbers of a pass before its steps


class Settings(NamedTuple):
    """How the devices behave.

    ``clock`` is real or logical; ``host_work`` (measured or none) is for the logical one; ``outputs`` are zeros, noise,
    those of a twin or
    of a recorded file; a wait sleeps until ``spin_ns`` before its end and spins the rest; ``capacity`` is how
    many passes the log of a device keeps.
    """

    clock: str = "real"
    host_work: str = "measured"
    outputs: str = "zeros"
    spin_ns: int = 60_000
    capacity: int = 1 << 17


class Device(NamedTuple):
    """One device: usb or pci, the number of the bus that it shares (-1: one of its own), and its path."""

    kind: str
    bus: int
    path: str


class Step(NamedTuple):
    """Part of the program: time of its cycles, and time and bytes of the parameters that stream under them."""

    compute_ns: int
    parameters_ns: int
    streamed_bytes: int


class Pass(NamedTuple):
    """One pass of an operator through one device: whole ns and bytes, as ``hwmodels.stages.AcceleratorStage`` says."""

    driver_ns: int
    latency_ns: int
    load_bytes: int
    load_ns: int
    instructions_ns: int
    input_ns: int
    send_bytes: int
    output_ns: int
    output_bytes: int
    copy_ns: int
    steps: tuple[Step, ...]

    @property
    def held_ns(self) -> int:
        """Time on the device with the link to itself, parameters being cached."""
        program = sum(max(step.compute_ns, step.parameters_ns) for step in self.steps)
        return self.driver_ns + self.latency_ns + self.instructions_ns + self.input_ns + program + self.output_ns


class Operator(NamedTuple):
    """A compiled operator: SHA-256 of its custom options, its network, its place there, its token's number.

    ``passes`` holds one for each device.
    """

    sha256: str
    network: int
    position: int
    token: int
    passes: tuple[Pass, ...]


class Plan(NamedTuple):
    """Everything about a session; ``bus_chunks`` are the largest transfers of each shared bus in bytes."""

    settings: Settings
    bus_chunks: tuple[int, ...]
    devices: tuple[Device, ...]
    networks: tuple[str, ...]
    operators: tuple[Operator, ...]


def plan_text(plan: Plan) -> str:
    """Return the plan as the text that :func:`read_plan` and the C form read."""
    settings = plan.settings
    lines = [f"edgetpusim-virtual {VERSION}"]
    lines += [f"{name} {getattr(settings, name)}" for name in Settings._fields]
    lines += [f"bus {chunk}" for chunk in plan.bus_chunks]
    lines += [f"device {device.kind} {device.bus} {device.path}" for device in plan.devices]
    for operator in plan.operators:
        lines.append(f"operator {operator.sha256} {operator.network} {operator.position} {operator.token}")
        lines += [f"pass {_pass_text(one)}" for one in operator.passes]
    lines += [f"network {name}" for name in plan.networks]
    return "\n".join(lines) + "\n"


def _pass_text(one: Pass) -> str:
    numbers = [*one[:PASS_FIELDS], len(one.steps)]
    for step in one.steps:
        numbers += step
    return " ".join(map(str, numbers))


def read_plan(text: str) -> Plan:
    """Read a plan; raises :class:`ValueError` for a text of another version."""
    rows: dict[str, list[str]] = {}
    operators: list[tuple[list[str], list[Pass]]] = []
    for line in text.splitlines():
        word, _, rest = line.partition(" ")
        if word == "operator":
            operators.append((rest.split(), []))
        elif word == "pass":
            operators[-1][1].append(_read_pass(rest))
        else:
            rows.setdefault(word, []).append(rest)
    if rows.get("edgetpusim-virtual") != [str(VERSION)]:
        raise ValueError("a plan of another version of edgetpusim")
    return Plan(
        _settings(rows), tuple(map(int, rows.get("bus", []))), tuple(map(_read_device, rows["device"])),
        tuple(rows["network"]), tuple(_operator(fields, passes) for fields, passes in operators),
    )  # fmt: skip


def _settings(rows: dict[str, list[str]]) -> Settings:
    clock, host_work, outputs, spin_ns, capacity = (rows[name][0] for name in Settings._fields)
    return Settings(clock, host_work, outputs, int(spin_ns), int(capacity))


def _read_device(text: str) -> Device:
    kind, bus, path = text.split(" ", 2)
    return Device(kind, int(bus), path)


def _operator(fields: list[str], passes: list[Pass]) -> Operator:
    network, position, token = map(int, fields[1:])
    return Operator(fields[0], network, position, token, tuple(passes))


def _read_pass(text: str) -> Pass:
    numbers = list(map(int, text.split()))
    steps = numbers[PASS_FIELDS + 1 :]
    return Pass._make([*numbers[:PASS_FIELDS], tuple(Step(*steps[i : i + 3]) for i in range(0, len(steps), 3))])
