"""What a power meter saw: watts and millijoules of measurement rows, and the fit of the few unknown power numbers.

A meter sits at the stick's plug or at the whole board's supply. It either averages over the program's period, pauses of
the host included, or was read while inferences ran back to back (docs/energy.md). What was measured along with a row
(base power, system latency) is in its conditions: :func:`with_meter` writes it there from the rows beside it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, log
from typing import Any

from calibration.data import Row, load_dataset
from calibration.predict import Parts, Skip, conditions, executable_of, times_of
from hwmodels.accelerator import Accelerator
from hwmodels.errors import InputError
from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.energy import active_j, heated_w, host_w, idle_w

__all__ = ["fit_power", "metered", "with_meter"]

BASE = re.compile(r"(?:base[ _]power|power_base)(?:_w)?\D{0,6}([0-9.]+)")
PERIOD = re.compile(r"system[ _]latency(?:_ms)?\D{0,12}([0-9.]+)")
#: Metrics that rows beside a meter's state, and how conditions say them.
BESIDE = {"power_base_w": BASE, "system_latency_ms": PERIOD}
DURATION = re.compile(r"W x ([0-9.]+) ms")
#: Networks that a source did not name, and the zoo network that its times come nearest to.
STAND_INS = {("deepedgebench", "mobilenet_v1_small"): "mobilenet_v1_0.25_128"}
STICK = ("stick", "usb plug", "usb accelerator", "inline usb")
WITH_ACCELERATOR = ("dev-board", "dev-board-mini", "dev-board-micro")
PARKED_W = 0.5  # a base below it: the stick gates its clocks between inferences
CAMERA_FPS = 24.0  # camera programs of power_states.csv: 23 to 29 frames per second
CAMERA_CORES = 0.6  # their load average: 0.52 to 0.87
#: What else hangs on a board's meter, by words of the conditions (W): gh_f0cal_15, deepedgebench; a webcam's 180 mA.
EXTRAS_W = (("fan on", 0.7), ("webcam", 0.9), ("lan down", -0.32))


def with_meter(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those of a power meter with base power and period from the rows beside them in their conditions.

    Rows of one network, clock and source that follow each other belong together until a metric comes again; a row that
    stands alone takes what the shipped rows say of its network and clock.

    Returns
    -------
    list of Row
        The same rows in their order; those of power with their meter's base and period added to ``conditions``.
    """
    beside: dict[int, dict[str, float]] = {}
    for record in _records(rows):
        found = _beside(row for _, row in record) or _shipped_beside(record[0][1])
        beside |= {number: found for number, row in record if row.metric.startswith(("power", "energy"))}
    return [_stated(row, beside.get(number, {})) for number, row in enumerate(rows)]


def _shipped_beside(row: Row) -> dict[str, float]:
    """What the shipped rows of the one source with a plug meter say of a network at a clock."""
    wanted = (row.source_id, row.model, row.clock_id)
    return _beside(r for r in _plug_rows() if (r.source_id, r.model, r.clock_id) == wanted)


@cache
def _plug_rows() -> tuple[Row, ...]:
    return tuple(load_dataset("qutibench_power"))


def _beside(rows: Iterable[Row]) -> dict[str, float]:
    values = {row.metric: row.value for row in rows if row.value}
    if "system_throughput_fps" in values:
        values.setdefault("system_latency_ms", 1e3 / values["system_throughput_fps"])
    return {metric: values[metric] for metric in BESIDE if metric in values}


def _records(rows: Sequence[Row]) -> Iterable[list[tuple[int, Row]]]:
    found: dict[tuple[str, ...], list[list[tuple[int, Row]]]] = defaultdict(lambda: [[]])
    for number, row in enumerate(rows):
        series = found[row.source_id, row.device, row.model, row.clock_id, row.host_id]
        if any(row.metric == other.metric for _, other in series[-1]):
            series.append([])
        series[-1].append((number, row))
    return [record for series in found.values() for record in series]


def _stated(row: Row, beside: dict[str, float]) -> Row:
    """A row with what is known beside it; what its conditions already say stays."""
    texts = [f"{key} {value:g}" for key, value in beside.items() if not BESIDE[key].search(row.conditions.lower())]
    return replace(row, conditions="; ".join([row.conditions, *texts])) if texts else row


@dataclass(frozen=True)
class Meter:
    """What a row says of its meter: where it sits, the base power and period that were measured with it (None: not)."""

    at_stick: bool
    base_w: float | None
    period_ms: float | None
    duration_ms: float | None
    extra_w: float
    has_camera: bool

    @property
    def averages(self) -> bool:
        """Whether it averages over the program's period; else it shows inferences back to back."""
        return self.period_ms is not None and (self.base_w is None or self.base_w < PARKED_W)


def meter_of(row: Row) -> Meter:
    """Read a row's conditions."""
    text = row.conditions.lower()
    return Meter(
        any(word in text for word in STICK), _number(BASE, text), _number(PERIOD, text),
        _number(DURATION, row.conditions), sum(watts for word, watts in EXTRAS_W if word in text), "webcam" in text,
    )  # fmt: skip


def _number(pattern: re.Pattern[str], text: str) -> float | None:
    found = pattern.search(text)
    return float(found[1].rstrip(".")) if found else None


def metered(row: Row, parts: Parts) -> float:
    """Return what the meter of a row's source saw: W, or mJ for an inference.

    Raises :class:`Skip` for a network that is not known or parts that do not go together.
    """
    meter = meter_of(row)
    if row.metric == "power_idle_w":
        return resting_w(row, meter, parts)
    row = _known(row)
    if max(row.threads, row.accelerators) > 1 and conditions(row).link != "none":
        return _simulated(row, parts, meter)
    times = _times(row, parts)
    watts = running_w(row, meter, parts, times)
    if not row.metric.startswith("energy"):
        return watts
    if "above" in row.metric:
        watts -= resting_w(row, meter, parts)
    return watts * (meter.duration_ms or (meter.averages and meter.period_ms) or times.invoke_ns / 1e6)


def _known(row: Row) -> Row:
    return replace(row, model=STAND_INS.get((row.source_id, row.model), row.model))


def _times(row: Row, parts: Parts) -> StageTimes:
    """Stage times of a row's network; a camera program that runs no network has none."""
    if "without tpu" in row.conditions.lower():
        return StageTimes("", "", ())
    return times_of(executable_of(row, parts), row, parts)


def has_accelerator(row: Row, meter: Meter) -> bool:
    """Whether an accelerator draws from the meter: the stick, one beside the host, or one that is part of the board."""
    host = conditions(row).host
    alone = row.device == "host" or "without tpu" in row.conditions.lower()
    return meter.at_stick or host in WITH_ACCELERATOR or not (alone or row.device == "cpu" or row.link == "none")


def resting_w(row: Row, meter: Meter, parts: Parts) -> float:
    """Power with nothing running: the base that was measured with the row, else that of the parts' states."""
    if meter.base_w is not None:
        return meter.base_w
    part = parts.accelerator()
    stick_w = part.power_base_w if is_parked(row, meter) else idle_w(part)
    if meter.at_stick or not _has_host(row):
        return stick_w
    host = _host(row, parts)
    return host_w(host, host.cores, 0.0, 0.0) + meter.extra_w + (idle_w(part) if has_accelerator(row, meter) else 0.0)


def is_parked(row: Row, meter: Meter) -> bool:
    """Whether a stick is in its low state at rest: before its first use, or with clocks gated between inferences."""
    text = row.conditions.lower()
    return meter.averages or "before the first use" in text or "no inference running" in text


def _has_host(row: Row) -> bool:
    """Whether the meter sees a host: a row at rest of a stick says neither "board" nor "host"."""
    text = row.conditions.lower()
    return row.metric != "power_idle_w" or row.device == "host" or "board" in text or "host" in text


def _host(row: Row, parts: Parts) -> Any:
    try:
        return parts.host(conditions(row).host)
    except InputError as error:
        raise Skip(str(error)) from None


def running_w(row: Row, meter: Meter, parts: Parts, times: StageTimes) -> float:
    """Power while the program runs: what its work adds in a period, on top of the power at rest."""
    link = conditions(row).link
    period_ms = _period_ms(meter, times)
    watts = _device_w(row, meter, parts, times, period_ms)
    if link != "none":
        watts += sum(_bytes(s) for s in _passes(times)) * parts.link(link).energy_pj_per_byte * 1e-9 / period_ms
    if meter.at_stick:
        return watts
    host = _host(row, parts)
    return watts + meter.extra_w + host_w(host, host.cores, _busy_cores(row, meter, times, period_ms, host.cores))


def _period_ms(meter: Meter, times: StageTimes) -> float:
    """Time from one inference to the next: as stated where the meter averages, the camera's, else back to back."""
    invoke_ms = max(1e-6, times.invoke_ns / 1e6)
    stated = (meter.averages and meter.period_ms) or (1e3 / CAMERA_FPS if meter.has_camera else 0.0)
    return max(invoke_ms, stated)


def _device_w(row: Row, meter: Meter, parts: Parts, times: StageTimes, period_ms: float) -> float:
    """Mean power of the accelerator, self-heating included; 0 where none is on the meter."""
    if not has_accelerator(row, meter):
        return 0.0
    part = parts.accelerator()
    rest_w = resting_w(row, meter, parts) if meter.at_stick else idle_w(part)
    share = part.at_clock(conditions(row).clock, conditions(row).link) / part.clock_hz
    return heated_w(part, rest_w + sum(_pass_mj(s, part, share) for s in _passes(times)) / period_ms, rest_w)


def _passes(times: StageTimes) -> list[TpuStage]:
    return [stage for stage in times.stages if isinstance(stage, TpuStage)]


def _pass_mj(stage: TpuStage, part: Accelerator, clock_share: float) -> float:
    actions = (stage.macs, stage.wide_bytes, stage.narrow_bytes)
    return active_j(part, clock_share, stage.program_ns, _streamed(stage), actions) * 1e3


def _bytes(stage: TpuStage) -> int:
    return stage.instruction_bytes + stage.input_bytes + _streamed(stage) + stage.output_bytes


def _streamed(stage: TpuStage) -> int:
    return sum(step.streamed_bytes for step in stage.steps)


def _busy_cores(row: Row, meter: Meter, times: StageTimes, period_ms: float, cores: int) -> float:
    """Cores busy on average: interpreter threads while on the CPU, driver, copies and Python else, the camera's."""
    wide = max(1, conditions(row).num_threads)
    ops_ns = sum(stage.ops_ns for stage in times.stages if isinstance(stage, CpuStage))
    other_ns = times.python_ns + sum(stage.driver_ns + stage.copy_ns for stage in _passes(times))
    camera = CAMERA_CORES if meter.has_camera else 0.0
    return min(cores, (wide * ops_ns + other_ns) / 1e6 / period_ms + camera)


def _simulated(row: Row, parts: Parts, meter: Meter) -> float:
    """Power or energy with several threads or accelerators, from the simulator with the shipped parts."""
    from calibration.predict import network_of
    from sim.engine import simulate
    from sim.scenario import Scenario

    setup = conditions(row)
    summary = simulate(Scenario(
        models=network_of(row).name, size=parts.accelerator_name, link=setup.link, clock=setup.clock, host=setup.host,
        threads=max(row.threads, row.accelerators), accelerators=max(1, row.accelerators), compiler=setup.compiler,
    )).summary  # fmt: skip
    power = summary["power_w"]
    watts = power["accelerators"] + power["links"] if meter.at_stick else power["total"] + meter.extra_w
    return float(watts if not row.metric.startswith("energy") else watts * 1e3 / summary["throughput_ips"])


@dataclass(frozen=True)
class Free:
    """One unknown number: the parts that share it, its key, and the range that is believed beforehand."""

    kind: str
    names: tuple[str, ...]
    key: str
    low: float
    high: float


FREE = (
    Free("accelerator", ("coral",), "power_active_clock_w", 0.3, 1.5),
    Free("accelerator", ("coral",), "energy_stream_pj_per_byte", 400, 8000),
    Free("host", ("dev-board",), "power_awake_w", 0.3, 0.8),
    Free("host", ("dev-board",), "power_core_busy_w", 0.2, 0.4),
)
SOURCES = ("qutibench", "deepedgebench")
SIGMA = {"qutibench": 0.1, "deepedgebench": 0.03}
NO_BASE_SIGMA = 0.3


def power_rows(rows: Iterable[Row] | None = None) -> list[Row]:
    """Rows that the fit explains: power under load of the two sources that state how they measured."""
    shipped = ("qutibench_power", "deepedgebench")
    given = rows if rows is not None else [row for name in shipped for row in load_dataset(name)]
    return [r for r in with_meter(list(given)) if r.metric == "power_full_w" and r.source_id in SOURCES]


def fit_power(rows: Iterable[Row] | None = None) -> dict[str, Any]:
    """Fit the unknown power numbers to measured watts (default: the shipped rows).

    Returns ``numbers`` (value, std_error by name), ``rows`` (measured, predicted, error, and error of a fit without the
    row's network), ``mape`` and ``mape_left_out``. Raises :class:`InputError` where there is no row to fit.

    Parameters
    ----------
    rows
        Of power; those of the shipped datasets where None.

    Returns
    -------
    dict
        ``numbers`` (value and standard error), ``rows`` (measured, predicted, with and without the row's network),
        ``mape`` and ``mape_left_out``.
    """
    used = power_rows(rows)
    if not used:
        raise InputError("--dataset", "no power under load", "power_full_w rows of a stated meter")
    x, errors = _solve(used)
    without = {name: _parts(_solve([r for r in used if r.model != name])[0]) for name in {r.model for r in used}}
    lines = [_line(row, _parts(x), without[row.model]) for row in used]
    names = [f"{free.kind} {'/'.join(free.names)}: {free.key}" for free in FREE]
    numbers = {n: {"value": exp(v), "std_error": exp(v) * e} for n, v, e in zip(names, x, errors, strict=True)}
    return {
        "numbers": numbers, "rows": lines,
        "mape": _mape(lines, "error"), "mape_left_out": _mape(lines, "error_left_out"),
    }  # fmt: skip


def _mape(lines: Sequence[dict[str, Any]], key: str) -> float:
    return sum(abs(float(line[key])) for line in lines) / len(lines)


def _line(row: Row, fitted: Parts, left_out: Parts) -> dict[str, Any]:
    predicted, without = metered(row, fitted), metered(row, left_out)
    return {
        "source_id": row.source_id, "model": row.model, "clock_id": row.clock_id, "link": row.link,
        "measured": row.value, "predicted": predicted,
        "error": predicted / row.value - 1, "error_left_out": without / row.value - 1,
    }  # fmt: skip


def _parts(x: Sequence[float]) -> Parts:
    changes: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for free, value in zip(FREE, x, strict=True):
        for name in free.names:
            changes[free.kind, name][free.key] = exp(value)
    return Parts(changes=dict(changes))


def _sigma(row: Row) -> float:
    """Relative standard error of a row; a stick's without its base power is worth little."""
    meter = meter_of(row)
    return NO_BASE_SIGMA if meter.at_stick and meter.base_w is None else SIGMA.get(row.source_id, 0.1)


def _residuals(rows: Sequence[Row]) -> Callable[[Sequence[float]], list[float]]:
    """Weighted logarithmic residuals of rows and priors; times do not depend on the free numbers."""
    known = [_known(row) for row in rows]
    prepared = [(row, meter_of(row), _times(row, Parts())) for row in known]
    sigmas, middles = [_sigma(row) for row in known], [log(f.low * f.high) / 2 for f in FREE]

    def residuals(x: Sequence[float]) -> list[float]:
        """Misses of the rows in their sigmas, then of the numbers from their ranges' middles."""
        parts = _parts(x)
        watts = [running_w(row, meter, parts, times) for row, meter, times in prepared]
        data = [log(w / row.value) / sigma for w, row, sigma in zip(watts, known, sigmas, strict=True)]
        priors = [(v - m) / (log(f.high / f.low) / 2) for v, m, f in zip(x, middles, FREE, strict=True)]
        return data + priors

    return residuals


def _solve(rows: Sequence[Row]) -> tuple[list[float], list[float]]:
    """Robust least squares of logarithms, priors half a range wide: the numbers' logarithms and relative errors."""
    import numpy as np
    from scipy.optimize import least_squares

    start = [log(free.low * free.high) / 2 for free in FREE]
    found = least_squares(_residuals(rows), start, loss="soft_l1", f_scale=1.5)
    scale = max(1.0, 2 * found.cost / max(1, len(rows) - len(start)))
    variances = np.diag(np.linalg.inv(found.jac.T @ found.jac)) * scale
    return [float(v) for v in found.x], [float(v) ** 0.5 for v in variances]
