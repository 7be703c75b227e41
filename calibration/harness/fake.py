"""A fake device: the simulator's stage times, replayed through the harness that times real ones.

Two clocks: real time (scaled, 1 by default), in which threads sleep and wait as they would, and virtual time (scale 0),
in which nobody waits and every figure is exact: whoever sleeps goes on once no running thread is earlier.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Protocol

from calibration.harness.backends import Clock, Device, Session
from calibration.harness.microbench import named_network
from hwmodels.cpu import frame_ns, postprocess_ns
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.compiler import cocompile, compile_graph
from hwmodels.host import load_host
from hwmodels.link import channel, load_link
from hwmodels.parts import shipped_name
from hwmodels.stages import AcceleratorStage, CpuStage, StageTimes
from hwmodels.timing import stage_times

__all__ = ["FakeBackend", "FakeInterpreter", "ScaledClock", "VirtualClock"]

_REFERENCES = count()
SPIN_NS = 300_000  # what a sleeping thread may wake up too late


class ScaledClock:
    """Real time times a factor: at scale 0.1 a simulated second passes in a tenth."""

    def __init__(self, scale: float = 1.0) -> None:
        self.scale = scale

    def now_ns(self) -> int:
        """Return the simulated time in ns."""
        return int(time.perf_counter_ns() / self.scale)

    def wall_s(self) -> float:
        """Return unix time in s, which no scale changes."""
        return time.time()

    def sleep_ns(self, ns: float) -> None:
        """Wait; the last stretch is spun, as a sleeping thread wakes up late."""
        end = time.perf_counter_ns() + ns * self.scale
        while (left := end - time.perf_counter_ns()) > 0:
            time.sleep(max(0.0, (left - SPIN_NS) / 1e9))

    def enter(self) -> None:
        """Nothing to do: threads run by themselves."""

    def leave(self) -> None:
        """Nothing to do."""

    def lock(self) -> _Lock:
        """Return a lock of this clock's threads."""
        return threading.Lock()


class VirtualClock:
    """Virtual time: threads that entered run in the order of their times, so results do not depend on the machine."""

    def __init__(self) -> None:
        self.turn = threading.Condition()
        self.times: dict[int, int] = {}
        self.base_ns = 0

    def now_ns(self) -> int:
        """Return the virtual time in ns of the calling thread."""
        return self.times.get(threading.get_ident(), self.base_ns)

    def wall_s(self) -> float:
        """Return the virtual time in s."""
        return self.now_ns() / 1e9

    def sleep_ns(self, ns: float) -> None:
        """Let virtual time pass and wait until no thread that runs is earlier."""
        me = threading.get_ident()
        with self.turn:
            if me not in self.times:
                self.base_ns += round(ns)
                return
            self.times[me] += round(ns)
            self.turn.notify_all()
            self.turn.wait_for(lambda: self._is_first(me))

    def _is_first(self, me: int) -> bool:
        return (self.times[me], me) <= min((ns, thread) for thread, ns in self.times.items())

    def enter(self) -> None:
        """Count the calling thread as one that runs."""
        with self.turn:
            self.times[threading.get_ident()] = self.base_ns

    def leave(self) -> None:
        """Stop counting the calling thread; the clock goes on from the latest time."""
        with self.turn:
            last = self.times.pop(threading.get_ident())
            if not self.times:
                self.base_ns = max(self.base_ns, last)
            self.turn.notify_all()

    def lock(self) -> _Lock:
        """Return a first-come-first-served lock in virtual time."""
        return _VirtualLock(self)


class _Lock(Protocol):
    def acquire(self) -> bool:
        """Wait for the lock; true once it is held."""

    def release(self) -> None:
        """Let the next one in."""


class _VirtualLock:
    """A lock whose waiters count as not running and go on at the time of the release."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock, self.waiting, self.is_held = clock, deque[int](), False
        self.granted: set[int] = set()

    def acquire(self) -> bool:
        """Take the lock, or wait in turn while other threads' time goes on."""
        me, clock = threading.get_ident(), self.clock
        with clock.turn:
            if not self.is_held:
                self.is_held = True
                return True
            self.waiting.append(me)
            asked = clock.times.pop(me)
            clock.turn.notify_all()
            clock.turn.wait_for(lambda: me in self.granted)
            self.granted.discard(me)
            clock.times[me] = max(asked, clock.times.get(me, asked))
        return True

    def release(self) -> None:
        """Hand the lock to who has waited longest, at this moment of virtual time."""
        clock = self.clock
        with clock.turn:
            if not self.waiting:
                self.is_held = False
                return
            head = self.waiting.popleft()
            clock.times[head] = clock.times.get(threading.get_ident(), clock.base_ns)
            self.granted.add(head)
            clock.turn.notify_all()


class _FakeDevice:
    """One accelerator: its lock and whose parameters it holds."""

    def __init__(self, lock: _Lock) -> None:
        self.lock, self.token = lock, ""
        self.cached: set[int] = set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the device's lock around a block."""
        self.lock.acquire()
        try:
            yield
        finally:
            self.lock.release()


class FakeInterpreter:
    """An interpreter whose ``invoke`` waits for the simulated time: driver lock, parameter caching and all."""

    def __init__(self, times: StageTimes, device: _FakeDevice, clock: ScaledClock | VirtualClock) -> None:
        self.times, self.device, self.clock = times, device, clock
        self.reference = next(_REFERENCES)  # a second interpreter of the same file is another one to the driver
        self.untouched_ns = times.first_touch_ns

    def invoke(self) -> None:
        """Run one inference: accelerator stages under the device's lock, copies and CPU operators outside."""
        self.clock.sleep_ns(self.times.python_ns)
        for stage in self.times.stages:
            if isinstance(stage, CpuStage):
                self.clock.sleep_ns(stage.ops_ns)
            else:
                self._on_device(stage)
                self.clock.sleep_ns(stage.copy_ns)
        self.clock.sleep_ns(self.untouched_ns)
        self.untouched_ns = 0

    def _on_device(self, stage: AcceleratorStage) -> None:
        with self.device.held():
            if self.device.token != self.times.token:
                self.device.token = self.times.token
                self.device.cached.clear()
            if self.reference not in self.device.cached:
                self.device.cached.add(self.reference)
                self.clock.sleep_ns(self.times.load_ns)
            self.clock.sleep_ns(stage.held_ns)

    def preprocess(self) -> None:
        """Wait as long as the host resizes and casts a frame."""
        self.clock.sleep_ns(self.times.preprocess_ns)

    def postprocess(self) -> None:
        """Wait as long as the host decodes the result."""
        self.clock.sleep_ns(self.times.postprocess_ns)


class FakeBackend:
    """Simulated devices: accelerator, link and host by name or part file, at the ``max`` or ``std`` clock."""

    name = "fake"

    def __init__(
        self,
        size: str = "coral",
        link: str = "usb3",
        host: str = "x86-xeon",
        *,
        clock_id: str = "max",
        devices: int = 2,
        scale: float = 1.0,
        frame: tuple[int, int] = (1280, 720),
    ) -> None:
        self.accelerator, self.link, self.host = load_accelerator(size), load_link(link), load_host(host)
        self.channel = channel(self.link, self.host)
        self.clock_hz = self.accelerator.at_clock(clock_id, self.link)
        self.frame = frame
        self.virtual = VirtualClock() if scale == 0 else ScaledClock(scale)
        self.clock: Clock = self.virtual
        self.found = {f"fake:{i}": _FakeDevice(self.virtual.lock()) for i in range(devices)}

    def devices(self) -> list[Device]:
        """List the simulated devices."""
        return [Device(name, shipped_name("link", self.link)) for name in self.found]

    def versions(self) -> dict[str, str]:
        """Return which parts are simulated."""
        return {"simulated": f"{self.accelerator.name}, {self.link.name}, {self.host.name}"}

    def open(self, model: str, device: Device, group: Sequence[str] = ()) -> Session:
        """Compile a network of the zoo, of a generated family or of a file for the simulated device."""
        return FakeInterpreter(self.times(model, group), self.found[device.name], self.virtual)

    def times(self, model: str, group: Sequence[str] = ()) -> StageTimes:
        """Return the stage times of a network, with its host work; ``group``: networks compiled together, in order."""
        graph = named_network(model)
        if group:
            executable = cocompile([named_network(name) for name in group], self.accelerator)[list(group).index(model)]
        else:
            executable = compile_graph(graph, self.accelerator)
        times = stage_times(executable, self.channel, self.host, self.clock_hz)
        before, after = frame_ns(graph, self.host, *self.frame), postprocess_ns(graph, self.host)
        return replace(times, preprocess_ns=before, postprocess_ns=after)

    def input_size(self, model: str) -> tuple[int, int]:
        """Height and width of a network's input."""
        return named_network(model).inputs[0].hwc[:2]

    def pair_modes(self, first: str, second: str) -> tuple[str, ...]:
        """Both ways: the model of the compiler does either."""
        del first, second
        return "single", "cocompiled"

    def pipeline_ns(self, segments: Sequence[str], devices: Sequence[Device], batch: int) -> int:
        """Return the filled pipeline's time: every stage once, and the slowest for each further inference."""
        del devices
        stages = [self.times(segment).invoke_ns for segment in segments]
        elapsed_ns = sum(stages) + (batch - 1) * max(stages)
        self.clock.sleep_ns(elapsed_ns)
        return elapsed_ns
