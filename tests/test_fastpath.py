"""The fast path of the fit is the closed form."""

from __future__ import annotations

import numpy as np
import pytest

from calibration.predict import predict
from calibration.problem import Problem, fit_rows
from calibration.setups import Parts
from calibration.shipped import load_dataset

PARTS = Parts()


@pytest.mark.parametrize("name", ["google_reference", "jetson_nano_layers", "qutibench_power"])
def test_fast_path_is_the_closed_form(name: str) -> None:
    rows = fit_rows(load_dataset(name), PARTS)
    problem = Problem(rows, PARTS)
    table = np.array([problem.shipped(bus) for bus in problem.evaluator.buses])
    fast = problem.evaluator.predict_ms(problem.accelerator, table)
    slow = [predict(row, PARTS) for row in rows]
    hosts = [bus.host.startswith("?") for bus in problem.evaluator.buses]
    known = [i for i, bus in enumerate(problem.evaluator.bus) if not hosts[bus] or name == "qutibench_power"]
    assert fast[known] == pytest.approx(np.array(slow)[known], rel=1e-4)
