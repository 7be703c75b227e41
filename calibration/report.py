"""What ``fit`` and ``validate`` print: residuals by source, numbers and their errors, what cannot be told apart."""

from __future__ import annotations

from collections import defaultdict
from math import exp
from typing import Any

from calibration.fitting import Calibration, group_errors
from calibration.shipped import trust_of
from sim.study.statistics import quantile

__all__ = ["fit_report", "print_fit", "print_validation"]

WORTH_TELLING = 0.05  # readings that agree better say little about a prediction


def fit_report(calibration: Calibration) -> dict[str, Any]:
    """Return the fit as one JSON object: residuals by source and link, numbers, pairs that are not separated."""
    problem = calibration.problem
    fitted = problem.predict_ms(calibration.x) / problem.measured - 1
    by_model, by_source = group_errors(calibration, "model"), group_errors(calibration, "source")
    groups: dict[str, list[int]] = defaultdict(list)
    for number, row in enumerate(problem.rows):
        groups[f"{row.source_id}/{row.link}"].append(number)
    residuals = [
        {
            "group": name, "n": len(rows), "trust": trust_of(name.partition("/")[0]),
            "fit_mape": _mean(abs(fitted[i]) for i in rows),
            "leave_model_out_mape": _mean(abs(by_model[i]) for i in rows),
            "leave_model_out_median": quantile(sorted(abs(by_model[i]) for i in rows), 0.5),
            "leave_source_out_mape": _mean(abs(by_source[i]) for i in rows),
        }
        for name, rows in sorted(groups.items())
    ]  # fmt: skip
    return {
        "rows": len(problem.rows), "residuals": residuals, "numbers": _numbers(calibration),
        "not_separated": [{"a": a, "b": b, "correlation": r} for a, b, r in calibration.correlated()],
    }  # fmt: skip


def _numbers(calibration: Calibration) -> list[dict[str, Any]]:
    errors = calibration.std_errors()
    return [
        {
            "kind": n.kind, "part": n.part, "key": n.key, "value": exp(x), "std_error": exp(x) * float(sd),
            "prior": [n.low, n.high],
        }
        for n, x, sd in zip(calibration.numbers, calibration.x, errors, strict=True)
    ]  # fmt: skip


def _mean(values: Any) -> float:
    found = [float(value) for value in values]
    return sum(found) / len(found)


def print_fit(report: dict[str, Any]) -> None:
    """Print the fit for people."""
    print(f"{report['rows']} rows; mean absolute error in %, beside the error with the network or source left out")
    print(f"{'source/link':34}{'n':>5}{'fit':>8}{'model':>8}{'median':>8}{'source':>8}")
    for row in report["residuals"]:
        keys = ("fit_mape", "leave_model_out_mape", "leave_model_out_median", "leave_source_out_mape")
        cells = [row[key] for key in keys]
        print(f"{row['group']:34}{row['n']:5}" + "".join(f"{100 * cell:8.1f}" for cell in cells))
    print("\nnumbers:")
    for row in report["numbers"]:
        print(f"{row['part']:28}{row['key']:34}{row['value']:12.5g} +- {row['std_error']:.2g}")
    for pair in report["not_separated"]:
        print(f"not separated: {pair['a']} and {pair['b']} (correlation {pair['correlation']:.2f})")
    for path in report.get("files", []):
        print(f"wrote {path}")


def print_validation(answer: dict[str, Any]) -> None:
    """Print a validation for people: the summary, how far readings of one thing differ, and why rows were skipped."""
    print(f"{'source/metric/link':58}{'n':>5}{'MAPE':>8}{'median':>8}{'p90':>8}{'bias':>8}{'in 90 %':>9}")
    for row in answer["summary"]:
        cells = (row["mape"], row["median_ape"], row["p90_ape"], row["bias"])
        covered = "" if row.get("coverage90") is None else f"{100 * row['coverage90']:9.0f}"
        print(f"{row['group']:58}{row['n']:5}" + "".join(f"{100 * cell:8.1f}" for cell in cells) + covered)
    for row in answer.get("repeats", []):
        if row["n"] > 1 and row["median_difference"] > WORTH_TELLING:
            share = f"{100 * row['median_difference']:.1f} %"
            print(f"{row['group']}: {row['n']} measured more than once, readings {share} apart in the median")
    for row in answer.get("decisions", []):
        share = f"{100 * row['right']:.1f} %"
        print(f"decisions, {row['kind']}: of {row['pairs']} pairs of measured set-ups, {share} named the better one")
    reasons: dict[str, int] = defaultdict(int)
    for row in answer["rows"]:
        if row["skipped"]:
            reasons[row["skipped"]] += 1
    print(f"\n{answer['predicted_rows']} rows predicted, {answer['skipped_rows']} skipped")
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        print(f"{count:6}  {reason}")
