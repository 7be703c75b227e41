"""One inference from its start to its completion: the file to read first.

The order is the driver's (docs/execution.md):

1. Preprocess in Python, and let go of the GIL.
2. Wait for the accelerator's lock.
3. Send the cached parameters if another network's token is in the way.
4. Dispatch, and send the instructions and the input.
5. Run the program with its streamed parameters, and fetch the output.
6. Let go of the lock, copy the result and run the CPU operators.
7. Take the GIL back, and postprocess in Python.
8. Do the program's own work with the result.

Every function is a generator that SimPy drives. What takes no time costs no event. Times are whole ns. A pass through
the accelerator on a link of its own is one event, whatever its stages; only a shared link takes one for each transfer.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from hwmodels.stages import AcceleratorStage, AppWork, CpuStage
from sim.machine.states import State

if TYPE_CHECKING:
    from sim.machine.accelerator import SimAccelerator
    from sim.machine.host import Gil
    from sim.machine.machine import Machine, Thread
    from sim.machine.records import Recorder

__all__ = ["inference"]

Steps = Generator[Any, Any, None]


def inference(machine: Machine, thread: Thread, request: int) -> Generator[Any, Any, int]:
    """Run one inference; return how long invoke() took (ns).

    Parameters
    ----------
    machine, thread
                The machine that it runs on, and the thread that it runs for.
    request
                The request's number in spans.

    Yields
    ------
    simpy.Event
                The event that it waits for next.

    Returns
    -------
    int
        Time from the call of ``invoke()`` to its return (ns), pre- and postprocessing left out.
    """
    env = machine.env
    accelerator = machine.dispatch(machine.accelerators, thread)
    accelerator.in_use += 1
    accelerator.chosen_for = request
    thread.served_by = accelerator.number
    promised = 1  # counted from dispatch on, until the first pass lets go of the lock
    network, gil = thread.stage_times[accelerator.number], thread.gil
    if network.preprocess_ns:
        yield from python(machine, thread, State.PREPROCESS, network.preprocess_ns, request)
    called_ns = env.now
    for segment, stage in enumerate(network.stages):
        if isinstance(stage, AcceleratorStage):
            accelerator.in_use += 1 - promised
            promised = 0
            yield from accelerate(machine, thread, accelerator, network.token, stage, request, segment)
        else:
            yield from cpu_operators(machine, thread, stage, request, segment)
    if gil is None:
        yield from python(machine, thread, State.HOST_COPY, network.python_ns, request)
    else:
        yield from python_locked(machine, thread, gil, State.HOST_COPY, network.python_ns, request)
    invoked_ns = env.now - called_ns
    if machine.recorder.sink is not None:
        span = machine.recorder.span
        span(thread.component, State.INVOKE, called_ns, env.now, request, thread.model, 0, 0)
    if network.postprocess_ns:
        yield from python(machine, thread, State.POSTPROCESS, network.postprocess_ns, request)
    if network.app.ns:
        yield from own_work(machine, thread, network.app, request)
    accelerator.in_use -= promised
    return invoked_ns


def own_work(machine: Machine, thread: Thread, app: AppWork, request: int) -> Steps:
    """Do what the user's program does with a result: native work on a core, Python under the GIL, or a wait."""
    env, add = machine.env, machine.recorder.add
    native_ns, gil = app.core_ns, thread.gil
    if gil is None:
        native_ns += app.locked_ns
    else:
        yield from python_locked(machine, thread, gil, State.APP, app.locked_ns, request)
    if native_ns:
        start = env.now
        end = yield from machine.cores.run(env, start, native_ns)
        add(thread.component, State.APP, start, end, request, thread.model)
    if app.wait_ns:
        start = env.now
        yield env.timeout(app.wait_ns)
        add(thread.component, State.APP_WAIT, start, start + app.wait_ns, request, thread.model)


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
    start = env.now
    end = yield from machine.cores.run(env, start, work_ns)
    machine.recorder.add(thread.component, state, start, end, request, thread.model)


def python_locked(machine: Machine, thread: Thread, gil: Gil, state: State, work_ns: int, request: int) -> Steps:
    """Run Python code under the GIL, on a core. After a switch interval let another waiting thread have the lock."""
    env, cores, add = machine.env, machine.cores, machine.recorder.add
    while work_ns > 0:
        start = granted = env.now
        waiting = gil.acquire(thread)
        if waiting is not None:
            yield waiting
            granted = env.now
        if gil.turn_ns:
            yield env.timeout(gil.turn_ns)
            granted += gil.turn_ns
        part = work_ns if work_ns < gil.interval_ns else gil.interval_ns
        if gil.has_core:  # it goes on where a busy thread left off
            end = granted + part
            yield env.timeout(part)
        elif part <= cores.quantum_ns:  # the common case, without a generator of its own
            end = cores.reserve(granted, part)
            yield env.timeout(end - granted)
        else:
            end = yield from cores.run(env, granted, part)
        gil.busy_ns += part  # the work alone: waits for a core are the core's
        gil.release()
        if granted > start:
            add(thread.component, State.GIL_WAIT, start, granted, request, thread.model)
        add(thread.component, state, granted, end, request, thread.model)
        work_ns -= part


def cpu_operators(machine: Machine, thread: Thread, stage: CpuStage, request: int, segment: int) -> Steps:
    """Run the operators that do not map to the accelerator, inside invoke() and outside its lock."""
    start = machine.env.now
    alone_ns = stage.ops_ns - stage.wide_ns
    end = yield from machine.cores.run(machine.env, start, stage.wide_ns, stage.width)
    end = yield from machine.cores.run(machine.env, end, alone_ns)
    machine.recorder.add(thread.component, State.CPU_OPS, start, end, request, thread.model, segment)


def accelerate(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, token: str, stage: AcceleratorStage,
    request: int, segment: int,
) -> Steps:  # fmt: skip
    """Pass through the accelerator: hold its lock from dispatch to the last output byte, then copy the result.

    ``stage.held_ns`` is how long it takes without waiting; what is added is time for a core (dispatch), for the bus,
    and another network's parameters.
    """
    env, cores, recorder = machine.env, machine.cores, machine.recorder
    waiting = accelerator.lock.acquire(thread)
    if waiting is not None:
        start = env.now
        yield waiting
        recorder.add(thread.component, State.WAIT, start, env.now, request, thread.model, segment)
    if accelerator.must_load(token, (thread.reference, segment)) and stage.load_bytes:
        yield from load_parameters(machine, thread, accelerator, stage, request, segment)
    held = env.now
    usual = stage
    if machine.jitter is not None:
        stage = stage.scaled(next(machine.jitter))
    is_running = waiting is not None and accelerator.lock.needs_core  # woken, and on a core
    dispatched = (cores.go_on if is_running else cores.reserve)(held, stage.driver_ns) + stage.latency_ns
    if accelerator.link.is_shared:
        sent, computed, end = yield from over_shared_link(machine, accelerator, stage, held, dispatched)
    else:
        sent = dispatched + stage.send_ns
        computed = sent + stage.program_ns
        end = computed + stage.output_ns
        yield env.timeout(end - held)
    spend = cores.reserve
    if accelerator.lock.needs_core:  # whoever holds it has slept: it lets go once it runs again, and then goes on
        spend = cores.go_on
        if cores.free_ns[0] > end:
            yield from cores.seek(env)
            end = env.now
    accelerator.lock.release()
    accelerator.in_use -= 1
    note_pass(recorder, thread, accelerator, (usual, stage), request, segment, (held, sent, computed, end))
    if stage.copy_ns:
        copied = spend(end, stage.copy_ns)
        yield env.timeout(copied - end)
        recorder.add(thread.component, State.HOST_COPY, end, copied, request, thread.model, segment)


def note_pass(
    recorder: Recorder, thread: Thread, accelerator: SimAccelerator, stages: tuple[AcceleratorStage, AcceleratorStage],
    request: int, segment: int, times: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Count a pass: as it usually is, by how much this one was longer, and what it waited for.

    ``stages`` are the usual one and this one; ``times`` are when the lock was held, input was sent, the program ended
    and the lock was let go of (ns).
    """
    usual, stage = stages
    recorder.passed(accelerator.number, usual)
    if stage is not usual:
        recorder.extended(accelerator.component, usual, stage)
    if times[3] - times[0] != stage.held_ns:
        count_waits(recorder, accelerator, stage, times)
    if recorder.sink is not None:
        show_pass(recorder, thread, accelerator, stage, request, segment, times)


def over_shared_link(
    machine: Machine, accelerator: SimAccelerator, stage: AcceleratorStage, held: int, dispatched: int
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
    end = yield from link.fetch(env, now, stage.output_ns)
    return sent, now, end


def load_parameters(
    machine: Machine, thread: Thread, accelerator: SimAccelerator, stage: AcceleratorStage, request: int, segment: int
) -> Steps:
    """Send a network's cached parameters, before its inference and under the same lock."""
    env, add = machine.env, machine.recorder.add
    start, n_bytes = env.now, stage.load_bytes
    end = yield from accelerator.link.send(env, start, n_bytes, stage.load_ns)
    sent = end - stage.load_ns
    add(accelerator.component, State.LOAD_PARAMETERS, start, end, request, thread.model, segment, n_bytes)
    machine.recorder.waited_ns[accelerator.component] += sent - start
    add(accelerator.link_component, State.TRANSFER_OUT, sent, end, request, thread.model, segment, n_bytes)


def count_waits(
    recorder: Recorder, accelerator: SimAccelerator, stage: AcceleratorStage, times: tuple[int, int, int, int]
) -> None:
    """Count what a pass waited for a core and for the bus beyond its own times.

    ``times`` are when the lock was held, input was sent, the program ended and the output was in (ns).
    """
    held, sent, computed, end = times
    program, output = stage.program_ns, stage.output_ns
    recorder.waited(accelerator.component, State.INSTRUCTIONS, sent - held - (stage.held_ns - program - output))
    longer = recorder.slowed if accelerator.link.is_fluid else recorder.waited
    longer(accelerator.component, State.PARAMETERS, computed - sent - program)
    longer(accelerator.component, State.OUTPUT, end - computed - output)


def show_pass(
    recorder: Recorder, thread: Thread, accelerator: SimAccelerator, stage: AcceleratorStage, request: int, segment:
    int, times: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """Hand the spans of a pass to the sink.

    A wait is shown at the end of the instructions, parameters or output that waited.
    """
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
