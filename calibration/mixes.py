"""Measured mixes: networks with Poisson arrivals in front of one accelerator, first come, first served.

A table has one line for each network and load, with the mean and percentiles of its response time. Stage times are our
own, or the service and switch times of a table beside it (``--services``). One thread serves every network in turn of
arrival, as a server with one interpreter a network does. Replications as long as the measurement tell how far its own
figures may lie from the truth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import exp, hypot, log
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from calibration.answers import Z90, unanswered
from calibration.measurements import Measurement
from calibration.servicerows import SERVICE_HEADER
from calibration.setups import Parts, Skip, conditions_of, network_of
from calibration.tables import FOLDER, Cells, positive_number, read_table
from hwmodels.errors import InputError
from hwmodels.networks.zoo import canonical_name
from hwmodels.stages import AcceleratorStage, StageTimes
from sim.answer import summarise
from sim.engine import run
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import Setup, build

__all__ = ["MIX_HEADER", "Service", "mix_answers", "mix_tables", "read_services"]

MIX_HEADER = frozenset({"mix", "load", "network", "rate_per_s", "mean_ms"})
METRICS = {"mean_ms": "mean", "p50_ms": "p50", "p90_ms": "p90", "p95_ms": "p95", "p99_ms": "p99"}
REPLICATIONS = 16
DEFAULT_REQUESTS = 2000  # of a load whose number nobody states


def mix_tables() -> list[Path]:
    """Return the shipped tables of mixes."""
    return sorted((FOLDER / "mixes").glob("*_mixes.csv"))


@dataclass(frozen=True)
class Service:
    """One network's time on the accelerator, and what it takes more after another network (ms)."""

    service_ms: float
    switch_ms: float

    def stage_times(self, name: str) -> StageTimes:
        """Return the two times as a network that the simulator can run."""
        none = dict.fromkeys(
            ("driver_ns", "instruction_bytes", "instructions_ns", "input_bytes", "input_ns", "output_bytes",
             "output_ns", "copy_ns"), 0,
        )  # fmt: skip
        service_ns, switch_ns = round(self.service_ms * 1e6), round(self.switch_ms * 1e6)
        stage = AcceleratorStage(latency_ns=service_ns, load_bytes=1, load_ns=switch_ns, steps=(), **none)
        return StageTimes(name, token=name, stages=(stage,))


def read_services(path: str | Path) -> dict[str, Service]:
    """Read a table of service and switch times by network.

    Raises :class:`InputError` for a file without these columns, or a cell that is no time.
    """
    path = Path(path)
    header, lines = read_table(path)
    missing = [column for column in SERVICE_HEADER if column not in header]
    if missing:
        raise InputError.problem(str(path), f"has no column {', '.join(missing)}", f"give {', '.join(SERVICE_HEADER)}")
    return {
        canonical_name(cells["network"]): Service(
            *(positive_number(path, line, cells, key) for key in SERVICE_HEADER[1:])
        )
        for line, cells in lines
    }


def mix_answers(path: Path, parts: Parts, services: Mapping[str, Service] | None = None) -> list[dict[str, Any]]:
    """Predict every figure of a table of mixes.

    Parameters
    ----------
    path
        A table with :data:`MIX_HEADER`.
    parts
        Part files, for rows whose times are our own.
    services
        Times by network in place of our own.

    Returns
    -------
    list of dict
        One for each network, load and metric: the keys of every row's answer, and ``mix`` and ``load``. ``estimated``
        is the closed form's mean.

    Raises
    ------
    InputError
        For a cell that is no number.
    """
    lines = [_Line.read(path, line, cells) for line, cells in read_table(path)[1]]
    loads = groupby(lines, key=lambda line: (line.cells["mix"], line.cells["load"]))
    return [answer for _, group in loads for answer in _answers(tuple(group), parts, services)]


@dataclass(frozen=True)
class _Line:
    """One network at one load: its rate, how many requests were measured, and its figures."""

    row: Measurement
    cells: Cells
    rate: float
    requests: int
    figures: Mapping[str, float]

    @classmethod
    def read(cls, path: Path, line: int, cells: Cells) -> _Line:
        """Check a line's numbers; the rate that was realised counts before the one that was asked for."""
        rate = positive_number(path, line, cells, "realised_rate" if cells.get("realised_rate") else "rate_per_s")
        requests = int(positive_number(path, line, cells, "requests")) if cells.get("requests") else DEFAULT_REQUESTS
        figures = {key: positive_number(path, line, cells, key) for key in METRICS if cells.get(key)}
        stated: dict[str, Any] = {
            key: cells.get(key, "") for key in ("source_id", "host_id", "link", "clock_id", "conditions")
        }
        row = replace(
            Measurement(file=path.name, line=line, model=cells["network"], metric="mean_ms", value=0.0), **stated
        )
        return cls(row, cells, rate, requests, figures)

    def answers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each figure that was measured, with its answer before it is predicted."""
        conditions = conditions_of(self.row)
        for metric, measured in self.figures.items():
            row = replace(self.row, metric=metric, value=measured)
            blank = unanswered(row, conditions.link, conditions.host, conditions.assumed)
            yield metric, blank | {"mix": self.cells["mix"], "load": self.cells["load"], "estimated": None}


def _answers(
    lines: Sequence[_Line], parts: Parts, services: Mapping[str, Service] | None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    try:
        found = _Predicted.of(lines, parts, services)
    except (Skip, InputError) as skip:
        yield from (answer | {"skipped": str(skip)} for line in lines for _, answer in line.answers())
        return
    for number, line in enumerate(lines):
        for metric, answer in line.answers():
            yield answer | found.figure(number, metric, answer["measured"])


@dataclass(frozen=True)
class _Predicted:
    """The answers of all replications of one load, the model's own uncertainty, and the closed form's means."""

    runs: Sequence[Mapping[str, Any]]
    names: Sequence[str]
    model_sd: float
    means_ms: Sequence[float | None]

    @classmethod
    def of(cls, lines: Sequence[_Line], parts: Parts, services: Mapping[str, Service] | None) -> _Predicted:
        """Simulate a load as often and as long as it takes."""
        setup = _setup(lines, parts, services)
        runs = [_run(setup, seed) for seed in range(REPLICATIONS)]
        if services is not None:
            return cls(runs, setup.models, 0.0, [None] * len(lines))
        low, high = runs[0]["interval90"]["invoke_mean_ms"]
        rows = estimate(setup.scenario)["models"]
        means = [rows[name]["latency_mean_ms"] for name in setup.models]
        return cls(runs, setup.models, log(high / low) / 2 / Z90 if low else 0.0, means)

    def figure(self, number: int, metric: str, measured: float) -> dict[str, Any]:
        """Return one network's figure: its mean over the replications, and where the measured one may lie."""
        values = [run["models"][self.names[number]]["latency_ms"][METRICS[metric]] for run in self.runs]
        value = fmean(values)
        reach = exp(Z90 * hypot(stdev(values) / value, self.model_sd))
        return {
            "predicted": value, "error": value / measured - 1, "lo90": value / reach, "hi90": value * reach,
            "estimated": self.means_ms[number] if metric == "mean_ms" else None,
        }  # fmt: skip


def _setup(lines: Sequence[_Line], parts: Parts, services: Mapping[str, Service] | None) -> Setup:
    conditions = conditions_of(lines[0].row)
    networks = [network_of(line.row) for line in lines]
    if len({network.name for network in networks}) < len(networks):
        raise Skip("a network stands twice in one load")
    setup = build(
        Scenario(
            models=",".join(f"{network.name}@{line.rate}" for network, line in zip(networks, lines, strict=True)),
            size=parts.accelerator_name, link=conditions.link, clock=conditions.clock, host=conditions.host,
            compiler=conditions.compiler, cpu_kernels=conditions.kernels,
            inferences=sum(line.requests for line in lines),
        )
    )  # fmt: skip
    if services is None:
        return setup
    names = [canonical_name(line.row.model) for line in lines]
    unknown = [name for name in names if name not in services]
    if unknown:
        raise Skip(f"no service time of {', '.join(unknown)}")
    return replace(setup, stage_times=tuple((services[name].stage_times(name),) for name in names))


def _run(setup: Setup, seed: int) -> dict[str, Any]:
    seeded = replace(setup, scenario=replace(setup.scenario, seed=seed))
    return dict(summarise(seeded, run(seeded), compare=False).summary)
