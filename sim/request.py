"""One inference from its start to its completion: the file to read first.

The order is the driver's (docs/execution.md): preprocess in Python, let go of the GIL, wait for the accelerator's lock,
send the cached parameters if another network's token is in the way, dispatch, instructions, input, the program with its
streamed parameters, output; let go of the lock; copy, CPU operators, take the GIL back, postprocess.

Everything is a generator that SimPy drives; what takes no time costs no event. Times are whole ns. A pass through the
accelerator on a link of its own is one event, whatever its stages; only a shared link takes one for each transfer.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sized
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
    """One application thread: its component number, its model, and its network's stage times on each accelerator.

    Attributes
    ----------
    networks
        Stage times by accelerator number: its size or link may differ.
    gil
        Shared by the threads of one Python process; None where there is none to wait for.
    home
        Where ``--dispatch`` starts from: the bound accelerator, or the last one taken.
    reference
        Identity of its interpreter, for the parameters that it registered.
    priority
        Lower goes first under ``--discipline priority``.
    """

    component: int
    model: int
    networks: list[StageTimes]
    gil: Gil | None
    home: int
    reference: Any
    priority: int = 0


@dataclass(slots=True)
class Machine:
    """The wired machine that inferences run on.

    Attributes
    ----------
    dispatch
        Chooses an accelerator for each inference (:data:`sim.policies.DISPATCHES`).
    num_threads
        Cores that CPU operators take at once.
    gil_share
        Share of pre- and postprocessing that holds the GIL.
    requests
        Numbers requests from 0.
    queue
        What waits for a free thread in an open loop.
    jitter
        Relative deviations of a pass (mean 0), or None for none.
    wake_ns
        From putting into a queue to its reader running, in Python.
    """

    env: simpy.Environment
    recorder: Recorder
    cores: Cores
    accelerators: list[SimAccelerator]
    dispatch: Dispatch
    num_threads: int = 1
    gil: Gil | None = None
    gil_share: float = 1.0
    requests: Iterator[int] = field(default_factory=count)
    queue: Sized = ()
    jitter: Iterator[float] | None = None
    wake_ns: int = 0


def inference(machine: Machine, thread: Thread, request: int) -> Generator[Any, Any, int]:
    """Run one inference; return how long invoke() took (ns).

    Parameters
    ----------
    machine, thread
        Where it runs, and on whose behalf.
    request
        Its number, for spans.

    Yields
    ------
    simpy.Event
        Whatever it waits for.

    Returns
    -------
    int
        Time from the call of ``invoke()`` to its return (ns), pre- and postprocessing left out.
    """
    env = machine.env
    accelerator = machine.dispatch(machine.accelerators, thread)
    accelerator.in_use += 1
    accelerator.chosen_for = request
    promised = 1  # counted from dispatch on, until the first pass lets go of the lock
    network, gil = thread.networks[accelerator.number], thread.gil
    if network.preprocess_ns:
        yield from python(machine, thread, State.PREPROCESS, network.preprocess_ns, request)
    called_ns = env.now
    for segment, stage in enumerate(network.stages):
        if isinstance(stage, TpuStage):
            accelerator.in_use += 1 - promised
            promised = 0
            yield from accelerate(machine, thread, accelerator, network.token, stage, request, segment)
        else:
            yield from cpu_operators(machine, thread, stage, request, segment)
    if gil is None:
        yield from python(machine, thread, State.HOST_COPY, network.python_ns, request)
    else:
        yield from python_locked(machine, thread, gil, State.HOST_COPY, network.python_ns, request)
    invoked_ns = int(env.now - called_ns)
    if machine.recorder.sink is not None:
        span = machine.recorder.span
        span(thread.component, State.INVOKE, int(called_ns), int(env.now), request, thread.model, 0, 0)
    if network.postprocess_ns:
        yield from python(machine, thread, State.POSTPROCESS, network.postprocess_ns, request)
    accelerator.in_use -= promised
    return invoked_ns


def python(machine: Machine, thread: Thread, state: State, work_ns: int, request: int) -> Steps:
    """Compute in Python: a share of it holds the GIL, the rest is native code that lets go of it.

    With a GIL, ``gil_share`` of the work holds it, in one piece and first; the rest runs beside other threads.
    """
    env, gil = machine.env, thread.gil
    if gil is not None:
        locked_ns = round(work_ns * machine.gil_share)
        yield from python_locked(machine, thread, gil, state, locked_ns, request)
        work_ns -= locked_ns
        if not work_ns:
            return
    start = int(env.now)
    end = yield from machine.cores.run(env, start, work_ns)
    machine.recorder.add(thread.component, state, start, end, request, thread.model)


def python_locked(machine: Machine, thread: Thread, gil: Gil, state: State, work_ns: int, request: int) -> Steps:
    """Hold the GIL and a core; after a switch interval let another waiting Python thread in."""
    env, cores, add = machine.env, machine.cores, machine.recorder.add
    while work_ns > 0:
        start = granted = int(env.now)
        waiting = gil.acquire(thread)
        if waiting is not None:
            yield waiting
            granted = int(env.now)
        if gil.busy_threads:
            yield env.timeout(gil.handover_ns)
            granted += gil.handover_ns
        part = work_ns if work_ns < gil.interval_ns else gil.interval_ns
        if part <= cores.quantum_ns:  # the common case, without a generator of its own
            end = cores.reserve(granted, part)
            yield env.timeout(end - granted)
        else:
            end = yield from cores.run(env, granted, part)
        gil.busy_ns += end - granted
        gil.release()
        if granted > start:
            add(thread.component, State.GIL_WAIT, start, granted, request, thread.model)
        add(thread.component, state, granted, end, request, thread.model)
        work_ns -= part


def cpu_operators(machine: Machine, thread: Thread, stage: CpuStage, request: int, segment: int) -> Steps:
    """Run the operators that do not map to the accelerator, inside invoke() and outside its lock."""
    start = int(machine.env.now)
    end = yield from machine.cores.run(machine.env, start, stage.ops_ns, machine.num_threads)
    machine.recorder.add(thread.component, State.CPU_OPS, start, end, request, thread.model, segment)


def accelerate(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, token: str, stage: TpuStage,
    request: int, segment: int,
) -> Steps:  # fmt: skip
    """Pass through the accelerator: hold its lock from dispatch to the last output byte, then copy the result.

    ``stage.held_ns`` is how long it takes without waiting; what is added is time for a core (dispatch), for the bus,
    and another network's parameters.
    """
    env, cores, recorder = machine.env, machine.cores, machine.recorder
    waiting = accelerator.lock.acquire(thread)
    if waiting is not None:
        start = int(env.now)
        yield waiting
        recorder.add(thread.component, State.WAIT, start, int(env.now), request, thread.model, segment)
    if stage.load_bytes and accelerator.must_load(token, thread.reference):
        yield from load_parameters(machine, thread, accelerator, stage, request, segment)
    held = int(env.now)
    dispatched = cores.reserve(held, stage.driver_ns) + stage.latency_ns
    if machine.jitter is not None:
        dispatched = max(held, dispatched + round(stage.held_ns * next(machine.jitter)))
    if accelerator.link.shared:
        sent, computed, end = yield from over_shared_link(machine, accelerator, stage, held, dispatched)
    else:
        sent = dispatched + stage.send_ns
        computed = sent + stage.program_ns
        end = computed + stage.output_ns
        yield env.timeout(end - held)
    accelerator.lock.release()
    accelerator.in_use -= 1
    count_pass(recorder, accelerator, stage, held, sent, computed, end)
    if recorder.sink is not None:
        show_pass(recorder, thread, accelerator, stage, request, segment, (held, sent, computed, end))
    if stage.copy_ns:
        copied = cores.reserve(end, stage.copy_ns)
        yield env.timeout(copied - end)
        recorder.add(thread.component, State.HOST_COPY, end, copied, request, thread.model, segment)


def over_shared_link(
    machine: Machine, accelerator: SimAccelerator, stage: TpuStage, held: int, dispatched: int
) -> Generator[Any, Any, tuple[int, int, int]]:
    """Pass over a link that other accelerators use too: every transfer queues for the bus.

    Returns when instructions and input were sent, when the program ended, and when the output was in (ns).
    """
    env, link = machine.env, accelerator.link
    yield env.timeout(dispatched - held)
    if stage.instruction_bytes + stage.input_bytes <= link.chunk_bytes:
        sent = now = link.reserve(dispatched, stage.send_ns)
        yield env.timeout(now - dispatched)
    else:
        n_bytes = stage.instruction_bytes + stage.input_bytes
        sent = now = yield from link.send(env, dispatched, n_bytes, stage.send_ns)
    for step in stage.steps:
        computed = now + step.compute_ns
        if step.streamed_bytes:
            now = yield from link.send(env, now, step.streamed_bytes, step.parameters_ns)
        if computed > now:
            yield env.timeout(computed - now)
            now = computed
    end = link.receive(now, stage.output_ns)
    yield env.timeout(end - now)
    return sent, now, end


def load_parameters(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, stage: TpuStage, request: int, segment: int
) -> Steps:
    """Send a network's cached parameters, before its inference and under the same lock."""
    env, add = machine.env, machine.recorder.add
    start, n_bytes = int(env.now), stage.load_bytes
    end = yield from accelerator.link.send(env, start, n_bytes, stage.load_ns)
    sent = end - stage.load_ns
    add(accelerator.component, State.LOAD_PARAMETERS, start, end, request, thread.model, segment, n_bytes)
    add(accelerator.link_component, State.TRANSFER_OUT, sent, end, request, thread.model, segment, n_bytes)


def count_pass(
    recorder: Recorder, accelerator: SimAccelerator, stage: TpuStage, held: int, sent: int, computed: int, end: int
) -> None:
    """Count a pass, and what it waited for a core and for the bus beyond its own times."""
    recorder.passed(accelerator.component, accelerator.link_component, stage)
    own = stage.held_ns
    if end - held == own:
        return
    program, output = stage.program_ns, stage.output_ns
    recorder.waited(accelerator.component, State.INSTRUCTIONS, sent - held - (own - program - output))
    recorder.waited(accelerator.component, State.PARAMETERS, computed - sent - program)
    recorder.waited(accelerator.component, State.OUTPUT, end - computed - output)


def show_pass(
    recorder: Recorder, thread: Thread, accelerator: SimAccelerator, stage: TpuStage, request: int, segment: int,
    times: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Hand the spans of a counted pass to the sink: waits lie at the end of instructions, parameters and output."""
    held, sent, computed, end = times
    device, bus, model, show = accelerator.component, accelerator.link_component, thread.model, recorder.span
    loaded = sent - stage.input_ns
    n_bytes = stage.instruction_bytes + stage.input_bytes
    show(device, State.INSTRUCTIONS, held, loaded, request, model, segment, stage.instruction_bytes)
    show(device, State.INPUT, loaded, sent, request, model, segment, stage.input_bytes)
    show(bus, State.TRANSFER_OUT, sent - stage.send_ns, sent, request, model, segment, n_bytes)
    waited, now = computed - sent - stage.program_ns, sent
    for step in stage.steps:
        shown = step.ns + (waited if step.streamed_bytes else 0)
        show(device, State.COMPUTE, now, now + step.compute_ns, request, model, segment, 0)
        show(device, State.PARAMETERS, now + step.compute_ns, now + shown, request, model, segment, step.streamed_bytes)
        if step.streamed_bytes:
            last = max(now + shown, now + step.parameters_ns)
            show(bus, State.TRANSFER_OUT, last - step.parameters_ns, last, request, model, segment, step.streamed_bytes)
            waited = 0
        now += shown
    show(device, State.OUTPUT, computed, end, request, model, segment, stage.output_bytes)
    show(bus, State.TRANSFER_IN, end - stage.output_ns, end, request, model, segment, stage.output_bytes)
