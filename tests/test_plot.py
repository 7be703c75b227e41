"""``run --plot``: three formats, the simulator's own figures, one clear line for what cannot be drawn."""

from __future__ import annotations

import builtins
from dataclasses import replace

import pytest

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.views.plot import plot_threads, thread_rows

FAST = Scenario(models="conv5x3x3_f32_64x64", threads=3)


@pytest.mark.parametrize("ending, start", [("svg", b"<svg"), ("png", b"\x89PNG"), ("html", b"<!DOCTYPE html>")])
def test_every_format_is_written(tmp_path, ending, start):
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    path = tmp_path / f"a.{ending}"
    plot_threads(FAST, path)
    data = path.read_bytes()
    assert data.lstrip().startswith(start)
    assert b"cdn.jsdelivr.net/npm" not in data, "a page needs no network"


def test_points_are_what_simulate_answers():
    rows = list(thread_rows(FAST))
    assert [row["threads"] for row in rows] == list(range(1, 9))
    answer = simulate(replace(FAST, inferences=2000)).summary
    row = rows[2]
    assert row["throughput_ips"] == answer["throughput_ips"]
    assert row["latency_p95_ms"] == answer["latency_ms"]["p95"]
    assert row["energy_mj_per_inference"] == answer["energy_mj_per_inference"]
    assert row["low"] <= row["throughput_ips"] <= row["high"]


def test_a_mix_starts_with_a_thread_for_each_model():
    rows = list(thread_rows(replace(FAST, models="conv5x3x3_f32_64x64,conv5x3x3_f42_64x64")))
    assert rows[0]["threads"] == 2


def test_more_threads_than_eight_are_all_drawn():
    assert list(thread_rows(replace(FAST, threads=10)))[-1]["threads"] == 10


BAD = [
    (FAST, "a.gif"),
    (FAST, "missing/a.svg"),
    (replace(FAST, threads=1, mode="pipeline"), "a.svg"),
    (replace(FAST, threads=1, models="conv5x3x3_f32_64x64:2"), "a.svg"),
]


@pytest.mark.parametrize("scenario, name", BAD, ids=["ending", "folder", "pipeline", "counts"])
def test_what_cannot_be_drawn_is_one_line(tmp_path, scenario, name):
    with pytest.raises(InputError) as error:
        plot_threads(scenario, tmp_path / name)
    assert "\n" not in str(error.value)


def test_a_missing_extra_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def without_altair(name, *rest):
        if name == "altair":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_altair)
    with pytest.raises(InputError, match=r"pip install 'edgetpusim\[study\]'"):
        plot_threads(FAST, tmp_path / "a.svg")
