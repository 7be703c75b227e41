"""Boards predicted from rows of one core: tables by hand, and the published measurements of more cores."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest

from calibration.boards.replay import (
    board_row,
    is_board_table,
    on_board,
    one_core_work,
    read_board_rows,
    release_number,
    validate_boards,
)
from calibration.tables import FOLDER
from hwmodels.dpu.board import Work, load_board
from hwmodels.errors import InputError
from sim.study.statistics import quantile

# Rows of a board table

RECORD = {
    "release": "2.5", "board": "KV260", "cores": "1", "clock_mhz": "300", "model": "net", "fps_single_thread": "100",
    "fps_multi_thread": "125",
}  # fmt: skip


def row(**changes):
    return board_row(Path("t.csv"), 2, {**RECORD, **changes})


def test_a_table_is_known_by_its_header():
    assert is_board_table(list(RECORD))
    assert not is_board_table([*list(RECORD)[1:], "other"])


def test_two_rates_give_host_and_accelerator_time():
    """One core of many threads: 8 ms each; one thread: 10 ms, so the host takes 2."""
    work = one_core_work(row(), load_board("kv260"))
    assert work.accelerator_s == pytest.approx(8e-3, rel=0.08)  # early releases carry their own slowdown
    assert work.host_s == pytest.approx(2e-3, rel=0.35)


@pytest.mark.parametrize(("release", "number"), [("1.4", 1.4), ("2.5", 2.5), ("3.0", 3.0), ("1.3.2", 1.3)])
def test_releases_are_in_order(release, number):
    assert release_number(release) == pytest.approx(number, abs=0.05)


def test_work_on_another_board_goes_by_its_clocks():
    work, source = Work(2e-3, 8e-3, 0.5), load_board("kv260")
    same = on_board(work, source, source)
    assert (same.host_s, same.accelerator_s) == pytest.approx((work.host_s * source.host_factor, work.accelerator_s))
    target = load_board("zcu102")
    moved = on_board(work, source, target)
    assert moved.accelerator_s == pytest.approx(work.accelerator_s * source.clock_hz / target.clock_hz)


@pytest.mark.parametrize(("key", "value"), [("cores", "many"), ("clock_mhz", "-1"), ("fps_single_thread", "fast")])
def test_a_cell_that_is_no_number_names_its_line(key, value):
    with pytest.raises(InputError, match=r"t\.csv:2|line 2"):
        row(**{key: value})


BOARDS = FOLDER / "boards"
ZOO = BOARDS / "dpu_zoo.csv"


def sizes(answer: dict[str, Any], board: str = "", flagged: bool = False) -> list[float]:
    rows = [row for row in answer["rows"] if row["error"] is not None and row["board"].startswith(board)]
    return sorted(abs(row["error"]) for row in rows if bool(row["flag"]) == flagged)


@pytest.fixture(scope="module")
def from_one_core() -> dict[str, Any]:
    return validate_boards(ZOO, ZOO)


def test_two_cores_from_one(from_one_core: dict[str, Any]) -> None:
    found = sizes(from_one_core, "ZCU104")
    assert len(found) > 180
    assert median(found) <= 0.04
    assert quantile(found, 0.9) <= 0.155


def test_three_cores_from_one(from_one_core: dict[str, Any]) -> None:
    found = sizes(from_one_core, "ZCU102")
    assert len(found) > 140
    assert median(found) <= 0.09
    assert fmean(found) <= 0.16


def test_flags_are_few_and_have_a_reason(from_one_core: dict[str, Any]) -> None:
    flags = [row["flag"] for row in from_one_core["rows"] if row["flag"]]
    assert len(flags) <= 0.04 * from_one_core["predicted_rows"]
    assert all(flag.startswith("outlier: ") for flag in flags)
    assert from_one_core["predicted_rows"] + from_one_core["skipped_rows"] == len(from_one_core["rows"])
    groups = {row["group"]: row for row in from_one_core["summary"]}
    assert groups["ZCU104/fps_multi_thread/flagged"]["n"] == len(sizes(from_one_core, "ZCU104", flagged=True))


def table(tmp_path: Path, rows: list[str]) -> Path:
    path = tmp_path / "table.csv"
    head = "release,board,cores,clock_mhz,model,fps_single_thread,fps_multi_thread"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def test_a_second_board_gives_the_networks_own_stretch(tmp_path: Path) -> None:
    """Worse scaling on two cores means worse on three; a network that does not scale is not made to."""

    def third(two_cores: float) -> float:
        rows = [
            "3.0,KV260,1,300,net,95,100", f"3.0,ZCU104,2,300,net,94.5,{two_cores}", "3.0,ZCU102,3,281,net,88.8,240",
            "3.0,ZCU102,3,281,alone,1,2",
        ]  # fmt: skip
        path = table(tmp_path, rows)
        answer = validate_boards(path, path, ("KV260", "ZCU104"))
        (skipped,) = (row for row in answer["rows"] if row["skipped"])
        assert skipped["model"] == "alone" and "KV260 and ZCU104" in skipped["skipped"]
        (row,) = (row for row in answer["rows"] if not row["skipped"])
        return float(row["predicted"])

    rates = [third(two) for two in (199.0, 190.0, 180.0, 160.0, 105.0)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 250 and rates[-1] <= 105


def test_own_stretch_across_releases() -> None:
    """Three cores of one release from the two-core row of another: the held-out proof of the second reference."""
    from calibration.boards.fit_boards import cases, errors

    chosen = [case for case in cases(read_board_rows(ZOO)) if case.share_from]
    found = sorted(abs(error) for error in errors({}, chosen))
    assert len(found) > 50
    assert median(found) <= 0.05
    assert fmean(found) <= 0.08


@pytest.mark.parametrize(
    ("rows", "told"),
    [(["3.0,KV260,one,300,n,1,2"], "cores"), (["3.0,KV260,1,300,n,-4,2"], "fps_single_thread"), ([], "KV260")],
)
def test_bad_tables(tmp_path: Path, rows: list[str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        validate_boards(table(tmp_path, rows), ZOO)


def test_unknown_boards(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="reference-board"):
        validate_boards(ZOO, ZOO, ("KV99",))
    with pytest.raises(InputError, match="target-board"):
        validate_boards(ZOO, ZOO, target_board="U50")
    rows = ["3.0,KV260,1,300,n,1,2", "3.0,Mystery,2,300,n,1,3", "3.0,ZCU104,2,300,n,NA,", "3.0,VCK190,1,,n,9,9"]
    path = table(tmp_path, rows)
    reasons = [row["skipped"] for row in validate_boards(path, path, "KV260")["rows"]]
    assert "board" in reasons[0] and reasons[1] == "no rate of many threads" and "another kind" in reasons[2]
    with pytest.raises(InputError, match="one core, then two"):
        validate_boards(ZOO, ZOO, "KV260,ZCU104,ZCU102")
    with pytest.raises(InputError, match="no column release"):
        read_board_rows(BOARDS / "dpu_power_by_size.csv")


def test_two_references_of_another_release_lend_the_memory_share(tmp_path):
    """The nearest release that has both: a share learnt there moves the prediction, the row says from where."""
    head = "release,board,cores,clock_mhz,model,fps_single_thread,fps_multi_thread\n"
    one = "3.0,KV260,1,300,net,95,100\n3.0,ZCU102,3,281,net,88.8,240\n2.5,KV260,1,300,net,95,100\n"
    answers = {}
    for two_cores in (200, 140):
        path = tmp_path / f"{two_cores}.csv"
        path.write_text(head + one + f"2.5,ZCU104,2,300,net,94.5,{two_cores}\n1.4,ZCU104,2,300,net,94.5,100\n")
        (row,) = validate_boards(path, path, "KV260,ZCU104", "ZCU102")["rows"]
        assert row["assumed"] == ["threads", "memory_share as in release 2.5"]
        answers[two_cores] = row["predicted"]
    assert answers[140] < answers[200] <= 3 * 100
