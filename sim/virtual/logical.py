"""Logical time: devices and waits are accounted and nobody sleeps, in the order in which things would have happened.

Every thread that uses a device is a client with a time of its own. Host work counts as the machine's clock shows it (or
not at all); a pass adds what the plan says. A client acts on a device or a bus only when no other client can still act
at an earlier time: the conservative rule of parallel discrete-event simulation (K. M. Chandy, J. Misra, "Distributed
simulation", IEEE Trans. Software Eng. SE-5, 1979). A client that works on the host cannot act before the time at which
it left its device plus what the clock has shown since, so nothing runs ahead of host work.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .memory import MOST_CLIENTS, Memory, lock, unlock
from .realtime import Visit, log, now_ns

__all__ = ["LogicalClock"]

FREE, ON_HOST, ACTING, QUEUED = range(4)
#: A thread that has slept for so long waits for somebody else: nobody waits for it, and it goes on at their time.
IDLE_NS = 100_000_000
#: Whether a thread still lives is looked at after so many polls in vain.
PATIENCE = 8


class LogicalClock:
    """Time as a session accounts it, in ns from its first pass on; see the module."""

    def __init__(self, memory: Memory, counts_host: bool) -> None:
        self.memory, self.counts_host = memory, counts_host
        self.state = memory.state
        self.before_ns = self.after_ns = 0  # what this code takes is not accounted
        self.slots: dict[tuple[int, int], int] = {}

    def join(self) -> int:
        """Count the calling thread as a client and return its place."""
        key = (os.getpid(), threading.get_native_id())
        slot = self.slots.get(key, -1)
        client = self.state.clients[slot]
        if slot < 0 or client.state == FREE or (client.pid, client.tid) != key:
            lock(self.state.clock)
            try:
                slot = self.slots[key] = self._new_client(*key)
            finally:
                unlock(self.state.clock)
        return slot

    def _new_client(self, pid: int, tid: int) -> int:
        """A place for a thread: it begins at the time of its process's first thread, which started it."""
        slot = next((i for i in range(MOST_CLIENTS) if self.state.clients[i].state == FREE), -1)
        if slot < 0:
            raise OSError(f"more than {MOST_CLIENTS} threads at once")
        times = [self._bound_ns(one) for one in self._clients() if one.pid == one.tid == pid and one.state == ON_HOST]
        client = self.state.clients[slot]
        client.pid, client.tid, client.operator, client.reference = pid, tid, -1, 0
        client.idle = client.ran_ns = 0
        client.time_ns, client.wall_ns = max([self.state.now_ns, *times]), now_ns()
        client.state = ON_HOST
        self.state.clients_used = max(self.state.clients_used, slot + 1)
        return slot

    def _clients(self) -> Iterator[Any]:
        return (one for one in self.state.clients[: self.state.clients_used] if one.state != FREE)

    def acquire(self, visit: Visit) -> None:
        """Take the device, or queue for it: first come, first served."""
        visit.slot = self.join()
        client = self.state.clients[visit.slot]
        self._turn(visit, self._arrival_ns(client))
        visit.asked_ns = client.time_ns
        device = self.state.devices[visit.device]
        if device.holder:
            self.state.tickets += 1
            client.ticket, client.device, client.state = self.state.tickets, visit.device, QUEUED
        else:
            device.holder = visit.slot + 1
        unlock(self.state.clock)
        polls = 0
        while client.state == QUEUED:
            polls = self._pause(polls)
            if polls % PATIENCE == 0:
                self._look_after(device)
        visit.held_ns = client.time_ns

    def _look_after(self, device: Any) -> None:
        lock(self.state.clock)
        if device.holder:
            _bury_dead(self.state, self.state.clients[device.holder - 1])
        unlock(self.state.clock)

    def _arrival_ns(self, client: Any) -> int:
        """When a client that comes from the host asks: not before what others have been granted already."""
        lock(self.state.clock)
        at_ns: int = max(self.state.now_ns, client.time_ns if client.idle else self._bound_ns(client))
        client.time_ns, client.state, client.idle = at_ns, ACTING, 0
        unlock(self.state.clock)
        return at_ns

    def _bound_ns(self, client: Any) -> int:
        """The earliest time at which a client can act next."""
        passed_ns = now_ns() - client.wall_ns if client.state == ON_HOST and self.counts_host else 0
        return int(client.time_ns + passed_ns)

    def _turn(self, visit: Visit, at_ns: int) -> None:
        """Wait until nobody else can act before a time; returns with the clock locked."""
        client = self.state.clients[visit.slot]
        lock(self.state.clock)
        client.operator, client.reference = visit.operator, visit.reference
        client.time_ns, client.state = at_ns, ACTING
        polls = 0
        while not self._is_first(client, polls):
            unlock(self.state.clock)
            polls = self._pause(polls)
            lock(self.state.clock)
        self.state.now_ns = max(self.state.now_ns, at_ns)

    def _is_first(self, client: Any, polls: int) -> bool:
        """Whether no other client comes before this one; ties go by operator, then by interpreter."""
        mine = self._order(client)
        for other in self._clients():
            if other.state == QUEUED or (other.pid, other.tid) == (client.pid, client.tid):
                continue
            is_ahead = other.idle or self._order(other) < mine
            # Looking may find that it goes on now, at a later time than before.
            if is_ahead and not self._is_out_of_it(other, polls) and self._order(other) < mine:
                return False
        return True

    def _order(self, client: Any) -> tuple[int, int, int, int, int]:
        return self._bound_ns(client), client.operator, client.reference, client.pid, client.tid

    def _is_out_of_it(self, other: Any, polls: int) -> bool:
        """Whether a client has died, or waits on the host for somebody else."""
        if not other.idle and (not polls or polls % PATIENCE):
            return False
        if _bury_dead(self.state, other):
            return True
        if other.state != ON_HOST:
            return False
        ran_ns, wall_ns = _ran_ns(other.pid, other.tid), now_ns()
        if ran_ns != other.ran_ns or not ran_ns:
            if other.idle:  # it goes on: its host work counts from here
                other.time_ns, other.wall_ns = max(other.time_ns, self.state.now_ns), wall_ns
            other.ran_ns, other.since_ns, other.idle = ran_ns, wall_ns, 0
        elif wall_ns - other.since_ns > IDLE_NS and not _is_timed(other.pid, other.tid):
            other.idle = 1
        return bool(other.idle)

    def _pause(self, polls: int) -> int:
        """Let others run for a moment."""
        time.sleep(0 if polls < 20 else 5e-5 if polls < 1000 else 1e-3)
        return polls + 1

    def work(self, at_ns: int, driver_ns: int) -> int:
        """The driver's time on a core, as planned."""
        return at_ns + driver_ns

    def enter(self, visit: Visit, at_ns: int, bus: Any) -> None:
        """Wait for a time at which a bus may be taken."""
        del bus  # one lock guards everything
        self._turn(visit, at_ns)

    def leave(self, bus: Any) -> None:
        """Let go of a bus."""
        del bus
        unlock(self.state.clock)

    def release(self, visit: Visit) -> None:
        """Log the pass and give the device to the next in line."""
        self._turn(visit, visit.end_ns)
        client = self.state.clients[visit.slot]
        log(self.memory, self.state.devices[visit.device], visit)
        self.state.devices[visit.device].passes += 1
        _hand_over(self.state, visit.device, visit.end_ns)
        client.time_ns, client.wall_ns, client.state = visit.end_ns + visit.copy_ns, now_ns(), ON_HOST
        client.since_ns = client.wall_ns
        unlock(self.state.clock)


def _hand_over(state: Any, number: int, at_ns: int) -> None:
    """Give a device to the client that has queued longest, or free it."""
    waiting = [i for i in range(state.clients_used) if _queues(state.clients[i], number)]
    device = state.devices[number]
    device.holder = 0
    if waiting:
        slot = min(waiting, key=lambda i: state.clients[i].ticket)
        device.holder = slot + 1
        state.clients[slot].time_ns = at_ns
        state.clients[slot].state = ACTING


def _queues(client: Any, number: int) -> bool:
    return bool(client.state == QUEUED and client.device == number)


def _bury_dead(state: Any, client: Any) -> bool:
    """Free the place and the devices of a thread that is no more; tell whether it is."""
    if client.state == FREE or _os_state(client.pid, client.tid) not in ("", "Z", "X"):
        return False
    for number in range(len(state.devices)):
        device = state.devices[number]
        holder = state.clients[device.holder - 1] if device.holder else None
        if holder is not None and (holder.pid, holder.tid) == (client.pid, client.tid):
            device.abandoned += 1
            device.token = device.n_loaded = 0
            _hand_over(state, number, max(state.now_ns, client.time_ns))
    client.state = FREE
    return True


def _task_file(pid: int, tid: int, name: str) -> str:
    """A file of the kernel about a thread; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/task/{tid}/{name}").read_text()
    except OSError:
        return ""


def _os_state(pid: int, tid: int) -> str:
    """R, S, D, Z, ... of a thread; empty where it is no more."""
    return _task_file(pid, tid, "stat").rpartition(") ")[2][:1]


def _ran_ns(pid: int, tid: int) -> int:
    """CPU time (ns) of a thread; 0 while it runs or wants to, and where the kernel does not say."""
    text = _task_file(pid, tid, "schedstat") if _os_state(pid, tid) != "R" else ""
    return int(text.split()[0]) if text else 0


def _is_timed(pid: int, tid: int) -> bool:
    """Whether a thread sleeps for a time that it has chosen."""
    return "nanosleep" in _task_file(pid, tid, "wchan")
