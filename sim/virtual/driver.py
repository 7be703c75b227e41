"""What a program gets for libedgetpu: the library's functions, as Python objects.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes as c
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .delegate import VirtualDelegate, measure_own_cost, say
from .device import Machine
from .memory import Memory, make_memory
from .planfile import RECORDED, TWIN, Device, Operator, Pass, Plan, Settings, read_plan

__all__ = ["FOLDER", "Library", "find_device", "open_library"]

FOLDER = "EDGETPUSIM_VIRTUAL"  # the variable that names the session's folder
PLAN, STATE = "plan.txt", "state"
TRIAL_NS = 150_000  # of a pass that measures the code around it
KINDS = ("pci", "usb")  # as edgetpu_c.h numbers them
VERSION_TEXT = b"BuildLabel(edgetpusim virtual), RuntimeVersion(14)"


class Function:
    """A function of a library: callers set ``argtypes`` and ``restype``, which mean nothing here."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.argtypes: Any = None
        self.restype: Any = None

    def __call__(self, *arguments: Any) -> Any:
        return self.call(*arguments)


class CDevice(c.Structure):
    """struct edgetpu_device."""

    _fields_ = [("type", c.c_int), ("path", c.c_char_p)]


class Library:
    """libedgetpu of one session: what ``LoadLibrary("libedgetpu.so.1")`` returns."""

    def __init__(self, folder: str) -> None:
        plan = read_plan((Path(folder) / PLAN).read_text(encoding="utf-8"))
        self.machine = Machine(plan, Memory.attach(Path(folder) / STATE))
        if plan.settings.outputs == RECORDED:
            self.machine.recorded = (Path(folder) / RECORDED).read_bytes()
        if plan.settings.outputs == TWIN:
            lines = (Path(folder) / TWIN).read_text(encoding="utf-8").splitlines()
            self.machine.twins = dict(line.split(" ", 1) for line in lines)
        clock, state = self.machine.clock, self.machine.memory.state
        if plan.settings.clock == "real":
            clock.before_ns, clock.after_ns = measure_own_cost(blank_machine(folder))
        state.attached += 1
        state.own_ns = clock.before_ns + clock.after_ns
        # Interpreters may outlive their delegate's wrapper, so nothing is ever freed.
        self.delegates: list[VirtualDelegate] = []
        self.lists: list[Any] = []
        self.tflite_plugin_create_delegate = Function(self._create)
        self.tflite_plugin_destroy_delegate = Function(_nothing)
        self.edgetpu_list_devices = Function(self._list)
        self.edgetpu_free_devices = Function(_nothing)
        self.edgetpu_create_delegate = Function(self._create_by_path)
        self.edgetpu_free_delegate = Function(_nothing)
        self.edgetpu_verbosity = Function(_nothing)
        self.edgetpu_version = Function(lambda: VERSION_TEXT)

    def _create(self, keys: Any, values: Any, count: int, report: Any) -> int | None:
        options = {keys[i]: values[i] for i in range(count)}
        text = options.get(b"device", b"").decode("utf-8", "replace")
        number = find_device(self.machine.plan.devices, text)
        if number < 0:
            report(f"edgetpusim virtual: no device {text!r} among {len(self.machine.plan.devices)}".encode())
            return None
        return self._delegate(number)

    def _create_by_path(self, kind: int, path: bytes | None, options: Any = None, count: int = 0) -> int | None:
        del options, count
        for number, device in enumerate(self.machine.plan.devices):
            if device.kind == KINDS[kind] and path in (None, device.path.encode()):
                return self._delegate(number)
        return None

    def _delegate(self, number: int) -> int:
        self.machine.clock.join()
        delegate = VirtualDelegate(self.machine, number)
        self.delegates.append(delegate)
        return delegate.address

    def _list(self, count: Any) -> Any:
        devices = self.machine.plan.devices
        found = (CDevice * len(devices))(*(CDevice(KINDS.index(d.kind), d.path.encode()) for d in devices))
        # byref() and pointer() keep their target in different places.
        (count._obj if hasattr(count, "_obj") else count.contents).value = len(devices)
        self.lists.append(found)
        return found


def _nothing(*arguments: Any) -> None:
    """Free nothing: see :class:`Library`."""
    del arguments


def find_device(devices: tuple[Device, ...], text: str) -> int:
    """Return the number of the device that an option means (-1: there is none).

    The forms are libedgetpu's: empty, ``:1``, ``usb``, ``usb:1``, ``pci``, ``pci:0``.
    """
    kind, _, index = text.partition(":")
    if kind not in ("", *KINDS) or not (index or "0").isdigit():
        return -1
    fitting = [number for number, device in enumerate(devices) if kind in ("", device.kind)]
    position = int(index or 0)
    return fitting[position] if position < len(fitting) else -1


def blank_machine(folder: str) -> Machine:
    """A device of this process's own with a short pass, to measure the code around it."""
    short = Pass(0, TRIAL_NS, 0, 0, 0, 0, 0, 0, 0, 0, ())
    plan = Plan(Settings(), (), (Device("usb", -1, "none"),), ("none",), (Operator("", 0, 0, 0, (short,)),))
    path = Path(folder) / f"blank-{os.getpid()}"
    try:
        return Machine(plan, make_memory(path, 1, 64))
    finally:
        path.unlink()


_libraries: dict[str, Library] = {}
_guard = threading.Lock()


def open_library(folder: str) -> Library:
    """Return the library of a session, one for each process.

    Raises :class:`OSError`, as for a library that cannot be loaded, where the session has gone.
    """
    with _guard:
        if folder not in _libraries:
            try:
                _libraries[folder] = Library(folder)
            except (OSError, ValueError) as error:
                say(f"{folder}: {error}")
                raise OSError(f"libedgetpu: {error}") from error
        return _libraries[folder]
