"""One pass through a virtual device: the order of ``sim/machine/request.py``, in real or in logical time.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

from typing import Any

from .logical import LogicalClock
from .memory import MOST_LOADED, Memory
from .planfile import Pass, Plan
from .realtime import RealClock, Visit

__all__ = ["Machine"]

MOST_CHUNKS = 4096  # of one transfer, as in the simulator


class Machine:
    """The devices of a session as one process sees them."""

    def __init__(self, plan: Plan, memory: Memory) -> None:
        self.plan, self.memory = plan, memory
        self.twins: dict[str, str] = {}  # plain files by the SHA-256 of a compiled operator
        self.recorded = b""  # outputs of passes, one after the other
        self.clock = clock_of(plan, memory)

    def begin(self, visit: Visit) -> None:
        """Take the device and work out when its pass ends; ``clock.release`` waits for that and lets go of it."""
        operator = self.plan.operators[visit.operator]
        one = operator.passes[visit.device]
        clock = self.clock
        visit.copy_ns = one.copy_ns
        clock.acquire(visit)
        at_ns = visit.held_ns
        state = self.memory.state.devices[visit.device]
        if one.load_bytes and must_load(state, operator.token, visit.reference):
            visit.loaded = True
            at_ns = self._send(visit, at_ns, one.load_bytes, one.load_ns)
        visit.planned_ns = one.held_ns + (one.load_ns if visit.loaded else 0)
        at_ns = clock.work(at_ns, one.driver_ns) + one.latency_ns
        self._transfer(visit, one, at_ns)

    def _transfer(self, visit: Visit, one: Pass, at_ns: int) -> None:
        """Instructions and input, the program with its streamed parameters, output."""
        at_ns = visit.sent_ns = self._send(visit, at_ns, one.send_bytes, one.instructions_ns + one.input_ns)
        for step in one.steps:
            computed_ns = at_ns + step.compute_ns
            if step.streamed_bytes:
                at_ns = self._send(visit, at_ns, step.streamed_bytes, step.parameters_ns)
            at_ns = max(at_ns, computed_ns)
        visit.computed_ns = at_ns
        visit.end_ns = self._receive(visit, at_ns, one.output_ns)

    def _send(self, visit: Visit, at_ns: int, n_bytes: int, work_ns: int) -> int:
        """Send bytes to the device; a bus that others use too is taken chunk by chunk."""
        number = self.plan.devices[visit.device].bus
        if number < 0:
            return at_ns + work_ns
        chunks = max(1, min(MOST_CHUNKS, -(-n_bytes // self.plan.bus_chunks[number])))
        bus = self.memory.state.buses[number]
        for chunk in range(chunks):
            part_ns = work_ns * (chunk + 1) // chunks - work_ns * chunk // chunks
            self.clock.enter(visit, at_ns, bus)
            at_ns = bus.out_free_ns = max(at_ns, bus.out_free_ns) + part_ns
            self.clock.leave(bus)
        return at_ns

    def _receive(self, visit: Visit, at_ns: int, work_ns: int) -> int:
        number = self.plan.devices[visit.device].bus
        if number < 0:
            return at_ns + work_ns
        bus = self.memory.state.buses[number]
        self.clock.enter(visit, at_ns, bus)
        at_ns = bus.in_free_ns = max(at_ns, bus.in_free_ns) + work_ns
        self.clock.leave(bus)
        return at_ns


def clock_of(plan: Plan, memory: Memory) -> RealClock | LogicalClock:
    """The clock that a plan names."""
    if plan.settings.clock == "logical":
        return LogicalClock(memory, plan.settings.host_work == "measured")
    return RealClock(memory, plan.settings.spin_ns)


def must_load(state: Any, token: int, reference: int) -> bool:
    """Note that an interpreter's operator runs next; tell whether its parameters have to be sent first.

    Another token forgets the whole cached set (docs/parameter-cache.md).
    """
    if state.token != token:
        state.token, state.n_loaded = token, 0
    count = min(state.n_loaded, MOST_LOADED)
    if reference in state.loaded[:count]:
        return False
    state.loaded[state.n_loaded % MOST_LOADED] = reference
    state.n_loaded += 1
    return True
