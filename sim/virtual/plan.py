"""The plan of a session from a scenario: stage times of compiled files on each of its accelerators."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import tflite

from hwmodels.errors import InputError, nearest
from hwmodels.networks.graph import EDGETPU_OP
from hwmodels.networks.tflite import open_model
from hwmodels.stages import AcceleratorStage
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.virtual.memory import MOST_DEVICES
from sim.virtual.planfile import TWIN, Device, Operator, Pass, Plan, Settings, Step

__all__ = ["Planned", "checked_settings", "compiled_options", "make_plan", "twins_of"]

CHOICES = {"--clock-mode": ("real", "logical"), "--host-work": ("measured", "none")}
OUTPUTS = ("zeros", "noise", TWIN)


@dataclass(frozen=True)
class Planned:
    """A plan with what it was made from: the set-up and the file of each network."""

    plan: Plan
    setups: tuple[Setup, ...]
    files: tuple[Path, ...]

    def stage(self, operator: int, device: int) -> AcceleratorStage:
        """The stage times of an operator on a device."""
        one = self.plan.operators[operator]
        return self.setups[one.network].stage_times[0][device].accelerator_stages[one.position]


def checked_settings(clock: str = "real", host_work: str = "", outputs: str = "zeros") -> Settings:
    """Return settings by the words of the command line.

    Raises
    ------
    InputError
        For any other word, and for host work that is left out of real time.
    """
    given = {"--clock-mode": clock, "--host-work": host_work or "measured"}
    for option, value in given.items():
        if value not in CHOICES[option]:
            raise InputError.value(option, value, " or ".join(CHOICES[option]), nearest(value, CHOICES[option]))
    if outputs not in OUTPUTS:
        raise InputError.value("--outputs", outputs, "zeros, noise or twin, or a file", nearest(outputs, OUTPUTS))
    if host_work == "none" and clock == "real":
        raise InputError.problem("--host-work none", "leaves out what really happens", "it needs --clock-mode logical")
    return Settings(clock, host_work or "measured", outputs)


def make_plan(scenario: Scenario, files: Sequence[Path], settings: Settings | None = None) -> Planned:
    """Return the plan of the accelerators that a scenario names, for these compiled files.

    Parameters
    ----------
    scenario
        Its accelerators, sizes, links, clock and host count; models and threads do not, and other programs on the
        cores (``background_load``) are real here.
    files
        Compiled for the Edge TPU.
    settings
        How the devices behave.

    Raises
    ------
    InputError
        For a file that is none of these, and for what :func:`sim.setup.build` cannot load.
    """
    if not files:
        raise InputError.problem(
            "the program", "names no file compiled for the Edge TPU", "name it with --model FILE_edgetpu.tflite"
        )
    setups = tuple(build(_alone(scenario, file)) for file in files)
    buses, devices = _devices(setups[0])
    if len(devices) > MOST_DEVICES:
        raise InputError.value("--accelerators", len(devices), f"at most {MOST_DEVICES} here")
    tokens = list(dict.fromkeys(setup.stage_times[0][0].token for setup in setups))
    operators: dict[str, Operator] = {}
    for number, (file, setup) in enumerate(zip(files, setups, strict=True)):
        for operator in _operators(number, file, setup, 1 + tokens.index(setup.stage_times[0][0].token)):
            operators.setdefault(operator.sha256, operator)
    names = tuple(setup.models[0] for setup in setups)
    return Planned(
        Plan(settings or Settings(), buses, devices, names, tuple(operators.values())), setups, tuple(files)
    )  # fmt: skip


def _alone(scenario: Scenario, file: Path) -> Scenario:
    """The scenario for one file, without what concerns threads."""
    if scenario.mode not in ("threads", "processes"):
        raise InputError.value("--mode", scenario.mode, "threads or processes: the program says what runs where")
    return replace(scenario, models=str(file), threads=1, background_load=0.0, preprocess="none", cocompile=False)


def _devices(setup: Setup) -> tuple[tuple[int, ...], tuple[Device, ...]]:
    """Largest transfers of the buses that several accelerators share, and the devices."""
    shared = [bus for bus in setup.buses if bus.is_shared]
    devices = []
    for number, (line, bus) in enumerate(zip(setup.channels, setup.bus_of, strict=True)):
        kind = "pci" if line.throttles else "usb"
        path = f"/sys/bus/usb/devices/2-{number + 1}" if kind == "usb" else f"/dev/apex_{number}"
        devices.append(Device(kind, shared.index(bus) if bus in shared else -1, path))
    return tuple(bus.channel.chunk_bytes for bus in shared), tuple(devices)


def _operators(network: int, file: Path, setup: Setup, token: int) -> list[Operator]:
    options = compiled_options(file)
    if not options:
        raise InputError.problem(
            str(file), "is not compiled for the Edge TPU", "give the compiler's NAME_edgetpu.tflite"
        )
    rows = [times.accelerator_stages for times in setup.stage_times[0]]
    return [
        Operator(hashlib.sha256(one).hexdigest(), network, i, token, tuple(_pass(row[i]) for row in rows))
        for i, one in enumerate(options)
    ]


def compiled_options(file: Path) -> list[bytes]:
    """Return the custom options of each compiled operator of a file, in order: parameters and tokens are in them.

    Raises :class:`InputError` for a file that cannot be read.
    """
    with open_model(file) as (model, _):
        graph = model.Subgraphs(0)
        operators = [graph.Operators(i) for i in range(graph.OperatorsLength())]
        codes = [model.OperatorCodes(operator.OpcodeIndex()) for operator in operators]
        return [
            operator.CustomOptionsAsNumpy().tobytes()
            for operator, code in zip(operators, codes, strict=True)
            if code.BuiltinCode() == tflite.BuiltinOperator.CUSTOM and code.CustomCode() == EDGETPU_OP.encode()
        ]


def twins_of(planned: Planned) -> dict[str, Path]:
    """Return the plain file of each network, NAME.tflite of NAME_edgetpu.tflite, by its compiled operator's SHA-256.

    Raises :class:`InputError` for a file that is not there, and for a network of which only a part is compiled.
    """
    found = {}
    for operator in planned.plan.operators:
        file = planned.files[operator.network]
        plain = file.with_name(file.name.replace("_edgetpu", ""))
        if plain == file or not plain.is_file():
            what = f"needs the file from before compilation beside {file.name}"
            raise InputError.problem("--outputs twin", what, f"put {plain.name} there")
        with open_model(file) as (model, _):
            if model.Subgraphs(0).OperatorsLength() > 1:
                what = f"knows whole networks only, and a part of {file.name} stays on the CPU"
                raise InputError.problem("--outputs twin", what, "give a file of recorded outputs")
        found[operator.sha256] = plain.resolve()
    return found


def _pass(stage: AcceleratorStage) -> Pass:
    return Pass(
        stage.driver_ns, stage.latency_ns, stage.load_bytes, stage.load_ns, stage.instructions_ns, stage.input_ns,
        stage.instruction_bytes + stage.input_bytes, stage.output_ns, stage.output_bytes, stage.copy_ns,
        tuple(Step(s.compute_ns, s.parameters_ns if s.streamed_bytes else 0, s.streamed_bytes) for s in stage.steps),
    )  # fmt: skip
