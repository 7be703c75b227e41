"""The fit: it recovers numbers that are known, and writes files that load."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.fitting import GROUPS, Calibration, fit, fit_problem, group_errors, members
from calibration.measurements import Measurement
from calibration.partfiles import write_parts
from calibration.predict import predict
from calibration.problem import Problem, fit_rows
from calibration.report import fit_report
from calibration.setups import Parts
from hwmodels import parts as parts_module
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.errors import InputError
from hwmodels.host import load_host

PARTS = Parts()
MODELS = [
    "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "inception_v1_224", "resnet_50_v1_224",
    "efficientnet_edgetpu_s_224", "conv7x7_f32_128x128_n25", "depthwise_k5_c128", "baseline_io_c128",
    "dense_u100_n100", "stride_256x256", "padding_256x256",
]  # fmt: skip
TRUTH = {"depthwise_cycles_per_tap": 0.28, "conv_cycles_per_step": 1.05}
HOST = {"bus.usb3.out_bytes_per_s": 400e6, "bus.usb3.floor_ns": 200e3, "bus.usb3.in_bytes_per_s": 45e6}


def known_rows() -> list[Measurement]:
    """Rows of a host and an accelerator whose numbers are known."""
    truth = Parts(changes={("accelerator", "coral"): TRUTH, ("host", "raspberry-pi-5"): HOST})
    blank = [Measurement(model=m, metric="invoke_latency_ms", value=1.0, link="usb3", host_id="raspberry-pi-5", clock_id=c)
             for m in MODELS for c in ("max", "std")]  # fmt: skip
    return [replace(row, value=predict(row, truth)) for row in blank]


@pytest.fixture(scope="module")
def recovered() -> Calibration:
    return fit_problem(Problem(fit_rows(known_rows(), PARTS), PARTS))


@pytest.fixture(scope="module")
def google() -> Calibration:
    return fit(["google_reference"])


def test_known_numbers_are_recovered_within_their_errors(recovered: Calibration) -> None:
    errors = recovered.std_errors()
    numbers = zip(recovered.numbers, recovered.x, errors, strict=True)
    found = {n.key: (float(np.exp(x)), float(sd)) for n, x, sd in numbers}
    for key, value in (TRUTH | HOST).items():
        fitted, relative = found[key]
        assert abs(np.log(fitted / value)) < 1.645 * max(relative, 0.02), (key, fitted, value, relative)
    assert np.max(np.abs(recovered.problem.predict_ms(recovered.x) / recovered.problem.measured - 1)) < 0.03


def test_the_fit_is_deterministic(recovered: Calibration) -> None:
    again = fit_problem(Problem(fit_rows(known_rows(), PARTS), PARTS))
    assert again.x.tolist() == recovered.x.tolist()


def test_written_part_files_load_and_say_where_numbers_come_from(recovered: Calibration, tmp_path: Path) -> None:
    paths = write_parts(recovered, tmp_path)
    assert {path.name for path in paths} == {"coral.toml", "raspberry-pi-5.toml", "host.toml", "usb3.toml"}
    part = load_accelerator(str(tmp_path / "coral.toml"))
    quantity = part.quantities["depthwise_cycles_per_tap"]
    assert part.depthwise_cycles_per_tap == pytest.approx(0.28, rel=0.05)
    assert quantity.status == "fitted"
    assert quantity.std_error
    assert "22 rows" in quantity.source
    assert load_host(str(tmp_path / "host.toml")).buses["usb3"].floor_ns == pytest.approx(200e3, rel=0.2)


def test_a_folder_that_cannot_be_written(recovered: Calibration, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder that can be written"):
        write_parts(recovered, tmp_path / "file" / "below")


def test_leaving_a_network_out_removes_it_everywhere(google: Calibration) -> None:
    out = members(google, "model", "mobilenet_v1_1.0_224")
    named = [row.model for row, gone in zip(google.problem.rows, out, strict=True) if gone]
    assert set(named) == {"mobilenet_v1_1.0_224", "mobilenet_v1_1.0_224+mobilenet_v2_1.0_224"}


def test_one_step_without_a_group_agrees_with_a_new_fit(google: Calibration) -> None:
    group = "mobilenet_v2_1.0_224"
    out = members(google, "model", group)
    step = google.problem.predict_ms(google.without(out, f"model:{group}"))
    kept = [row for row, gone in zip(google.problem.rows, out, strict=True) if not gone]
    anew = google.problem.predict_ms(fit_problem(Problem(kept, PARTS)).x)
    assert np.log(step[out] / anew[out]) == pytest.approx(np.zeros(out.sum()), abs=0.08)


def test_errors_without_a_group_are_not_smaller_on_the_whole(google: Calibration) -> None:
    fitted = np.abs(google.problem.predict_ms(google.x) / google.problem.measured - 1)
    left_out = np.array([abs(error) for _, error in sorted(group_errors(google).items())])
    assert left_out.mean() >= fitted.mean()


def test_the_report_holds_numbers_and_what_is_not_separated(google: Calibration) -> None:
    report = fit_report(google)
    assert report["rows"] == len(google.problem.rows)
    assert {"fit_mape", "leave_model_out_mape", "leave_source_out_mape"} <= set(report["residuals"][0])
    assert all(row["std_error"] >= 0 for row in report["numbers"])
    assert all(abs(pair["correlation"]) > 0.9 for pair in report["not_separated"])


def test_no_usable_row_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["model", "metric", "value"], ["unknown_net", "invoke_latency_ms", "1"]])
    with pytest.raises(InputError, match="at least one unflagged"):
        fit([str(path)])


def test_groups_are_those_of_the_command() -> None:
    assert set(GROUPS) == {"model", "family", "source", "host"}


def test_a_fake_device_is_recovered_from_its_measurements(tmp_path: Path) -> None:
    """``measure`` on a fake device with another depthwise cost, then ``fit`` on that file alone."""
    from calibration.harness.measure import measure_command
    from calibration.harness.options import MeasureOptions

    shipped = load_accelerator("coral")
    text = (Path(parts_module.__file__).parent / "accelerators" / "coral.toml").read_text(encoding="utf-8")
    line = next(line for line in text.splitlines() if line.startswith("depthwise_cycles_per_tap"))
    truth = 1.12 * shipped.depthwise_cycles_per_tap
    other = f'depthwise_cycles_per_tap = {{ value = {truth}, status = "assumed", source = "test" }}'
    (tmp_path / "other.toml").write_text(text.replace(line, other), encoding="utf-8")
    measure_command(MeasureOptions(
        output=tmp_path / "mine.csv", models=(*MODELS[:4], *MODELS[6:8]), fake_device=True,
        size=str(tmp_path / "other.toml"), host_id="raspberry-pi-4", link="usb3", time_scale=0, repetitions=10,
        devices=1, threads=1,
    ))  # fmt: skip
    found = fit([str(tmp_path / "mine.csv")])
    numbers = zip(found.numbers, found.x, found.std_errors(), strict=True)
    fitted = {n.key: (float(np.exp(x)), float(sd)) for n, x, sd in numbers}
    host = load_host("raspberry-pi-4")
    wanted = {"depthwise_cycles_per_tap": truth, "bus.usb3.out_bytes_per_s": host.buses["usb3"].out_bytes_per_s}
    for key, value in wanted.items():
        assert abs(np.log(fitted[key][0] / value)) < 1.645 * fitted[key][1], (key, fitted[key], value)


def test_own_rows_start_from_the_shipped_accelerator() -> None:
    rows = fit_rows(known_rows(), PARTS)
    own, anew = Problem(rows, PARTS, is_own=True), Problem(rows, PARTS)
    widths = {n.key: n.half_width for n in own.numbers if n.kind == "accelerator"}
    assert all(widths[n.key] <= n.half_width + 1e-9 for n in anew.numbers if n.kind == "accelerator")
    assert [n for n in own.numbers if n.kind == "host"] == [n for n in anew.numbers if n.kind == "host"]
