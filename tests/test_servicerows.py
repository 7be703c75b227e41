"""Tables of service and switch times: read as rows, held against our own times."""

from __future__ import annotations

from statistics import fmean

import pytest

from calibration.problem import fit_rows
from calibration.servicerows import service_rows, service_tables
from calibration.setups import Parts
from calibration.validation import validate
from hwmodels.errors import InputError

HEADER = "network,service_ms,switch_ms,source_id,conditions,citation\n"


def test_a_line_is_an_inference_and_a_load(tmp_path):
    path = tmp_path / "own_services.csv"
    path.write_text(f"{HEADER}mobilenet_v1,4.5,15,ibis,as here,nobody\n", encoding="utf-8")
    rows = [(row.metric, row.value, row.source_id, row.line) for row in service_rows(path)]
    assert rows == [("invoke_latency_ms", 4.5, "ibis", 2), ("param_load_ms", 15.0, "ibis", 2)]


def test_a_cell_that_is_no_time_is_named(tmp_path):
    path = tmp_path / "own_services.csv"
    path.write_text(f"{HEADER}mobilenet_v1,4.5,-1,ibis,,\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"own_services.csv:2: switch_ms must be a number above 0, not '-1'"):
        service_rows(path)


def test_services_are_fitted_and_switches_are_not():
    rows = [row for path in service_tables() for row in service_rows(path)]
    assert {row.metric for row in fit_rows(rows, Parts())} == {"invoke_latency_ms"}


def test_service_and_switch_times_of_nine_networks():
    """Umassos/ibis on a Raspberry Pi 4. Switches were never fitted; two are flagged, since they hold the host's clock."""
    rows = validate([service_tables()[0]])["rows"]
    errors = {
        metric: [abs(row["error"]) for row in rows if row["metric"] == metric]
        for metric in ("invoke_latency_ms", "param_load_ms")
    }
    assert [len(found) for found in errors.values()] == [9, 9]
    assert fmean(errors["invoke_latency_ms"]) < 0.05
    assert fmean(errors["param_load_ms"]) < 0.115
    usable = [abs(row["error"]) for row in rows if row["metric"] == "param_load_ms" and not row["flag"]]
    assert len(usable) == 7
    assert fmean(usable) < 0.1
    assert fmean(errors["invoke_latency_ms"] + errors["param_load_ms"]) < 0.08
