"""Rows of real threads: what is read, which half is fitted, and that a known wake-up time is found again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.harness.threadbench import COLUMNS, NETWORKS, network_file
from calibration.tables import write_table
from calibration.threadrows import (
    FACTORS,
    Predictor,
    ThreadRow,
    errors_by_group,
    fit_hand_over,
    is_near,
    read_thread_rows,
    thread_answers,
    thread_tables,
)  # fmt: skip
from calibration.validation import validate
from hwmodels.errors import InputError
from hwmodels.host import load_host

HOST = "x86-epyc-litert"


def cells(networks="short:1", **changes):
    row = dict.fromkeys(COLUMNS, "") | {
        "networks": networks, "mode": "threads", "accelerators": "1", "cores": "0", "work": "none", "ips": "1000",
        "p50_ms": "1", "p99_ms": "1", "cycle_ms": "1", "work_ms": "0", "host_id": HOST,
    }  # fmt: skip
    return row | {"threads": str(sum(int(part.split(":")[1]) for part in networks.split(",")))} | changes


def row(*args, **changes):
    found = cells(*args, **changes)
    return ThreadRow("x.csv", 2, found, {key: float(found[key]) for key in ("ips", "cycle_ms", "work_ms")})


@pytest.fixture
def folder(tmp_path):
    for name in NETWORKS:
        network_file(name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("factor", FACTORS)
def test_the_wake_up_time_behind_rates_is_found_again(folder, factor):
    """Rates that the simulator itself gives with some wake-up time, on a host where waiters wake on idle cores."""
    rows = [replace(row(f"short:{count}", host_id="x86-xeon"), line=count) for count in (1, 2, 4)]
    numbers = {"host.lock_wake_ns": factor * load_host("x86-xeon").lock_wake_ns}
    truth = Predictor(rows, folder)
    rows = [replace(one, figures={**one.figures, "ips": truth.predict(one, numbers)[0]}) for one in rows]
    assert fit_hand_over(Predictor(rows, folder), rows) == numbers


def test_work_of_several_threads_is_what_one_thread_took(folder):
    rows = [row("short:1", work="pillow", work_ms="3.0"), row("short:4", work="pillow", work_ms="9.0")]
    scenario = Predictor(rows, folder).scenario(rows[1], {})
    assert dict(scenario.numbers)["host.frame_ns_per_pixel"] == pytest.approx(3e6 / (1280 * 720))
    assert dict(scenario.numbers).get("host.gil_share") is None
    python = row("short:2", work="python", work_ms="1")
    assert dict(Predictor([python], folder).scenario(python, {}).numbers)["host.gil_share"] == 1


def test_groups_tell_a_core_for_each_thread_from_less(folder):
    assert row("short:2", work="pillow").group == "pillow, a core each"
    assert row("short:2", work="pillow", cores="1").group == "pillow, more threads than cores"
    assert (row("short:4").group, row("tail:2").group, row("short:1,other:1").group) == ("no work", "tail", "mix")


def test_each_row_is_answered_and_both_ends_are_its_interval(tmp_path):
    path = tmp_path / "some_threads.csv"
    write_table(path, COLUMNS, [cells(), cells("short:2", ips="1100"), cells("short:1,other:1", ips="400")])
    answers = thread_answers(path)
    assert [(one["threads"], one["metric"]) for one in answers[::3]] == [
        (1, "throughput_fps"), (2, "throughput_fps"), (2, "throughput_fps"),
    ]  # fmt: skip
    assert all(one["lo90"] <= one["predicted"] <= one["hi90"] for one in answers)
    mix = answers[6]
    assert mix["hi90"] > 1.2 * mix["lo90"]
    assert validate([path])["predicted_rows"] == 9


def answer(metric, measured, predicted, low=0.0, high=0.0, group="mix"):
    return {
        "source_id": f"own_threads ({group})", "metric": metric, "measured": measured, "predicted": predicted,
        "error": predicted / measured - 1, "lo90": low or predicted, "hi90": high or predicted,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "measured", "ends", "near"),
    [
        ("throughput_fps", 104, (), True), ("throughput_fps", 106, (), False),
        ("invoke_latency_p50_ms", 119, (), True), ("invoke_latency_p50_ms", 121, (), False),
        ("invoke_latency_p99_ms", 51, (), True), ("invoke_latency_p99_ms", 49, (), False),
        ("invoke_latency_p50_ms", 250, (100, 260), True), ("invoke_latency_p50_ms", 90, (100, 260), False),
        ("invoke_latency_p99_ms", 280, (100, 260), False),
    ],
)  # fmt: skip
def test_what_is_near_enough(metric, measured, ends, near):
    """Predicted 100; where a lock's ends are apart, the figure lies between them."""
    assert is_near(answer(metric, measured, 100, *ends)) == near


def test_errors_of_groups_are_means_and_counts():
    rates = [answer("throughput_fps", 100, p, group=g) for p, g in ((101, "a"), (109, "a"), (100, "b"))]
    others = [answer(m, 1, 1, group=g) for m in ("invoke_latency_p50_ms", "invoke_latency_p99_ms") for g in "ab"]
    a, b = errors_by_group(rates + others)
    assert (a.group, a.rows, a.mean_error["throughput_fps"]) == ("a", 2, pytest.approx(0.05))
    assert (a.within["throughput_fps"], b.within["throughput_fps"]) == (1, 1)


def test_a_cell_that_is_no_number(tmp_path):
    path = tmp_path / "bad_threads.csv"
    write_table(path, COLUMNS, [cells(ips="many")])
    with pytest.raises(InputError, match="many"):
        read_thread_rows(path)


@pytest.mark.parametrize("path", thread_tables(), ids=lambda path: path.name)
def test_little_s_law_holds_in_every_shipped_row(path):
    for one in read_thread_rows(path):
        assert float(one.cells["little"]) == pytest.approx(one.threads, rel=0.06)  # requests are cut at both ends
