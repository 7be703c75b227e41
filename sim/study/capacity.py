"""How many requests a second, and how many cameras, a set-up serves within limits.

The highest rate is found by bisection: simulated latencies grow with the rate, and every run has the same seed, one
that is typical of all (:mod:`sim.study.typical`). The limit that holds it there is the one that a little more breaks.

Near saturation requests that come at random wait without bound, so that a rate without a limit of latency says nothing.
Where none is given, one is assumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from math import exp
from typing import Any

from hwmodels.errors import InputError
from sim.advice import Limits
from sim.closed_form.bounds import throughput_bound
from sim.engine import MAX_OPEN, simulate
from sim.machine.cameras import MAX_CAMERAS, Cameras
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.study.typical import typical_seed
from sim.trust.interval import Z90, relative_sd

__all__ = ["capacity"]

KINDS = ("poisson", "periodic", "server")
AT_RANDOM = ("poisson", "server")
FPS = 30.0  # of a camera of which nothing is said
CLOSE = 1.002  # the highest rate is known to within this factor
AROUND = 0.96  # of the rate about which it is, and over it: first looked at
MORE = 1.01  # what breaks a limit at so much more names it
ALONE = 10  # times of a request alone that its 99th percentile may take where nobody gave a limit
LOWEST = 1e-3  # of what the accelerators could do: a set-up that cannot do that has no capacity


def capacity(
    scenario: Scenario,
    limit: Limits,
    camera_fps: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Return the highest rate of requests at which a set-up keeps its limits.

    Parameters
    ----------
    scenario
        Its ``arrivals`` say how requests come (Poisson where it says ``closed``). A rate that it names is judged, too.
        Where it has cameras, more and fewer of them are tried.
    limit
        What has to hold at that rate.
    camera_fps
        Frames a second of a camera, of which every frame is a request (None: 30).
    progress
        Called with a line for each rate that was tried.

    Returns
    -------
    dict
        ``rate_ips`` and ``interval90`` of it, ``most_ips`` (what is served at most, however long requests wait),
        ``cameras``, ``limit`` (what a little more breaks), ``valid`` (whether the rate that was named keeps the limits;
        without one, whether any does) and ``at``: the answer of ``run`` at the highest rate, None where there is none;
        ``limits`` and, of them, those that were ``assumed``; ``at_random`` says whether requests come by chance, for
        which ``at`` has a seed that is typical.

    Raises
    ------
    InputError
        For arrivals without a rate, an option that cannot act, or a scenario that cannot be built.
    """
    arrivals = scenario.arrival_process
    _check(scenario, camera_fps)
    if arrivals.cameras:
        return _cameras(scenario, arrivals.cameras, limit, progress)
    if arrivals.rates and not arrivals.follow_ups:
        raise InputError.problem(
            "capacity",
            f"cannot vary {scenario.models}, as its networks have rates of their own",
            "leave the rates out, or ask run with each rate that you want to know of",
        )
    kind = "poisson" if arrivals.kind == "closed" else arrivals.kind
    if kind not in KINDS:
        raise InputError.problem(
            "capacity", f"cannot vary {scenario.models} with --arrivals {scenario.arrivals}", "take poisson or periodic"
        )
    fps = FPS if camera_fps is None else camera_fps
    closed = build(scenario.with_options(arrivals="closed"))
    assumed, near = _assumed(closed, limit) if kind in AT_RANDOM else {}, 0.0
    limit = replace(limit, **assumed)
    if kind in AT_RANDOM:
        late = ("max_p99_ms", 0.01) if limit.max_p99_ms else ("max_p95_ms", 0.05)
        seed, near = typical_seed(closed, getattr(limit, late[0]), late[1], scenario.inferences or MAX_OPEN)
        scenario = scenario.with_options(seed=seed)
    search = _Search(scenario, kind, limit, progress)
    rate, broken = search.highest(near)
    valid = not limit.broken_by(search.at(arrivals.request_ips)) if arrivals.rate_ips else rate > 0
    spread = exp(Z90 * relative_sd(closed))
    return {
        "rate_ips": rate, "interval90": [rate / spread, rate * spread], "most_ips": throughput_bound(closed),
        "cameras": int(rate / fps), "camera_fps": fps, "limit": broken, "valid": valid, "limits": asdict(limit),
        "assumed": list(assumed), "at_random": kind in AT_RANDOM, "at": search.at(rate) if rate else None,
    }  # fmt: skip


def _assumed(closed: Setup, limit: Limits) -> dict[str, float]:
    """A limit of the 99th percentile where there is none of latency."""
    if limit.max_p95_ms or limit.max_p99_ms:
        return {}
    alone_ns = min(times.latency_ns for row in closed.stage_times for times in row)
    return {"max_p99_ms": float(f"{ALONE * alone_ns / 1e6:.3g}")}


def _check(scenario: Scenario, camera_fps: float | None) -> None:
    if camera_fps is not None and not camera_fps > 0:
        raise InputError.value("--camera-fps", camera_fps, "a number above 0")
    if camera_fps is not None and scenario.cameras:
        raise InputError.problem("--camera-fps", "cannot act here, as --cameras says it", "leave one of the two out")
    if scenario.deadline_ms:
        raise InputError.problem(
            "--deadline-ms", "cannot act here, as limits say what has to hold", "give --max-p95-ms or --max-p99-ms"
        )


def _cameras(scenario: Scenario, asked: Cameras, limit: Limits, progress: Callable[[str], None]) -> dict[str, Any]:
    """The most cameras of a kind: limits of latency are limits of the age of their results."""

    def at(count: int) -> dict[str, Any]:
        """The answer of ``run`` with so many."""
        progress(f"{count} camera{'s' if count > 1 else ''} ...")
        return dict(simulate(scenario.with_options(cameras=f"{count}x{asked.fps:g}"), compare=False).summary)

    each, most_ips = scenario.arrival_process.rate_ips / asked.count, throughput_bound(build(scenario))
    low, high = 0, min(MAX_CAMERAS, int(most_ips / each * MORE) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if limit.broken_by(at(middle)) else (middle, high)
    spread = exp(Z90 * relative_sd(build(scenario)))
    more = at(low + 1)
    broken = limit.broken_by(more) or "it was not tried with more"
    if not low:
        age = more["age_ms"]
        broken += f" (results of one camera: p95 {age['p95']:.4g} ms, p99 {age['p99']:.4g} ms)"
    return {
        "rate_ips": low * each, "interval90": [low * each / spread, low * each * spread], "most_ips": most_ips,
        "cameras": low, "assumed": [], "at_random": False, "camera_fps": asked.fps,
        "limit": broken,
        "valid": not limit.broken_by(at(asked.count)), "limits": asdict(limit), "at": at(low) if low else None,
    }  # fmt: skip


@dataclass(frozen=True)
class _Search:
    """Bisection for the highest rate that keeps a limit."""

    scenario: Scenario
    kind: str
    limit: Limits
    progress: Callable[[str], None]

    def at(self, rate_ips: float) -> dict[str, Any]:
        """The answer of ``run`` at a rate."""
        return dict(simulate(self.scenario.with_options(arrivals=f"{self.kind}:{rate_ips}"), compare=False).summary)

    def highest(self, near: float) -> tuple[float, str]:
        """The highest rate, to within 0.2 %, and the limit that a little more breaks; 0 where none keeps them.

        ``near`` is about where it is; 0 where that is not known.
        """
        high = throughput_bound(build(self.scenario.with_options(arrivals="closed")))
        low = high * LOWEST
        for rate in (near * AROUND, near / AROUND) if near else ():
            low, high = (low, min(high, rate)) if self._breaks(rate) else (max(low, rate), high)
        if low < near * AROUND or not near:
            least = self.at(low)
            if broken := self.limit.broken_by(least):
                alone = f"{least['latency_ms']['mean']:.1f} ms at {least['power_w']['total']:.2f} W"
                return 0.0, f"{broken} (a request now and then takes {alone})"
        while high > CLOSE * low:
            middle = (low * high) ** 0.5 if high > 2 * low else (low + high) / 2
            low, high = (low, middle) if self._breaks(middle) else (middle, high)
        return low, self.limit.broken_by(self.at(low * MORE)) or "it does not keep up"

    def _breaks(self, rate_ips: float) -> bool:
        self.progress(f"trying {rate_ips:.4g} /s ...")
        return bool(self.limit.broken_by(self.at(rate_ips)))
