"""What a power meter saw: watts and millijoules of measurement rows.

A meter sits at the stick's plug or at the whole board's supply. It either averages over the program's period, pauses of
the host included, or was read while inferences ran back to back (docs/energy.md). Base power and period that the same
file states as rows of their own are filled in by :func:`with_meter`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from calibration.corrections import stand_in
from calibration.measurements import Measurement
from calibration.scenarios import simulated_summary
from calibration.setups import Parts, Skip, conditions_of, executable_of, times_of
from calibration.shipped import load_dataset
from hwmodels.edgetpu.accelerator import EdgeTpu
from hwmodels.energy import active_j, heated_w, host_w, idle_w
from hwmodels.errors import InputError
from hwmodels.host import Host
from hwmodels.stages import AcceleratorStage, StageTimes

__all__ = ["Meter", "meter_of", "metered", "row_times", "running_w", "with_meter"]

#: Column -> metric of the row beside a meter's that states it.
BESIDE = {"base_power_w": "power_base_w", "period_ms": "system_latency_ms"}
WITH_ACCELERATOR = ("dev-board", "dev-board-mini", "dev-board-micro")
PARKED_W = 0.5  # a base below it: the stick gates its clocks between inferences
CAMERA_FPS = 24.0  # camera programs of power_states.csv: 23 to 29 frames per second
CAMERA_CORES = 0.6  # their load average: 0.52 to 0.87


def with_meter(rows: Sequence[Measurement]) -> list[Measurement]:
    """Return the rows, those of a power meter with base power and period from the rows beside them.

    Rows of one network, clock and source that follow each other belong together until a metric comes again; a row that
    stands alone takes what the shipped rows say of its network and clock. What a row states itself stays.

    Returns
    -------
    list of Measurement
        The same rows in their order; those of power with ``base_power_w`` and ``period_ms``.
    """
    beside: dict[int, dict[str, float]] = {}
    for record in _records(rows):
        found = _beside(row for _, row in record) or _shipped_beside(record[0][1])
        beside |= {number: found for number, row in record if row.metric.startswith(("power", "energy"))}
    return [_stated(row, beside.get(number, {})) for number, row in enumerate(rows)]


def _shipped_beside(row: Measurement) -> dict[str, float]:
    """What the shipped rows of the one source with a plug meter say of a network at a clock."""
    wanted = (row.source_id, row.model, row.clock_id)
    return _beside(r for r in _plug_rows() if (r.source_id, r.model, r.clock_id) == wanted)


@cache
def _plug_rows() -> tuple[Measurement, ...]:
    return tuple(load_dataset("qutibench_power"))


def _beside(rows: Iterable[Measurement]) -> dict[str, float]:
    values = {row.metric: row.value for row in rows if row.value}
    if "system_throughput_fps" in values:
        values.setdefault("system_latency_ms", 1e3 / values["system_throughput_fps"])
    return {column: values[metric] for column, metric in BESIDE.items() if metric in values}


def _records(rows: Sequence[Measurement]) -> Iterable[list[tuple[int, Measurement]]]:
    found: dict[tuple[str, ...], list[list[tuple[int, Measurement]]]] = defaultdict(lambda: [[]])
    for number, row in enumerate(rows):
        series = found[row.source_id, row.device, row.model, row.clock_id, row.host_id]
        if any(row.metric == other.metric for _, other in series[-1]):
            series.append([])
        series[-1].append((number, row))
    return [record for series in found.values() for record in series]


def _stated(row: Measurement, beside: dict[str, float]) -> Measurement:
    missing = {column: value for column, value in beside.items() if getattr(row, column) is None}
    # mypy: names of columns that hold numbers
    return replace(row, **missing) if missing else row  # type: ignore[arg-type]  # columns by name


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


def meter_of(row: Measurement) -> Meter:
    """Return what a row's columns say of its meter."""
    return Meter(
        row.meter == "stick", row.base_power_w, row.period_ms, row.duration_ms, row.extras_w or 0.0, row.has_camera,
    )  # fmt: skip


def metered(row: Measurement, parts: Parts) -> float:
    """Return what the meter of a row's source saw: W, or mJ for an inference.

    Raises :class:`Skip` for a network that is not known or parts that do not go together.
    """
    meter = meter_of(row)
    if row.metric == "power_idle_w":
        return resting_w(row, meter, parts)
    row = stand_in(row)
    if max(row.threads, row.accelerators) > 1 and conditions_of(row).link != "none":
        return _simulated(row, parts, meter)
    times = row_times(row, parts)
    watts = running_w(row, meter, parts, times)
    if not row.metric.startswith("energy"):
        return watts
    if "above" in row.metric:
        watts -= resting_w(row, meter, parts)
    return watts * (meter.duration_ms or (meter.averages and meter.period_ms) or times.invoke_ns / 1e6)


def row_times(row: Measurement, parts: Parts) -> StageTimes:
    """Stage times of a row's network; a camera program that runs no network has none."""
    if row.device == "host":
        return StageTimes("", "", ())
    return times_of(executable_of(row, parts), row, parts)


def has_accelerator(row: Measurement, meter: Meter) -> bool:
    """Whether an accelerator draws from the meter: the stick, one beside the host, or one that is part of the board."""
    host = conditions_of(row).host
    return meter.at_stick or host in WITH_ACCELERATOR or not (row.device in ("host", "cpu") or row.link == "none")


def resting_w(row: Measurement, meter: Meter, parts: Parts) -> float:
    """Power with nothing running: the base that was measured with the row, else that of the parts' states."""
    if meter.base_w is not None:
        return meter.base_w
    part = parts.accelerator()
    stick_w = part.power_base_w if is_parked(row, meter) else idle_w(part.energies)
    if meter.at_stick:
        return stick_w
    host = _host(row, parts)
    own_w = idle_w(part.energies) if has_accelerator(row, meter) else 0.0
    return host_w(host, host.cores, 0.0, 0.0) + meter.extra_w + own_w


def is_parked(row: Measurement, meter: Meter) -> bool:
    """Whether a stick is in its low state at rest: before its first use, or with clocks gated between inferences."""
    return meter.averages or row.state == "parked"


def _host(row: Measurement, parts: Parts) -> Host:
    try:
        return parts.host(conditions_of(row).host)
    except InputError as error:
        raise Skip(str(error)) from None


def running_w(row: Measurement, meter: Meter, parts: Parts, times: StageTimes) -> float:
    """Power while the program runs: what its work adds in a period, on top of the power at rest."""
    link = conditions_of(row).link
    period_ms = _period_ms(meter, times)
    watts = _device_w(row, meter, parts, times, period_ms)
    if link != "none":
        watts += (
            sum(_bytes(s) for s in times.accelerator_stages) * parts.link(link).energy_pj_per_byte * 1e-9 / period_ms
        )
    if meter.at_stick:
        return watts
    host = _host(row, parts)
    return watts + meter.extra_w + host_w(host, host.cores, _busy_cores(row, meter, times, period_ms, host.cores))


def _period_ms(meter: Meter, times: StageTimes) -> float:
    """Time from one inference to the next: as stated where the meter averages, the camera's, else back to back."""
    invoke_ms = max(1e-6, times.invoke_ns / 1e6)
    stated = (meter.averages and meter.period_ms) or (1e3 / CAMERA_FPS if meter.has_camera else 0.0)
    return max(invoke_ms, stated)


def _device_w(row: Measurement, meter: Meter, parts: Parts, times: StageTimes, period_ms: float) -> float:
    """Mean power of the accelerator, self-heating included; 0 where none is on the meter."""
    if not has_accelerator(row, meter):
        return 0.0
    part = parts.accelerator()
    rest_w = resting_w(row, meter, parts) if meter.at_stick else idle_w(part.energies)
    conditions = conditions_of(row)
    share = part.at_clock(conditions.clock, parts.link(conditions.link)) / part.clock_hz
    return heated_w(
        part.energies, rest_w + sum(_pass_mj(s, part, share) for s in times.accelerator_stages) / period_ms, rest_w
    )


def _pass_mj(stage: AcceleratorStage, part: EdgeTpu, clock_share: float) -> float:
    actions = (stage.macs, stage.wide_bytes, stage.narrow_bytes)
    return active_j(part.energies, clock_share, stage.program_ns, stage.streamed_bytes, actions) * 1e3


def _bytes(stage: AcceleratorStage) -> int:
    return stage.instruction_bytes + stage.input_bytes + stage.streamed_bytes + stage.output_bytes


def _busy_cores(row: Measurement, meter: Meter, times: StageTimes, period_ms: float, cores: int) -> float:
    """Cores busy on average: interpreter threads while on the CPU, driver, copies and Python else, the camera's."""
    wide = max(1, conditions_of(row).num_threads)
    other_ns = times.python_ns + times.total("driver_ns") + times.total("copy_ns")
    camera = CAMERA_CORES if meter.has_camera else 0.0
    return min(cores, (wide * times.ops_ns + other_ns) / 1e6 / period_ms + camera)


def _simulated(row: Measurement, parts: Parts, meter: Meter) -> float:
    """Power or energy with several threads or accelerators, from the simulator with the shipped parts."""
    summary = simulated_summary(row, parts)
    power = summary["power_w"]
    watts = power["accelerators"] + power["links"] if meter.at_stick else power["total"] + meter.extra_w
    return float(watts if not row.metric.startswith("energy") else watts * 1e3 / summary["throughput_ips"])
