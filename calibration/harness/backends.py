"""What runs the networks that the harness times: Google's pycoral, or TFLite with the libedgetpu delegate.

Everything foreign is imported inside functions: a machine without driver or device gets one line, not a traceback.
"""

from __future__ import annotations

import ctypes
import importlib
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from calibration.harness.hostbench import interpreter_module, interpreter_version
from hwmodels.errors import InputError, reason

__all__ = ["Backend", "Clock", "DelegateBackend", "Device", "PycoralBackend", "RealClock", "Session", "find_backend"]

LIBRARIES = ("libedgetpu.so.1", "libedgetpu.1.dylib", "edgetpu.dll")
USB_FOLDER = Path("/sys/bus/usb/devices")
#: USB vendors of the stick: before and after its firmware is loaded.
USB_VENDORS = ("1a6e", "18d1")


@dataclass(frozen=True)
class Device:
    """One accelerator: its name for the delegate (``usb:0``, ``pci:1``), and its link (empty when not known)."""

    name: str
    link: str


class Clock(Protocol):
    """Time of a backend: real, or that of a simulated device."""

    def now_ns(self) -> int:
        """Time now in ns, of the calling thread."""

    def wall_s(self) -> float:
        """Time of day in unix seconds, as a power meter stamps its samples."""

    def sleep_ns(self, ns: float) -> None:
        """Let time pass."""

    def enter(self) -> None:
        """Count the calling thread as one that runs."""

    def leave(self) -> None:
        """Undo :meth:`enter`."""


class Session(Protocol):
    """A network ready to run on one device."""

    def invoke(self) -> None:
        """Run one inference and wait for it."""

    def preprocess(self) -> None:
        """Bring a camera frame into the network's input."""

    def postprocess(self) -> None:
        """Read and decode the output."""


class Backend(Protocol):
    """A runtime with its devices."""

    name: str
    clock: Clock

    def devices(self) -> list[Device]:
        """List the devices; raises :class:`InputError` when there is none."""

    def versions(self) -> dict[str, str]:
        """Return the versions of runtime and driver."""

    def open(self, model: str, device: Device, group: Sequence[str] = ()) -> Session:
        """Load a network on a device; ``group``: networks to compile together, in order, where that is a choice."""

    def input_size(self, model: str) -> tuple[int, int]:
        """Height and width of a network's input."""

    def pair_modes(self, first: str, second: str) -> tuple[str, ...]:
        """Return ``single`` and/or ``cocompiled``: how two networks can alternate on one device."""

    def pipeline_ns(self, segments: Sequence[str], devices: Sequence[Device], batch: int) -> int:
        """Return the time in ns that ``batch`` inferences take through a pipeline that is already filled once."""


class RealClock:
    """The machine's own clock."""

    def now_ns(self) -> int:
        """Time now in ns."""
        return time.perf_counter_ns()

    def wall_s(self) -> float:
        """Unix time in s."""
        return time.time()

    def sleep_ns(self, ns: float) -> None:
        """Sleep."""
        time.sleep(ns / 1e9)

    def enter(self) -> None:
        """Nothing to do."""

    def leave(self) -> None:
        """Nothing to do."""


class _InterpreterSession:
    """A TFLite interpreter on a device."""

    def __init__(self, interpreter: Any, frame: np.ndarray[Any, Any]) -> None:
        interpreter.allocate_tensors()
        self.interpreter, self.frame = interpreter, frame
        self.source = interpreter.get_input_details()[0]
        self.results = interpreter.get_output_details()
        random = np.random.default_rng(0)
        self._set(random.integers(0, 127, self.source["shape"]).astype(self.source["dtype"]))

    def _set(self, values: np.ndarray[Any, Any]) -> None:
        self.interpreter.set_tensor(self.source["index"], values)

    def invoke(self) -> None:
        """Run one inference and wait for it."""
        self.interpreter.invoke()

    def preprocess(self) -> None:
        """Resize the frame to the input (Pillow, bilinear) and flip its sign for int8."""
        image = importlib.import_module("PIL.Image")
        height, width = self.source["shape"][1:3]
        small = np.asarray(image.fromarray(self.frame).resize((int(width), int(height)), image.Resampling.BILINEAR))
        values = (small ^ 0x80).view(np.int8) if self.source["dtype"] is np.int8 else small
        self._set(values.astype(self.source["dtype"]).reshape(self.source["shape"]))

    def postprocess(self) -> None:
        """Dequantise every output and take the ten largest values of the first."""
        for index, detail in enumerate(self.results):
            scale, zero = detail["quantization"]
            values = (scale or 1) * (self.interpreter.get_tensor(detail["index"]).astype(np.float32) - zero)
            if index == 0:
                flat = values.ravel()
                np.argpartition(-flat, min(10, flat.size - 1))


class _RealBackend(ABC):
    """What both real runtimes share."""

    name = ""

    def __init__(self, frame: tuple[int, int] = (1280, 720)) -> None:
        self.clock: Clock = RealClock()
        self.frame = np.zeros((frame[1], frame[0], 3), np.uint8)

    @abstractmethod
    def _interpreter(self, model: str, device: Device) -> Any:
        """A loaded interpreter of the model on the device."""

    def open(self, model: str, device: Device, group: Sequence[str] = ()) -> Session:
        """Load a compiled .tflite file on a device; raises :class:`InputError` when the runtime refuses it."""
        del group  # it is in the file
        if not Path(model).is_file():
            raise InputError.problem(f"the model {model}", "is no file", "give a compiled .tflite file")
        try:
            return _InterpreterSession(self._interpreter(model, device), self.frame)
        except (ValueError, RuntimeError, OSError) as error:
            allowed = "a file compiled for the Edge TPU, and a device nobody else uses"
            raise InputError.problem(
                f"{model} on {device.name}", f"cannot be opened ({reason(error).splitlines()[0]})", allowed
            ) from None

    def input_size(self, model: str) -> tuple[int, int]:
        """Height and width of a network's input, read from the file."""
        from hwmodels.networks.tflite import read_graph

        inputs = read_graph(Path(model)).inputs
        return inputs[0].hwc[:2] if inputs else (0, 0)

    def pair_modes(self, first: str, second: str) -> tuple[str, ...]:
        """Files with the same parameter-caching token were compiled together."""
        tokens = [{op.token for op in _compiled_ops(Path(model))} for model in (first, second)]
        return ("cocompiled",) if tokens[0] & tokens[1] - {0} else ("single",)


def _compiled_ops(path: Path) -> Sequence[Any]:
    from hwmodels.edgetpu.darwinn import read_compiled_ops

    return read_compiled_ops(path)


class PycoralBackend(_RealBackend):
    """Google's pycoral (not the package of that name on the Python index)."""

    name = "pycoral"

    def __init__(self, frame: tuple[int, int] = (1280, 720)) -> None:
        super().__init__(frame)
        self.edgetpu: Any = importlib.import_module("pycoral.utils.edgetpu")

    def devices(self) -> list[Device]:
        """List the devices that the runtime finds."""
        kinds = [str(found["type"]) for found in self.edgetpu.list_edge_tpus()]
        return named_devices(kinds)

    def versions(self) -> dict[str, str]:
        """Return the runtime's own text."""
        return {"runtime": str(self.edgetpu.get_runtime_version()), "interpreter": interpreter_version()}

    def _interpreter(self, model: str, device: Device) -> Any:
        return self.edgetpu.make_interpreter(model, device=device.name)

    def pipeline_ns(self, segments: Sequence[str], devices: Sequence[Device], batch: int) -> int:
        """Time ``batch`` inferences through pycoral's PipelinedModelRunner, one device a segment."""
        runner_module = importlib.import_module("pycoral.pipeline.pipelined_model_runner")
        interpreters = [self._interpreter(model, device) for model, device in zip(segments, devices, strict=True)]
        for interpreter in interpreters:
            interpreter.allocate_tensors()
        runner = runner_module.PipelinedModelRunner(interpreters)
        source = interpreters[0].get_input_details()[0]
        data = {source["name"]: np.zeros(source["shape"], source["dtype"])}
        _push_and_pop(runner, data, 1)
        elapsed_ns = _push_and_pop(runner, data, batch)
        runner.push({})
        return elapsed_ns


def _push_and_pop(runner: Any, data: dict[str, Any], batch: int) -> int:
    def feed() -> None:
        """Push a whole batch into the pipeline."""
        for _ in range(batch):
            runner.push(data)

    producer = threading.Thread(target=feed)
    start = time.perf_counter_ns()
    producer.start()
    for _ in range(batch):
        runner.pop()
    producer.join()
    return time.perf_counter_ns() - start


class DelegateBackend(_RealBackend):
    """ai-edge-litert or tflite-runtime with the libedgetpu delegate."""

    name = "delegate"

    def __init__(self, frame: tuple[int, int] = (1280, 720)) -> None:
        super().__init__(frame)
        self.module = interpreter_module()
        self.library_name, self.library = _load_library()

    def devices(self) -> list[Device]:
        """List the devices that libedgetpu finds."""
        count = ctypes.c_size_t()
        self.library.edgetpu_list_devices.restype = ctypes.POINTER(_CDevice)
        found = self.library.edgetpu_list_devices(ctypes.byref(count))
        kinds = [("pci", "usb")[found[i].type] for i in range(count.value)]
        if found:
            self.library.edgetpu_free_devices(found)
        return named_devices(kinds)

    def versions(self) -> dict[str, str]:
        """Return the driver's own text and the interpreter's version."""
        self.library.edgetpu_version.restype = ctypes.c_char_p
        runtime = (self.library.edgetpu_version() or b"").decode(errors="replace")
        return {"runtime": runtime, "interpreter": interpreter_version()}

    def _interpreter(self, model: str, device: Device) -> Any:
        delegate = self.module.load_delegate(self.library_name, {"device": device.name})
        return self.module.Interpreter(model_path=model, experimental_delegates=[delegate])

    def pipeline_ns(self, segments: Sequence[str], devices: Sequence[Device], batch: int) -> int:
        """There is no pipeline without pycoral: raises :class:`InputError`."""
        del segments, devices, batch
        raise InputError.problem(
            "a pipeline", "needs Google's pycoral", "install the one that has PipelinedModelRunner"
        )


class _CDevice(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int), ("path", ctypes.c_char_p)]


def _load_library() -> tuple[str, Any]:
    for name in LIBRARIES:
        try:
            return name, ctypes.CDLL(name)
        except OSError:
            continue
    raise InputError.problem(
        "the driver libedgetpu",
        "is not installed",
        "install libedgetpu1-std or -max, or give --fake-device or --host-only",
    )


def named_devices(kinds: Sequence[str]) -> list[Device]:
    """Return the devices, each kind numbered as the delegate does; raises :class:`InputError` when there is none."""
    if not kinds:
        raise InputError.problem("an Edge TPU", "was not found", "plug in one that is free, or give --fake-device")
    usb = usb_link()
    found = []
    for index, kind in enumerate(kinds):
        short = "usb" if kind == "usb" else "pci"
        found.append(Device(f"{short}:{kinds[:index].count(kind)}", usb if short == "usb" else "pcie"))
    return found


def usb_link(folder: Path = USB_FOLDER) -> str:
    """Return usb3 or usb2 by the speed of the first stick that the system lists, empty where it does not."""
    for vendor in sorted(folder.glob("*/idVendor")):
        if vendor.read_text().strip() in USB_VENDORS and (vendor.parent / "speed").exists():
            return "usb3" if float((vendor.parent / "speed").read_text()) >= 5000 else "usb2"
    return ""


def find_backend(frame: tuple[int, int] = (1280, 720)) -> Backend:
    """Return Google's pycoral if it can be imported, else TFLite with the delegate.

    Raises :class:`InputError` when neither interpreter nor driver is installed.
    """
    makers: tuple[Callable[[tuple[int, int]], Backend], ...] = (PycoralBackend, DelegateBackend)
    try:
        return makers[0](frame)
    except (ImportError, OSError):
        return makers[1](frame)
