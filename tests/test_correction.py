"""The learned correction: what its inputs are, and that it learns what it is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from points import POINT, columns, point, random_columns

from sim.closed_form.bounds import throughput_bound
from sim.closed_form.correction import FEATURES, features
from sim.closed_form.mva import estimate_many, throughput
from sim.estimator import estimate_setup
from sim.scenario import Scenario
from sim.setup import build

NET = "mobilenet_v1_0.25_128"


def test_correction_learns_what_it_is_shown():
    """Simulated points at 0.8 of the bound where the link is shared: predicted within 2 % on points not shown."""
    pytest.importorskip("sklearn")
    from sim.closed_form.correction import Correction

    columns, others = random_columns(1500, 1), random_columns(200, 2)

    def truth(rows):
        return throughput(rows, "bounds")[0] * np.where(rows["stage_shared_link"] > 0, 0.8, 1.0)

    fitted = Correction(trees=20).fit(columns, truth(columns))
    ips, std = fitted.predict(others, return_std=True)
    assert np.abs(ips / truth(others) - 1).mean() < 0.02
    assert (std >= 0).all()
    assert (ips <= throughput(others, "bounds")[0] * 1.000001).all()
    assert "throughput_std_ips" in estimate_many(others, correction=fitted)


def test_correction_of_a_scenario():
    pytest.importorskip("sklearn")
    from sim.closed_form.correction import Correction

    columns = random_columns(300)
    fitted = Correction(trees=5).fit(columns, throughput(columns, "bounds")[0])
    setup = build(Scenario(models=NET, threads=2, numbers={"host.lock_wake_ns": 0}))  # the bound leaves it out
    summary = estimate_setup(setup, correction=fitted)
    assert summary["throughput_ips"] == pytest.approx(throughput_bound(setup), rel=1e-6)
    assert summary["throughput_std_ips"] == pytest.approx(0, abs=1e-6)


class Halved:
    """A correction that halves everything, and is sure to a tenth."""

    def predict(self, table, return_std=False):
        ips = throughput(table, "bounds")[0] / 2
        return (ips, ips / 10) if return_std else ips


def test_a_correction_takes_the_place_of_the_rate():
    plain, found = estimate_many(columns()), estimate_many(columns(), correction=Halved())
    assert found["throughput_ips"] == pytest.approx(plain["throughput_ips"] / 2)
    assert found["throughput_std_ips"] == pytest.approx(plain["throughput_ips"] / 20)
    assert found["latency_ms_mean"] == pytest.approx(plain["latency_ms_mean"] * 2)


# The correction's features


def test_features_have_names_and_no_units():
    """The same network ten times slower has the same features."""
    fast = columns(n=2, threads=[1, 4], stage_gil_ns=5e5, stage_driver_ns=1e5)
    slow = {key: value * 10 if key.endswith("_ns") else value for key, value in fast.items()}
    assert features(fast).shape == (2, len(FEATURES))
    assert features(slow) == pytest.approx(features(fast))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.builds(point, **POINT))
def test_uses_are_shares(given_point):
    row = dict(zip(FEATURES, features(columns(**given_point))[0], strict=True))
    for name, value in row.items():
        assert np.isfinite(value), name
        if name.endswith(("use", "share")):
            assert -1e-9 <= value <= 1 + 1e-9 or not name.endswith("use"), name
    assert row["threads"] == given_point["threads"]
    assert row["threads modulo accelerators"] == given_point["threads"] % given_point["accelerators"]
