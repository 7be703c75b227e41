"""A power meter's file: samples in order, means between two moments, and one line for each mistake."""

from __future__ import annotations

import pytest

from calibration.harness.meter import mean_power_w, read_meter
from hwmodels.errors import InputError


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


def test_a_meter_that_does_not_log_is_told_in_one_line(meter):
    path = meter("time,voltage,current\n" + "".join(f"{t / 10},5.0,0.2\n" for t in range(60)))
    with pytest.raises(InputError, match="no sample between"):
        mean_power_w(path, 100, 110)


def test_meters_write_watts_or_volts_and_times_in_two_ways(tmp_path):
    path = tmp_path / "meter.csv"
    path.write_text("Timestamp,Power_W\n2024-05-01T12:00:01,2.5\n2024-05-01T12:00:00+00:00,1.5\n")
    assert read_meter(path) == [(1714564800.0, 1.5), (1714564801.0, 2.5)]
    path.write_text("time,power\nnoon,2\n")
    with pytest.raises(InputError, match="line 2"):
        read_meter(path)
