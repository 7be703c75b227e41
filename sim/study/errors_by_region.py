"""An estimator held against the simulator: error tables over a study's rows, networks held out by family."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError
from sim.closed_form.columns import STAGE_COLUMNS
from sim.closed_form.correction import Correction
from sim.closed_form.mva import LIMITS, METHODS, throughput
from sim.machine.policies import own_function
from sim.study.findings import Finding

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

__all__ = ["columns_of", "error_findings", "error_table", "load_estimator", "predictions"]

#: (every option of a row, its stage columns) -> throughput in 1/s: what ``--estimator`` names.
Estimator = Callable[[Mapping[str, Any], Mapping[str, float]], float]
FOLDS = 5
NEEDED = ("threads", "accelerators", "cores", *STAGE_COLUMNS)
REASONS = {
    "threads": "threads meet by chance at the host although nothing is full on average",
    "accelerator": "the accelerator's threads do not always have the next inference ready",
    "cpu": "the cores are full: the order in which bursts get a core decides who waits",
    "gil": "Python's lock is full: who holds it waits for a core at times",
    "out": "transfers of several accelerators meet on the shared link, and parameters stop hiding behind compute",
    "in": "outputs of several accelerators meet on the shared link",
}


def load_estimator(name: str) -> Estimator:
    """Import ``package.module:function``.

    Raises :class:`InputError` where there is no such function.
    """
    try:
        found = own_function(name)
    except (ImportError, AttributeError, ValueError):
        raise InputError.value("--estimator", name, "package.module:function that can be imported") from None
    if not callable(found):
        raise InputError.value("--estimator", name, "package.module:function that can be called")
    return found  # type: ignore[no-any-return]  # the user's own


def columns_of(frame: pl.DataFrame) -> dict[str, Column]:
    """The columns that an estimator is given, as arrays."""
    return {name: frame[name].cast(float).to_numpy() for name in NEEDED}


def predictions(frame: pl.DataFrame, other: Estimator | None = None, name: str = "") -> dict[str, Column]:
    """Throughput by every method: the closed forms, the correction (families held out), and somebody else's."""
    import numpy as np

    columns = columns_of(frame)
    found = {method: throughput(columns, method)[0] for method in METHODS}
    found["corrected"] = held_out(columns, frame["throughput_ips"].to_numpy(), frame["family"].to_list())
    if other is not None:
        rows = frame.select(set(frame.columns) - set(STAGE_COLUMNS)).to_dicts()
        stages = frame.select(list(STAGE_COLUMNS)).to_dicts()
        found[name] = np.array([float(other(row, stage)) for row, stage in zip(rows, stages, strict=True)])
    return found


def held_out(columns: Mapping[str, Column], simulated: Column, families: list[str]) -> Column:
    """The correction's predictions for families that it was not fitted on, in five folds of whole families."""
    import numpy as np

    names = sorted(set(families))
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[int(place)]: i % FOLDS for i, place in enumerate(order)}
    folds = np.array([fold[family] for family in families])
    found = throughput(columns, "bounds")[0]
    for number in range(FOLDS if len(names) > 1 else 0):
        rest, mine = folds != number, folds == number
        if mine.any() and rest.any():
            fitted = Correction().fit({k: v[rest] for k, v in columns.items()}, simulated[rest])
            found[mine] = fitted.predict({k: v[mine] for k, v in columns.items()})
    return found


def error_table(frame: pl.DataFrame, found: Mapping[str, Column]) -> list[dict[str, Any]]:
    """Errors of every method over everything, by case, by size, by what bounds the point, and by threads."""
    import numpy as np

    simulated = frame["throughput_ips"].to_numpy()
    _, limit = throughput(columns_of(frame), "bounds")
    groups: list[tuple[str, Column]] = [("all", np.ones(len(simulated), dtype=bool))]
    for key in ("case", "size", "threads", "accelerators"):
        column = frame[key].to_numpy()
        groups += [(f"{key} {value}", column == value) for value in frame[key].unique(maintain_order=True)]
    groups += [(f"bound by {name}", limit == i) for i, name in enumerate(LIMITS)]
    return [
        {"method": method, "region": region, **_errors(ips[mine] / simulated[mine] - 1)}
        for method, ips in found.items()
        for region, mine in groups
        if mine.any()
    ]


def _errors(error: Column) -> dict[str, float]:
    import numpy as np

    size = np.abs(error)
    return {
        "n": len(error), "mae": float(size.mean()), "median": float(np.median(size)),
        "p90": float(np.quantile(size, 0.9)), "p99": float(np.quantile(size, 0.99)), "max": float(size.max()),
        "bias": float(error.mean()),
    }  # fmt: skip


def error_findings(table: list[dict[str, Any]]) -> Iterator[Finding]:
    """A sentence for each method, and for our closed form where it is worst and why."""
    for row in table:
        if row["region"] == "all":
            text = (
                f"{row['method']}: mean absolute error against the simulator {row['mae']:.2%}, median "
                f"{row['median']:.2%}, 99th percentile {row['p99']:.1%}, largest {row['max']:.0%}, bias "
                f"{row['bias']:+.2%} ({row['n']} points)."
            )
            yield {"id": "estimator", "text": text, "values": row}
    mine = [row for row in table if row["method"] == "bounds" and row["region"].startswith("bound by ")]
    for row in sorted(mine, key=lambda row: -row["mae"] * row["n"]):
        name = row["region"].removeprefix("bound by ")
        text = (
            f"The closed form where {name} bounds: {row['mae']:.2%} mean and {row['p99']:.1%} 99th percentile error "
            f"over {row['n']} points ({REASONS[name]})."
        )
        yield {"id": "estimator_region", "text": text, "values": row}
