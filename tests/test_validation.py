"""Validation: every row is answered, with the keys of the contract; skipped ones say why."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from calibration.predict import PREDICTORS
from calibration.scenarios import run_spread, scenario_of
from calibration.setups import Parts
from calibration.shipped import load_dataset
from calibration.tables import FOLDER
from calibration.validation import LEAVE_OUT, Validator, repeats, summarise, validate
from hwmodels.errors import InputError
from sim.engine import simulate
from sim.study.statistics import quantile

KEYS = {
    "file", "line", "source_id", "device", "link", "host_id", "model", "metric", "threads", "accelerators", "batch",
    "mode", "measured", "predicted", "lo90", "hi90", "error", "assumed", "flag", "skipped",
}  # fmt: skip
HEADER = "model,metric,value,link,host_id,clock_id\n"


def written(path: Path, *lines: str, header: str = HEADER) -> Path:
    path.write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "calibration.cli", *arguments], capture_output=True, text=True, check=False
    )


def test_rows_have_the_keys_of_the_contract(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "mobilenet_v1_1.0_224,invoke_latency_ms,2.2,usb3,x86-xeon,max")
    answer = validate([path])
    (row,) = answer["rows"]
    assert set(row) >= KEYS
    assert row["error"] == pytest.approx(row["predicted"] / 2.2 - 1)
    assert row["lo90"] < row["predicted"] < row["hi90"]
    assert row["assumed"] == []
    assert (answer["predicted_rows"], answer["skipped_rows"]) == (1, 0)


def test_defaults_are_named_as_assumed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "mobilenet_v1_1.0_224,invoke_latency_ms,2.2,,,")
    (row,) = validate([path])["rows"]
    assert row["assumed"] == ["link", "host_id", "clock_id"]
    assert (row["link"], row["host_id"]) == ("usb3", "x86-desktop")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("mobilenet_v1_1.0_224,clock_mhz,500,usb3,,", "not modelled"),
        ("nobody_knows_this,invoke_latency_ms,1,usb3,,", "not in the zoo"),
        ("mobilenet_v1_1.0_224,invoke_latency_ms,1,usb3,no-such-board,", "no-such-board"),
        ("mobilenet_v1_1.0_224,alternating_pair_latency_ms,1,usb3,,", "pair"),
    ],
)
def test_skipped_rows_say_why(tmp_path: Path, line: str, reason: str) -> None:
    (row,) = validate([written(tmp_path / "a.csv", line)])["rows"]
    assert row["predicted"] is None
    assert row["error"] is None
    assert reason in row["skipped"]


def test_zero_measured_has_no_error(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "mobilenet_v1_1.0_224,invoke_latency_ms,0,usb3,x86-xeon,max")
    (row,) = validate([path])["rows"]
    assert row["predicted"] > 0
    assert row["error"] is None


def test_bytes_are_relative_to_all_parameters(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "fc5_n1000_in64_out10,param_off_chip_bytes,0,,,")
    (row,) = validate([path])["rows"]
    assert row["error"] == 0


def test_flagged_rows_are_predicted_and_left_out_of_the_summary() -> None:
    answer = validate(["salimmj_sweep"])
    flagged = [row for row in answer["rows"] if row["flag"]]
    assert flagged
    assert all(row["flag"].startswith("outlier: ") and row["predicted"] for row in flagged)
    assert all("/pcie" not in group["group"] for group in answer["summary"])


def test_known_networks_of_modelled_metrics_are_never_skipped() -> None:
    answer = validate(["google_reference", "jetson_nano_layers"])
    assert {row["skipped"] for row in answer["rows"] if row["metric"] in PREDICTORS} == {None}


FITTED = ["google_reference", "jetson_nano_layers", "qutibench_power", "n4hy_dual_pcie"]


@pytest.fixture(scope="module")
def left_out() -> dict[str, Any]:
    return validate(FITTED, "model")


def test_leaving_the_network_out_gives_other_figures(left_out: dict[str, Any]) -> None:
    plain, left = validate(FITTED), left_out
    both = zip(plain["rows"], left["rows"], strict=True)
    pairs = [(a["predicted"], b["predicted"]) for a, b in both if a["predicted"]]
    assert any(abs(a / b - 1) > 1e-4 for a, b in pairs)
    assert plain["predicted_rows"] == left["predicted_rows"]


def test_compiled_files_are_recognised_by_their_header() -> None:
    answer = validate([FOLDER / "compiled_models.csv"])
    medians = {row["group"]: row["median_ape"] for row in answer["summary"]}
    assert all(value <= 0.03 for group, value in medians.items() if "param_blob" in group)
    assert all(value <= 0.15 for group, value in medians.items() if "instruction" in group and "2020" in group)


def test_an_unknown_group() -> None:
    with pytest.raises(InputError, match="did you mean 'model'"):
        validate(["qutibench_power"], "modell")
    assert set(LEAVE_OUT) == {"model", "family", "source", "host"}


def test_statistics() -> None:
    row = {"source_id": "s", "metric": "m", "link": "usb3", "flag": None, "measured": 1.0, "lo90": 0.9, "hi90": 1.1}
    (group,) = summarise([{**row, "error": 0.1}, {**row, "error": -0.3, "measured": 2.0}])
    assert group == {
        "group": "s/m/usb3", "n": 2, "mape": pytest.approx(0.2), "median_ape": pytest.approx(0.2),
        "p90_ape": pytest.approx(0.28), "bias": pytest.approx(-0.1), "coverage90": 0.5,
    }  # fmt: skip
    assert quantile([1.0], 0.9) == 1.0


def test_intervals_cover_most_rows_of_networks_left_out(left_out: dict[str, Any]) -> None:
    rows = [
        row for row in left_out["rows"] if row["lo90"] is not None and not row["flag"] and "latency" in row["metric"]
    ]
    inside = sum(row["lo90"] <= row["measured"] <= row["hi90"] for row in rows) / len(rows)
    assert 0.8 <= inside <= 0.985


def test_the_command_prints_one_json_object(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", "mobilenet_v1_1.0_224,invoke_latency_ms,2.2,usb3,x86-xeon,max")
    done = command("validate", str(path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["predicted_rows"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("validate", "no.csv"), "no such file"),
        (("datasets", "show", "nothing"), "google_reference"),
        (("validate", "qutibench_power", "--leave-out", "board"), "model, family, source or host"),
        (("fit", "--dataset", "nothing", "-o", "x"), "google_reference"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_datasets_commands() -> None:
    listed = json.loads(command("datasets", "list", "--json").stdout)
    assert {"name", "rows", "sources", "flagged", "trust"} <= set(listed["datasets"][0])
    shown = json.loads(command("datasets", "show", "qutibench_power", "--json").stdout)
    assert len(shown["rows"]) == len(load_dataset("qutibench_power"))


def test_the_package_offers_what_the_commands_do() -> None:
    import calibration

    assert calibration.validate is validate
    assert calibration.load_dataset is load_dataset
    assert calibration.fit.__module__ == "calibration.fitting"
    with pytest.raises(AttributeError):
        _ = calibration.nothing


def test_readings_of_one_thing_are_compared_by_hand():
    """1 and 3 ms: 2 apart on a mean of 2; the flagged reading and the other network do not count."""
    one = {
        "source_id": "a",
        "metric": "invoke_latency_ms",
        "link": "usb3",
        "model": "x",
        "predicted": 2.0,
        "flag": None,
    }
    rows = [{**one, "measured": 1.0}, {**one, "measured": 3.0}, {**one, "measured": 9.0, "flag": "outlier: odd"}]
    rows.append({**one, "measured": 5.0, "model": "y"})
    assert repeats(rows) == [{"group": "a/invoke_latency_ms/usb3", "n": 1, "median_difference": 1.0}]


def test_the_dense_networks_that_were_measured_twice_differ_by_an_eighth():
    rows = load_dataset("villarrubia_synthetic")
    dense = [row for row in rows if row.model.startswith("fc5") and row.mode == "single" and row.link == "pcie"]
    (found,) = repeats(map(Validator().answer, (row for row in dense if row.metric == "invoke_latency_ms")))
    assert found["n"] == 29
    assert found["median_difference"] == pytest.approx(0.131, abs=0.002)


@pytest.mark.parametrize("name", ["google_reference", "independent_latency", "jetson_nano_layers"])
def test_one_question_has_one_interval(name):
    """``validate`` of a row and ``run`` of its set-up."""
    parts, seen = Parts(), 0
    answers = {answer["line"]: answer for answer in validate([name])["rows"]}
    for row in load_dataset(name)[::9]:
        answer = answers[row.line]
        if run_spread(row, parts) and row.metric == "invoke_latency_ms" and row.threads == row.accelerators == 1:
            summary = simulate(scenario_of(row, parts), compare=False).summary
            seen += 1
            reach = summary["interval90"]["invoke_mean_ms"][1] / summary["invoke_ms"]["mean"]
            assert answer["hi90"] / answer["predicted"] == pytest.approx(reach)
            assert answer["predicted"] / answer["lo90"] == pytest.approx(reach)
    assert seen >= 3
