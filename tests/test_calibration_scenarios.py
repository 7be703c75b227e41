"""Rows that need the simulator, part files that a fit writes, meters and reports: by hand."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from math import isclose

import pytest

from calibration.data import Row
from calibration.harness.meter import mean_power_w, read_meter
from calibration.partfiles import _replaced, _toml
from calibration.predict import Parts, Skip
from calibration.report import print_fit, print_validation
from calibration.scenarios import _coexecuted, _parallel, simulated_figure
from hwmodels.errors import InputError
from sim import Scenario, simulate

ROW = Row(
    "x.csv", 2, "mobilenet_v1_1.0_224", "throughput_fps", 400.0, link="usb3", host_id="x86-xeon", clock_id="max",
    mode="multithread", threads=2,
)  # fmt: skip


def row(**changes):
    return replace(ROW, **changes)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({}, {"mode": "threads", "threads": 2}),
        ({"threads": 1, "accelerators": 3}, {"mode": "threads", "threads": 3}),
        ({"mode": "data_parallel", "accelerators": 2}, {"mode": "processes", "threads": 2}),
        ({"mode": "single", "threads": 1, "accelerators": 2}, {"threads": 1, "dispatch": "round_robin"}),
        ({"mode": "cpu_tpu_coexec", "threads": 3}, {"mode": "coexec", "threads": 3}),
    ],
)
def test_how_a_row_runs_in_parallel(changes, options):
    assert _parallel(row(**changes)) == options


def test_a_row_without_a_number_of_threads_is_skipped():
    with pytest.raises(Skip, match="threads not stated"):
        _parallel(row(threads=0))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_a_figure_is_what_run_says(threads):
    summary = simulate(Scenario(models=ROW.model, threads=threads, host="x86-xeon"), compare=False).summary
    found = simulated_figure(row(threads=threads), Parts(), "throughput_ips")
    assert found == pytest.approx(summary["throughput_ips"])
    assert simulated_figure(row(threads=threads), Parts(), "invoke_ms") == pytest.approx(summary["invoke_ms"]["mean"])


def test_both_sides_of_a_coexecution():
    summary = {"models": {"net": {}, "net on the CPU": {}}}
    assert _coexecuted(row(metric="coexec_cpu_latency_ms"), summary) == "net on the CPU"
    assert _coexecuted(row(metric="coexec_tpu_latency_ms"), summary) == "net"


def test_what_cannot_be_built_is_skipped_with_its_reason():
    with pytest.raises(Skip):
        simulated_figure(row(mode="cpu_tpu_coexec", threads=1), Parts(), "invoke_ms")


# Part files

TEXT = """kind = "host"
name = "x"
cores = { value = 4, status = "datasheet", source = "chip" }
op_ns = { value = 10, status = "assumed", source = "guess", range = [1, 20] }
"""


def test_a_number_is_replaced_in_its_line():
    changed = _replaced(TEXT, "op_ns", 12.34567, 0.5, "rows")
    table = tomllib.loads(changed)
    assert table["op_ns"] == {"value": 12.3457, "status": "fitted", "source": "rows", "std_error": 0.5}
    assert table["cores"] == tomllib.loads(TEXT)["cores"]
    assert changed.splitlines()[:3] == TEXT.splitlines()[:3]


def test_a_number_that_was_not_there_is_added_at_the_end():
    changed = _replaced(TEXT, "copy_ns", 3.0, None, "rows")
    assert tomllib.loads(changed)["copy_ns"] == {"value": 3, "status": "fitted", "source": "rows"}
    assert changed.startswith(TEXT.rstrip())


@pytest.mark.parametrize("source", ["a \\1 group", "50 % of rows", "dots ... and $"])
def test_a_source_is_taken_as_it_is(source):
    changed = _replaced(TEXT, "op_ns", 1.0, None, source.replace("\\", "\\\\"))
    assert tomllib.loads(changed)["op_ns"]["source"] == source


def test_values_keep_six_digits():
    assert _toml(123456789.0) == "1.23457e+08"
    assert _toml(((1e12, 8.45651), (196608.0, 1.0))) == "[[1e+12, 8.4565], [196608, 1]]"
    assert isclose(float(_toml(0.000123456)), 0.000123456)


# Meters


@pytest.fixture
def meter(tmp_path):
    def write(text):
        path = tmp_path / "meter.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    "text",
    [
        "unix_s,power_w\n10,1.5\n11,2.5\n",
        "Time,Watts\n10,1.5\n11,2.5\n",
        "\ufefft,W\n11,2.5\n10,1.5\n",
        "timestamp,voltage,current\n10,5,0.3\n11,5,0.5\n",
        "timestamp,power\n1970-01-01T00:00:10,1.5\n1970-01-01T00:00:11+00:00,2.5\n",
        "timestamp,power\n1970-01-01T01:00:10+01:00,1.5\n11,2.5\n",
        "note,time,power\nx,10,1.5\ny,11,2.5\n",
    ],
)
def test_samples_are_in_order_of_time_whatever_the_columns_are_called(meter, text):
    assert read_meter(meter(text)) == [(10.0, 1.5), (11.0, 2.5)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("time,power\nnoon,1\n", "line 2"),
        ("time,power\n1,1\n2,much\n", "line 3"),
        ("power\n1\n", "line 2"),
        ("time,voltage\n1,5\n", "line 2"),
    ],
)
def test_a_sample_that_is_none_is_told_by_its_line(meter, text, words):
    with pytest.raises(InputError, match=words):
        read_meter(meter(text))


def test_a_meter_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(InputError, match="power meter"):
        read_meter(tmp_path / "none.csv")


def test_the_mean_is_of_the_samples_in_between(meter):
    path = meter("t,w\n" + "".join(f"{t},{t}\n" for t in range(10)))
    assert mean_power_w(path, 2, 4) == (3.0, 3)
    assert mean_power_w(path, 2.5, 3.5) == (3.0, 1)
    with pytest.raises(InputError, match="no sample between 20 and 30"):
        mean_power_w(path, 20, 30)


# Reports


def test_a_validation_is_printed_with_the_reasons_for_skipping(capsys):
    summary = {"n": 2, "mape": 0.1, "median_ape": 0.05, "p90_ape": 0.2, "bias": -0.01}
    print_validation({
        "summary": [{"group": "a/b/usb3", "coverage90": 0.9, **summary}, {"group": "c", "coverage90": None, **summary}],
        "rows": [{"skipped": "not modelled"}, {"skipped": "not modelled"}, {"skipped": "why not"}, {"skipped": None}],
        "repeats": [{"group": "a/b/usb3", "n": 2, "median_difference": 0.2}, {"group": "c", "n": 9, "median_difference": 0.01}],
        "predicted_rows": 1, "skipped_rows": 3,
    })  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a/b/usb3", "2", "10.0", "5.0", "20.0", "-1.0", "90"]
    assert lines[2].split() == ["c", "2", "10.0", "5.0", "20.0", "-1.0"]
    assert lines[3] == "a/b/usb3: 2 measured more than once, readings 20.0 % apart in the median"
    assert lines[5] == "1 rows predicted, 3 skipped"
    assert [line.split(None, 1) for line in lines[6:]] == [["2", "not modelled"], ["1", "why not"]]


def test_a_fit_is_printed_with_its_numbers_and_what_is_not_separated(capsys):
    keys = ("fit_mape", "leave_model_out_mape", "leave_model_out_median", "leave_source_out_mape")
    print_fit({
        "rows": 7, "residuals": [{"group": "a/usb3", "n": 7, **dict.fromkeys(keys, 0.125)}],
        "numbers": [{"part": "coral", "key": "clock_hz", "value": 5e8, "std_error": 1e6}],
        "not_separated": [{"a": "x", "b": "y", "correlation": 0.987}], "files": ["mine/coral.toml"],
    })  # fmt: skip
    text = capsys.readouterr().out
    assert "a/usb3" in text
    assert text.count("12.5") == 4
    assert "5e+08 +- 1e+06" in text
    assert "not separated: x and y (correlation 0.99)" in text
    assert "wrote mine/coral.toml" in text
