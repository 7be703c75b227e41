"""The fit of program coefficients: planted ones come back, and the part files say what it says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.compilerfit import COEFFICIENTS, Program, fit, parameters_of, programs, report
from hwmodels.edgetpu.coefficients import load_compiler


@pytest.fixture(scope="module")
def rows() -> list[Program]:
    return programs()


def test_many_files_tell_the_coefficients(rows):
    assert len(rows) >= 70
    assert {row.compiler for row in rows} == {"2020", "2021"}


def test_planted_coefficients_come_back(rows):
    """Programs written by the model with other numbers: the model is linear, so the fit is exact but for whole bundles."""
    planted = {"overflow_bytes": 30_000, "uneven_halo_bytes": 5000, "other_op_bytes": 500}
    written = [replace(row, n_bytes=row.modelled(**planted)) for row in rows]
    values = fit(written, robust=False).values
    for key, value in planted.items():
        found = [number for name, number in values.items() if name.split()[0] == key]
        assert found == [pytest.approx(value, rel=0.02)] * len(found)
        assert found
    assert values["softmax_bytes 2021"] == pytest.approx(load_compiler("2021").softmax_bytes, rel=0.01)


def test_versions_share_a_number_that_is_the_same():
    names = parameters_of({"2020", "2021"})
    assert "other_op_bytes 2020 2021" in names
    assert {"overflow_bytes 2020", "overflow_bytes 2021", "softmax_bytes 2021"} <= set(names)
    assert "softmax_bytes 2020" not in names  # 0: no such code
    assert "side_bytes 2021" not in names  # measured
    assert {name.split()[0] for name in names} == set(COEFFICIENTS)


def test_the_part_files_have_the_fit_s_standard_errors(rows):
    solution = fit(rows)
    for name, error in zip(solution.values, solution.std_errors, strict=True):
        key, version, *_ = name.split()
        assert load_compiler(version).quantities[key].std_error == pytest.approx(error, rel=0.02), name


def test_shipped_numbers_are_within_four_standard_errors_of_this_fit(rows):
    """They were found by another robust loss; none is far off."""
    solution = fit(rows)
    for name, error in zip(solution.values, solution.std_errors, strict=True):
        key, version, *_ = name.split()
        assert abs(getattr(load_compiler(version), key) - solution.values[name]) < 4 * error, name


def test_the_report_has_a_line_for_each(rows):
    text = report(rows)
    assert "median error as shipped" in text
    assert len(text.splitlines()) == 2 + len(parameters_of({"2020", "2021"}))
