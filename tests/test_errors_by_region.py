"""Estimators held against the simulator, region by region."""

from __future__ import annotations

import numpy as np
import pytest

from hwmodels.errors import InputError

pl = pytest.importorskip("polars")


def test_another_estimator_gets_the_same_table(tiny_study):
    folder, found = tiny_study
    frame = pl.read_parquet(folder / "results.parquet")
    table = {(row["method"], row["region"]): row for row in found["estimator_errors"]}
    regions = {region for method, region in table if method == "bounds"}
    assert regions == {region for method, region in table if method.startswith("tiny_study")}
    simulated, alone = frame["throughput_ips"].to_numpy(), frame["stage_alone_ns"].to_numpy()
    expected = np.abs(2e9 / alone / simulated - 1)
    row = table["tiny_study:twice_the_bound", "all"]
    assert row["mae"] == pytest.approx(expected.mean())
    assert row["p99"] == pytest.approx(np.quantile(expected, 0.99))


def test_the_closed_form_is_close_to_the_simulator(tiny_study):
    _, found = tiny_study
    rows = [row for row in found["estimator_errors"] if (row["method"], row["region"]) == ("bounds", "all")]
    assert rows[0]["mae"] < 0.02


def test_a_bad_estimator_is_bad_input(tmp_path):
    from sim.study.errors_by_region import load_estimator

    for name in ("no_such_module:f", "math:no_such", "math", "math:pi"):
        with pytest.raises(InputError, match="--estimator"):
            load_estimator(name)
