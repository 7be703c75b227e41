"""One inference from its start to its completion: the file to read first.

The order is the driver's (docs/execution.md): preprocess in Python, let go of the GIL, wait for the accelerator's lock,
send the cached parameters if another network's token is in the way, dispatch, instructions, input, the program with its
streamed parameters, output; let go of the lock; copy, CPU operators, take the GIL back, postprocess.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import simpy

from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.accelerator import SimAccelerator
from sim.host import Cores, Gil
from sim.policies import Dispatch
from sim.records import Recorder, State

__all__ = ["Machine", "Thread", "inference"]

Steps = Generator[Any, Any, None]


@dataclass(slots=True)
class Thread:
    """One application thread: its component number, its model, and its network's stage times on each accelerator."""

    component: int
    model: int
    networks: list[StageTimes]
    gil: Gil | None
    home: int
    reference: Any
    priority: int = 0


@dataclass(slots=True)
class Machine:
    """The wired machine that inferences run on."""

    env: simpy.Environment
    recorder: Recorder
    cores: Cores
    accelerators: list[SimAccelerator]
    dispatch: Dispatch
    num_threads: int = 1
    gil: Gil | None = None
    gil_share: float = 1.0
    requests: Iterator[int] = field(default_factory=count)


def inference(machine: Machine, thread: Thread, request: int) -> Generator[Any, Any, int]:
    """Run one inference; return the time at which invoke() was called (ns)."""
    accelerator = machine.dispatch(machine.accelerators, thread)
    accelerator.in_use += 1
    network = thread.networks[accelerator.component - machine.accelerators[0].component]
    if network.preprocess_ns:
        yield from python(machine, thread, State.PREPROCESS, network.preprocess_ns, request)
    called_ns = int(machine.env.now)
    for segment, stage in enumerate(network.stages):
        if isinstance(stage, TpuStage):
            yield from accelerate(machine, thread, accelerator, network.token, stage, request, segment)
        else:
            yield from cpu_operators(machine, thread, stage, request, segment)
    if network.python_ns:
        yield from python(machine, thread, State.HOST_COPY, network.python_ns, request)
    invoked_ns = int(machine.env.now) - called_ns
    if network.postprocess_ns:
        yield from python(machine, thread, State.POSTPROCESS, network.postprocess_ns, request)
    accelerator.in_use -= 1
    return invoked_ns


def python(machine: Machine, thread: Thread, state: State, work_ns: int, request: int) -> Steps:
    """Compute in Python: a share of it holds the GIL, the rest is native code that lets go of it."""
    env, add, gil = machine.env, machine.recorder.add, thread.gil
    locked_ns = work_ns if state is State.HOST_COPY else round(work_ns * machine.gil_share)
    if gil is not None:
        yield from python_locked(machine, thread, gil, state, locked_ns, request)
        work_ns -= locked_ns
    start = int(env.now)
    yield from machine.cores.run(env, work_ns)
    add(thread.component, state, start, int(env.now), request, thread.model)


def python_locked(machine: Machine, thread: Thread, gil: Gil, state: State, work_ns: int, request: int) -> Steps:
    """Hold the GIL and a core; after a switch interval let another waiting Python thread in."""
    env, add = machine.env, machine.recorder.add
    while work_ns > 0:
        start = int(env.now)
        yield from gil.acquire(env, thread)
        granted = int(env.now)
        part = min(work_ns, gil.interval_ns)
        yield from machine.cores.run(env, part)
        end = int(env.now)
        gil.busy_ns += end - granted
        gil.release()
        add(thread.component, State.GIL_WAIT, start, granted, request, thread.model)
        add(thread.component, state, granted, end, request, thread.model)
        work_ns -= part


def cpu_operators(machine: Machine, thread: Thread, stage: CpuStage, request: int, segment: int) -> Steps:
    """Run the operators that do not map to the accelerator, inside invoke() and outside its lock."""
    start = int(machine.env.now)
    yield from machine.cores.run(machine.env, stage.ops_ns, machine.num_threads)
    machine.recorder.add(thread.component, State.CPU_OPS, start, int(machine.env.now), request, thread.model, segment)


def accelerate(
    machine: Machine,
    thread: Thread,
    accelerator: SimAccelerator,
    token: str,
    stage: TpuStage,
    request: int,
    segment: int,
) -> Steps:
    """Pass through the accelerator: hold its lock from dispatch to the last output byte, then copy the result."""
    env, cores, add = machine.env, machine.cores, machine.recorder.add
    start = int(env.now)
    waiting = accelerator.lock.acquire(thread)
    if waiting is not None:
        yield waiting
    held = int(env.now)
    add(thread.component, State.WAIT, start, held, request, thread.model, segment)
    if stage.load_bytes and accelerator.must_load(token, thread.reference):
        yield from load_parameters(machine, thread, accelerator, stage, request, segment)
    dispatched = cores.reserve(int(env.now), stage.driver_ns) + stage.latency_ns
    if accelerator.link.shared:
        yield from over_shared_link(machine, thread, accelerator, stage, request, segment, dispatched)
    else:
        yield from over_own_link(machine, thread, accelerator, stage, request, segment, dispatched)
    accelerator.lock.release()
    if stage.copy_ns:
        start = int(env.now)
        yield from cores.run(env, stage.copy_ns)
        add(thread.component, State.HOST_COPY, start, int(env.now), request, thread.model, segment)


def load_parameters(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, stage: TpuStage, request: int, segment: int
) -> Steps:
    """Send a network's cached parameters, before its inference and under the same lock."""
    env, add = machine.env, machine.recorder.add
    start = int(env.now)
    yield from accelerator.link.send(env, stage.load_bytes, stage.load_ns)
    end, n_bytes = int(env.now), stage.load_bytes
    add(accelerator.component, State.LOAD_PARAMETERS, start, end, request, thread.model, segment, n_bytes)
    add(
        accelerator.link_component,
        State.TRANSFER_OUT,
        end - stage.load_ns,
        end,
        request,
        thread.model,
        segment,
        n_bytes,
    )


def over_own_link(
    machine: Machine,
    thread: Thread,
    accelerator: SimAccelerator,
    stage: TpuStage,
    request: int,
    segment: int,
    dispatched: int,
) -> Steps:
    """Pass over a link that no other accelerator uses: every stage's end is known, so one event is enough."""
    env, add = machine.env, machine.recorder.add
    start, device, bus, model = int(env.now), accelerator.component, accelerator.link_component, thread.model
    sent = dispatched + stage.instructions_ns
    ready = sent + stage.input_ns
    computed = ready + stage.program_ns
    end = computed + stage.output_ns
    yield env.timeout(end - start)
    add(device, State.INSTRUCTIONS, start, sent, request, model, segment, stage.instruction_bytes)
    add(device, State.INPUT, sent, ready, request, model, segment, stage.input_bytes)
    add(
        bus, State.TRANSFER_OUT, dispatched, ready, request, model, segment, stage.instruction_bytes + stage.input_bytes
    )
    add_program(machine, thread, accelerator, stage, request, segment, ready)
    add(device, State.OUTPUT, computed, end, request, model, segment, stage.output_bytes)
    add(bus, State.TRANSFER_IN, computed, end, request, model, segment, stage.output_bytes)


def add_program(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, stage: TpuStage, request: int, segment: int, now: int
) -> None:
    """Record the program step by step: compute, then what its parameters take longer than it."""
    add, model = machine.recorder.add, thread.model
    for step in stage.steps:
        add(accelerator.component, State.COMPUTE, now, now + step.compute_ns, request, model, segment)
        if step.streamed_bytes:
            end, link_end, n_bytes = now + step.ns, now + step.parameters_ns, step.streamed_bytes
            add(accelerator.component, State.PARAMETERS, now + step.compute_ns, end, request, model, segment, n_bytes)
            add(accelerator.link_component, State.TRANSFER_OUT, now, link_end, request, model, segment, n_bytes)
        now += step.ns


def over_shared_link(
    machine: Machine,
    thread: Thread,
    accelerator: SimAccelerator,
    stage: TpuStage,
    request: int,
    segment: int,
    dispatched: int,
) -> Steps:
    """Pass over a link that other accelerators use too: every transfer queues for the bus."""
    env, link, add = machine.env, accelerator.link, machine.recorder.add
    start, device, bus, model = int(env.now), accelerator.component, accelerator.link_component, thread.model
    yield env.timeout(dispatched - start)
    send_ns = stage.instructions_ns + stage.input_ns
    n_bytes = stage.instruction_bytes + stage.input_bytes
    yield from link.send(env, n_bytes, send_ns)
    ready = int(env.now)
    add(device, State.INSTRUCTIONS, start, ready - stage.input_ns, request, model, segment, stage.instruction_bytes)
    add(device, State.INPUT, ready - stage.input_ns, ready, request, model, segment, stage.input_bytes)
    add(bus, State.TRANSFER_OUT, ready - send_ns, ready, request, model, segment, n_bytes)
    for step in stage.steps:
        if step.streamed_bytes:
            yield from streamed_step(machine, thread, accelerator, step, request, segment)
        else:
            yield env.timeout(step.compute_ns)
            add(device, State.COMPUTE, int(env.now) - step.compute_ns, int(env.now), request, model, segment)
    computed = int(env.now)
    end = link.receive(computed, stage.output_ns)
    yield env.timeout(end - computed)
    add(device, State.OUTPUT, computed, end, request, model, segment, stage.output_bytes)
    add(bus, State.TRANSFER_IN, end - stage.output_ns, end, request, model, segment, stage.output_bytes)


def streamed_step(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, step: Any, request: int, segment: int
) -> Steps:
    """Compute while the step's parameters come over a shared link; the later of the two ends it."""
    env, add, model, n_bytes = machine.env, machine.recorder.add, thread.model, step.streamed_bytes
    start = int(env.now)
    yield from accelerator.link.send(env, n_bytes, step.parameters_ns)
    arrived, computed = int(env.now), start + step.compute_ns
    if computed > arrived:
        yield env.timeout(computed - arrived)
    end, bus = int(env.now), accelerator.link_component
    add(accelerator.component, State.COMPUTE, start, computed, request, model, segment)
    add(accelerator.component, State.PARAMETERS, computed, end, request, model, segment, n_bytes)
    add(bus, State.TRANSFER_OUT, arrived - step.parameters_ns, arrived, request, model, segment, n_bytes)
