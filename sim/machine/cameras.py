"""Cameras of a video recorder: frames at equal distances, of which each camera keeps two and drops what comes late.

A camera is a closed loop inside an open one. It takes its oldest frame, asks for the frame's regions one after the
other, and turns to the next frame when the last region is done. Frames come whether or not it has time. One that finds
:data:`KEPT` others waiting is dropped, as Frigate's queue of two frames does.

A frame is much like the one before: regions follow tracked objects from frame to frame (Frigate's
``process_frames``). So a camera has *scenes*, if they are asked for. A scene's regions on average are drawn from an
exponential distribution, which assumes nothing but its mean, and a scene ends at a random frame. Busy scenes then lose
more frames than quiet ones, and the frames that are kept have fewer regions than all have.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import count as naturals
from itertools import repeat
from random import Random
from typing import TYPE_CHECKING, Any, Protocol

from hwmodels.errors import InputError
from sim.machine.chance import poisson_count, random_stream
from sim.machine.machine import Machine

if TYPE_CHECKING:
    import simpy

__all__ = [
    "KEPT",
    "MAX_CAMERAS",
    "Cameras",
    "camera_processes",
    "frame_gaps_ns",
    "inferences_of_frames",
    "parse_cameras",
]

KEPT = 2  # frames that wait beside the one that is worked on
MAX_CAMERAS = 1024
MAX_FPS = 1000.0

Steps = Generator[Any, Any, None]


@dataclass(frozen=True, slots=True)
class Cameras:
    """Some cameras of one kind.

    Attributes
    ----------
    count
        Their phases are spread evenly over the time between two frames.
    fps
        Frames a second of each.
    motion
        Share of the frames that need inference; which ones is left to chance.
    regions
        Inferences of such a frame on average: one, and as many more as chance has it (Poisson).
    scene_s
        How long a scene lasts on average: its frames all move or all stand still, and share the mean of their further
        regions. 0: frames have nothing in common.
    """

    count: int
    fps: float
    motion: float = 1.0
    regions: float = 1.0
    scene_s: float = 0.0

    @property
    def inferences_per_s(self) -> float:
        """Inferences a second that all of them ask for, as long as no frame is dropped."""
        return self.count * self.fps * self.motion * self.regions

    @property
    def inferences_per_scene(self) -> float:
        """Inferences that all cameras ask for during a scene."""
        return self.inferences_per_s * self.scene_s

    @property
    def kept_inferences(self) -> float:
        """Inferences that the frames which wait at all cameras ask for, once as many wait as are kept."""
        return self.count * KEPT * self.regions

    @property
    def is_even(self) -> bool:
        """Whether requests come at equal distances: every frame asks for one inference."""
        return self.motion == 1 and self.regions == 1


def parse_cameras(text: str, motion: float = 1.0, regions: float = 1.0, scene_s: float = 0.0) -> Cameras | None:
    """Parse ``3x10``: three cameras of 10 frames a second; None for no text.

    Raises :class:`InputError` for anything else.
    """
    if not text:
        return None
    match = re.fullmatch(r"([0-9]{1,6})x([0-9.]{1,12})", text)
    count, fps = (int(match[1]), _number(match[2])) if match else (0, 0.0)
    if not (1 <= count <= MAX_CAMERAS and 0 < fps <= MAX_FPS):
        allowed = f"NxFPS such as 3x10, up to {MAX_CAMERAS} cameras of {MAX_FPS:g} frames a second"
        raise InputError.value("--cameras", text, allowed)
    return Cameras(count, fps, motion, regions, scene_s)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


class Server(Protocol):
    """What serves the inferences of frames."""

    machine: Machine

    def serve(self, request: int, arrived_ns: int, model: int = -1) -> Steps:
        """Serve one request from its arrival to its end."""


def camera_processes(pool: Server, asked: Cameras, seed: int) -> list[Steps]:
    """Processes of all cameras: one that lets frames come, and one that works on them."""
    found: list[Steps] = []
    for number in range(asked.count):
        camera = _Camera(pool, inferences_of_frames(asked, seed, number))
        found += [camera.frames(frame_gaps_ns(asked, number)), camera.work()]
    return found


class _Camera:
    """One camera: when its waiting frames were taken (ns), and the inferences that each needs."""

    def __init__(self, pool: Server, inferences: Iterator[int]) -> None:
        self.pool, self.machine, self.inferences = pool, pool.machine, inferences
        self.waiting = deque[tuple[int, int]]()
        self.sleeps: simpy.Event | None = None

    def frames(self, gaps_ns: Iterator[int]) -> Steps:
        """Frames come; one that finds no room is dropped."""
        env = self.machine.env
        for gap, inferences in zip(gaps_ns, self.inferences, strict=False):
            yield env.timeout(gap)
            log = self.machine.frames
            log.frames += 1
            if len(self.waiting) >= KEPT:
                log.skipped += 1
                continue
            self.waiting.append((env.now, inferences))
            if self.sleeps is not None:
                self.sleeps.succeed()
                self.sleeps = None

    def work(self) -> Steps:
        """Ask for the regions of one frame after another, each when the last is done."""
        env = self.machine.env
        while True:
            if not self.waiting:
                self.sleeps = env.event()
                yield self.sleeps
            taken_ns, regions = self.waiting.popleft()
            for _ in range(regions):
                yield from self.pool.serve(next(self.machine.requests), env.now)
            if regions:
                self.machine.frames.ended(env.now, taken_ns)


def frame_gaps_ns(asked: Cameras, number: int) -> Iterator[int]:
    """Times between a camera's frames in whole ns that keep the rate; the first follows after its share of a period."""
    rate, before = asked.count * asked.fps, 0
    for frame in naturals():
        now = round((frame * asked.count + number + 1) * 1e9 / rate)
        yield now - before
        before = now


def inferences_of_frames(asked: Cameras, seed: int, number: int) -> Iterator[int]:
    """How many inferences each frame that comes from a camera needs, from random streams of its own."""
    if asked.is_even:
        return repeat(1)
    scenes = _scenes(asked, random_stream(seed, "scenes", number)) if asked.scene_s else repeat(None)
    return _drawn(asked, random_stream(seed, "cameras", number), scenes)


@dataclass(frozen=True, slots=True)
class _Scene:
    """What the frames of a scene have in common."""

    moves: bool
    further: float


def _scenes(asked: Cameras, stream: Random) -> Iterator[_Scene]:
    """The scene of each frame: one ends at every frame with the same probability."""
    goes_on = max(0.0, 1 - 1 / (asked.fps * asked.scene_s))
    while True:
        scene = _Scene(stream.random() < asked.motion, stream.expovariate(1.0) * (asked.regions - 1))
        yield scene
        while stream.random() < goes_on:
            yield scene


def _drawn(asked: Cameras, stream: Random, scenes: Iterator[_Scene | None]) -> Iterator[int]:
    for scene in scenes:
        moves = scene.moves if scene else stream.random() < asked.motion
        yield 1 + poisson_count(stream, scene.further if scene else asked.regions - 1) if moves else 0
