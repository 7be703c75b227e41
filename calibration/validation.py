"""Hold the models against measurement files: a prediction, an interval and an error for every row.

Groups can be left out: the row is then predicted with numbers fitted without its model, family, source or host.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import exp
from pathlib import Path
from typing import Any

from calibration.answers import Z90, around, unanswered
from calibration.boards.sweeps import board_file_predictor
from calibration.compiled import COMPILED_HEADER, compiled_rows
from calibration.corrections import corrected
from calibration.cpurows import cpu_part_of, fit_without
from calibration.decisions import decisions
from calibration.firstrun import first_touch_without
from calibration.fitting import GROUPS, Calibration, fit, members
from calibration.gilrows import with_profile
from calibration.kinds import spread_of
from calibration.measurements import Measurement
from calibration.meter import with_meter
from calibration.mixes import MIX_HEADER, Service, mix_answers, read_services
from calibration.predict import PREDICTORS, predict
from calibration.scenarios import run_spread
from calibration.series import with_series
from calibration.servicerows import SERVICE_HEADER, service_rows
from calibration.setups import Parts, Skip, canonical, conditions_of, network_of
from calibration.shipped import dataset_path, load_dataset
from calibration.tables import read_table
from calibration.threadrows import THREAD_HEADER, thread_answers
from hwmodels.errors import InputError, either, nearest
from sim.study.statistics import quantile

__all__ = ["LEAVE_OUT", "error_of", "repeats", "summarise", "validate"]

LEAVE_OUT = tuple(GROUPS)
SAME_THING = (
    "source_id", "metric", "link", "host_id", "model", "threads", "accelerators", "batch", "mode", "load", "predicted",
)  # fmt: skip


@dataclass
class Validator:
    """Predicts rows; with ``leave_out`` with numbers fitted without each row's group."""

    leave_out: str = ""
    parts: Parts = field(default_factory=Parts)
    services: Mapping[str, Service] | None = None
    calibration: Calibration | None = None
    _without: dict[str, Parts] = field(default_factory=dict)
    _with_cpu: dict[tuple[str, str, str], Parts] = field(default_factory=dict)
    _cpu_groups: dict[Measurement, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fit once where groups are to be left out."""
        if self.leave_out and self.leave_out not in GROUPS:
            raise InputError.value("--leave-out", self.leave_out, either(LEAVE_OUT), nearest(self.leave_out, LEAVE_OUT))
        if self.leave_out and self.calibration is None:
            self.calibration = fit(parts=self.parts)

    def parts_for(self, row: Measurement) -> Parts:
        """Parts for one row: the shipped ones, or those of fits (accelerator, and the host's CPU) without its group."""
        if self.calibration is None:
            return self.parts
        group = GROUPS[self.leave_out](row, self.parts)
        key = group, self._cpu_group(row), conditions_of(row).host
        if key not in self._with_cpu:
            self._with_cpu[key] = self._without_on_cpu(self._without_on_accelerator(self.calibration, group), *key[1:])
        return self._with_cpu[key]

    def _without_on_accelerator(self, calibration: Calibration, group: str) -> Parts:
        if group not in self._without:
            out = members(calibration, self.leave_out, group)
            x = calibration.without(out, f"{self.leave_out}:{group}") if out.any() else calibration.x
            self._without[group] = calibration.parts(x)
        return self._without[group]

    def _cpu_group(self, row: Measurement) -> str:
        """As the accelerator's, but a sweep's networks leave one by one: its blocks are regimes of the accelerator."""
        if row not in self._cpu_groups:
            is_model = self.leave_out == "model"
            self._cpu_groups[row] = canonical(corrected(row)) if is_model else GROUPS[self.leave_out](row, self.parts)
        return self._cpu_groups[row]

    def _without_on_cpu(self, parts: Parts, group: str, host: str) -> Parts:
        """Parts without a group; a host's costs stay as shipped where no row of the group, or no other, tells them."""

        def is_out(row: Measurement) -> bool:
            """Whether a row belongs to the group."""
            return self._cpu_group(row) in group.split("+")

        fits = (fit_without(cpu_part_of(host), is_out), first_touch_without(host, is_out))
        values = {key: value for fitted in fits if fitted for key, value in fitted.values.items()}
        if not values:
            return parts
        changes = {**parts.changes, ("host", host): {**parts.changes.get(("host", host), {}), **values}}
        return replace(parts, changes=changes)

    def answer(self, row: Measurement) -> dict[str, Any]:
        """One row of the JSON answer."""
        conditions = conditions_of(row)
        answer = unanswered(row, conditions.link, conditions.host, conditions.assumed)
        try:
            parts = self.parts_for(row) if row.metric in PREDICTORS else self.parts
            value = predict(row, parts)
            return answer | {"predicted": value, "error": error_of(row, value)} | self.interval(row, value)
        except (Skip, InputError) as skip:
            return answer | {"skipped": str(skip)}

    def interval(self, row: Measurement, value: float) -> dict[str, float]:
        """The 90 % interval: that of ``run`` where the row asks what it answers, else the spread of such rows.

        The spread is that of residuals when a row's group is left out.
        """
        spread = run_spread(row, self.parts) or spread_of(row)
        if row.metric.endswith("_bytes"):
            return around(value, spread)
        return {"lo90": value * exp(-Z90 * spread), "hi90": value * exp(Z90 * spread)}


def error_of(row: Measurement, predicted: float) -> float | None:
    """Predicted over measured less 1, null where 0 was measured; for bytes the difference over all parameter bytes."""
    if row.metric.endswith("_bytes"):
        total = sum(network_of(row, model).parameter_bytes for model in row.model.split("+"))
        return (predicted - row.value) / total if total else None
    return predicted / row.value - 1 if row.value else None


def validate(
    files: Sequence[str | Path],
    leave_out: str = "",
    progress: Callable[[str], None] = lambda _: None,
    services: str | Path = "",
) -> dict[str, Any]:
    """Predict every row of measurement files (or shipped datasets by name) and sum up the errors.

    ``leave_out`` is model, family, source or host. Returns ``rows``, ``summary``, ``repeats``, ``decisions``,
    ``predicted_rows`` and ``skipped_rows``.
    Raises :class:`InputError` for a bad file.

    Parameters
    ----------
    files
        Paths, or names of shipped datasets; compiled files, boards and mixes are known by their header.
    leave_out
        Group that each row is predicted without.
    progress
        Called with a line for each file.
    services
        A table of service and switch times, for tables of mixes.
    """
    readers = [(path, _reader(path)) for path in map(_path, files)]
    if services and not any(set(read_table(path)[0]) >= MIX_HEADER for path, _ in readers):
        raise InputError.problem("--services", "acts on tables of mixes alone", "give one, such as ibis_mixes")
    validator = Validator(leave_out, services=read_services(_path(services)) if services else None)
    answers: list[dict[str, Any]] = []
    for path, read in readers:
        progress(f"{path.name} ...")
        answers += read(path, validator)
    done = [answer for answer in answers if answer["predicted"] is not None]
    return {
        "rows": answers, "summary": summarise(done), "repeats": repeats(done),
        "decisions": decisions(done), "predicted_rows": len(done), "skipped_rows": len(answers) - len(done),
    }  # fmt: skip


def _path(name: str | Path) -> Path:
    return name if isinstance(name, Path) else dataset_path(name)


Reader = Callable[[Path, Validator], list[dict[str, Any]]]


def _reader(path: Path) -> Reader:
    """Return what reads a file, by its header; a bad one is told before anything is predicted."""
    header, _ = read_table(path)
    if set(header) >= COMPILED_HEADER:
        return lambda path, _: compiled_rows(path)
    if set(header) >= MIX_HEADER:
        return lambda path, validator: mix_answers(path, validator.parts, validator.services)
    if set(header) >= set(SERVICE_HEADER):
        return lambda path, validator: [validator.answer(row) for row in service_rows(path)]
    if set(header) >= THREAD_HEADER:
        return lambda path, _: thread_answers(path)
    predictor = board_file_predictor(header)
    if predictor is not None:
        return lambda path, _: list(predictor(path)["rows"])
    rows = with_series(with_profile(with_meter(load_dataset(path))))
    return lambda _, validator: [validator.answer(row) for row in rows]


def summarise(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Error statistics by source, metric and link; flagged rows are left out.

    Returns
    -------
    list of dict
        ``group``, ``n``, ``mape``, ``median_ape``, ``p90_ape``, ``bias`` (shares, not percent) and ``coverage90``.
    """
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for answer in answers:
        if answer["error"] is not None and not answer["flag"]:
            keys = (answer.get("source_id"), answer.get("metric"), answer.get("link"))
            groups["/".join(str(key or "") for key in keys)].append(answer)
    return [_statistics(name, rows) for name, rows in sorted(groups.items())]


def repeats(answers: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """How far readings of the same thing lie apart: no prediction can be closer to all of them than half of it.

    Returns
    -------
    list of dict
        ``group`` (as in :func:`summarise`), ``n`` things that were measured more than once, and ``median_difference``
        (largest less smallest reading, over their mean). Flagged rows are left out.
    """
    readings: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    for answer in answers:
        if answer["measured"] and not answer["flag"]:
            readings[tuple(answer.get(key) for key in SAME_THING)].append(answer["measured"])
    groups: dict[str, list[float]] = defaultdict(list)
    for key, values in readings.items():
        if len(values) > 1:
            span = max(values) - min(values)
            groups["/".join(str(part or "") for part in key[:3])].append(span * len(values) / sum(values))
    return [
        {"group": name, "n": len(each), "median_difference": quantile(sorted(each), 0.5)}
        for name, each in sorted(groups.items())
    ]


def _statistics(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    sizes = sorted(abs(row["error"]) for row in rows)
    inside = [row["lo90"] <= row["measured"] <= row["hi90"] for row in rows if row.get("lo90") is not None]
    return {
        "group": name, "n": len(rows), "mape": sum(sizes) / len(sizes), "median_ape": quantile(sizes, 0.5),
        "p90_ape": quantile(sizes, 0.9), "bias": sum(row["error"] for row in rows) / len(rows),
        "coverage90": sum(inside) / len(inside) if inside else None,
    }  # fmt: skip
