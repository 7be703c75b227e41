"""What the processes of a session share: devices, buses and the log, in one file that all of them map.

Every device and bus is guarded by a robust mutex of pthreads: where its holder is killed, the next one takes it over.
Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes as c
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["Event", "Memory", "lock", "make_memory", "unlock", "wake_exactly"]

MAGIC = 0x65647470_75766432
MOST_DEVICES, MOST_CLIENTS, MOST_LOADED = 16, 256, 256
EBUSY, EOWNERDEAD = 16, 130
SHARED = ROBUST = 1  # PTHREAD_PROCESS_SHARED, PTHREAD_MUTEX_ROBUST
SET_TIMER_SLACK = 29  # of prctl: 1 ns, or 0 for the thread's own


class Mutex(c.Structure):
    """Room for a pthread_mutex_t (40 bytes on x86-64, 48 on Arm)."""

    _fields_ = [("words", c.c_uint64 * 8)]


class DeviceState(c.Structure):
    """One device: its lock, whose parameters it holds, and how many passes its log has seen."""

    _fields_ = [
        ("mutex", Mutex), ("token", c.c_int64), ("n_loaded", c.c_int64), ("loaded", c.c_uint64 * MOST_LOADED),
        ("passes", c.c_int64), ("abandoned", c.c_int64), ("holder", c.c_int64),
    ]  # fmt: skip


class BusState(c.Structure):
    """One shared bus: its lock, and until when (ns) each direction is taken."""

    _fields_ = [("mutex", Mutex), ("out_free_ns", c.c_int64), ("in_free_ns", c.c_int64)]


class ClientState(c.Structure):
    """One thread in logical time: see ``logical.py``."""

    _fields_ = [
        ("state", c.c_int32), ("device", c.c_int32), ("pid", c.c_int32), ("tid", c.c_int32), ("operator", c.c_int64),
        ("reference", c.c_uint64), ("time_ns", c.c_int64), ("wall_ns", c.c_int64), ("ticket", c.c_int64),
        ("ran_ns", c.c_int64),
        ("since_ns", c.c_int64), ("idle", c.c_int64),
    ]  # fmt: skip


class State(c.Structure):
    """The head of the file; the devices' logs follow.

    ``attached`` counts the processes that loaded the library, ``own_ns`` is what its code takes around a pass.
    """

    _fields_ = [
        ("magic", c.c_uint64), ("capacity", c.c_int64), ("attached", c.c_int64), ("now_ns", c.c_int64),
        ("tickets", c.c_int64), ("own_ns", c.c_int64), ("clients_used", c.c_int64), ("clock", Mutex),
        ("devices", DeviceState * MOST_DEVICES),
        ("buses", BusState * MOST_DEVICES), ("clients", ClientState * MOST_CLIENTS),
    ]  # fmt: skip


class Event(c.Structure):
    """One pass: who, which operator on which device, and when (ns) it asked for the device, held it, and let go.

    ``late_ns`` is how much later than planned the holder woke up; ``loaded`` says whether parameters were sent first.
    """

    _fields_ = [
        ("asked_ns", c.c_int64), ("held_ns", c.c_int64), ("sent_ns", c.c_int64), ("computed_ns", c.c_int64),
        ("end_ns", c.c_int64), ("late_ns", c.c_int64), ("planned_ns", c.c_int64), ("operator", c.c_int32),
        ("device", c.c_int32), ("pid", c.c_int32), ("tid", c.c_int32), ("loaded", c.c_int32), ("padding", c.c_int32),
    ]  # fmt: skip


_NAME = None  # of the C library: what the interpreter itself is linked with
_quick, _patient = c.PyDLL(_NAME), c.CDLL(_NAME)  # with the GIL held, and without it


def lock(mutex: Any) -> tuple[bool, bool]:
    """Take a mutex; tell whether somebody else had it, and whether its last holder died with it.

    Raises :class:`OSError` for a mutex that cannot be taken any more.
    """
    reference = c.byref(mutex)
    code = _quick.pthread_mutex_trylock(reference)
    contended = code == EBUSY
    if contended:
        code = _patient.pthread_mutex_lock(reference)
    if code == EOWNERDEAD:
        _quick.pthread_mutex_consistent(reference)
    elif code:
        raise OSError(code, "a lock of the session is lost")
    return contended, code == EOWNERDEAD


def unlock(mutex: Any) -> None:
    """Let go of a mutex."""
    _quick.pthread_mutex_unlock(c.byref(mutex))


def wake_exactly(is_wanted: bool) -> None:
    """Let the kernel end this thread's sleeps on time, or up to its usual 50 us late."""
    _quick.prctl(SET_TIMER_SLACK, c.c_ulong(is_wanted))


class Memory:
    """The shared state of a session, mapped; ``state`` is its head."""

    def __init__(self, mapping: mmap.mmap) -> None:
        self.mapping = mapping
        self.state = State.from_buffer(mapping)
        if self.state.magic != MAGIC:
            raise ValueError("a session of another version of edgetpusim")
        self.capacity = int(self.state.capacity)

    @classmethod
    def attach(cls, path: Path) -> Memory:
        """Map the file of a session."""
        with path.open("r+b") as file:
            return cls(mmap.mmap(file.fileno(), 0))

    def event(self, device: int, number: int) -> Any:
        """The place of a device's pass in its log: the newest ``capacity`` ones are kept."""
        slot = device * self.capacity + number % self.capacity
        return Event.from_buffer(self.mapping, c.sizeof(State) + slot * c.sizeof(Event))

    def events(self, device: int) -> Iterator[Any]:
        """Yield the passes that a device's log still holds, oldest first."""
        passes = int(self.state.devices[device].passes)
        return (self.event(device, number) for number in range(max(0, passes - self.capacity), passes))


def make_memory(path: Path, devices: int, capacity: int) -> Memory:
    """Make the file of a session with its mutexes; raises :class:`OSError` where there are no robust ones."""
    size = c.sizeof(State) + max(1, devices) * capacity * c.sizeof(Event)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.ftruncate(descriptor, size)
        mapping = mmap.mmap(descriptor, size)
    finally:
        os.close(descriptor)
    state = State.from_buffer(mapping)
    state.capacity = capacity
    for mutex in (state.clock, *(one.mutex for one in state.devices), *(one.mutex for one in state.buses)):
        _make_mutex(mutex)
    state.magic = MAGIC
    return Memory(mapping)


def _make_mutex(mutex: Any) -> None:
    if not hasattr(_quick, "pthread_mutexattr_setrobust"):
        raise OSError("this system's mutexes outlive no killed holder: Linux is needed")
    attributes = (c.c_uint64 * 8)()
    _quick.pthread_mutexattr_init(attributes)
    _quick.pthread_mutexattr_setpshared(attributes, SHARED)
    _quick.pthread_mutexattr_setrobust(attributes, ROBUST)
    _quick.pthread_mutex_init(c.byref(mutex), attributes)
    _quick.pthread_mutexattr_destroy(attributes)
