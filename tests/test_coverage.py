"""Numbers that cannot mislead: what lies outside the measurements says so, results say where they come from."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from calibration.coverage import FILE, coverage, coverage_text
from calibration.measurements import Measurement
from calibration.setups import network_of
from hwmodels.errors import InputError
from sim.engine import simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.sweeps import evaluate
from sim.trust.coverage import covered, gaps

MEASURED = {"models": "mobilenet_v2_1.0_224", "host": "raspberry-pi-4", "link": "usb3"}


def test_the_file_is_what_the_shipped_measurements_give():
    assert FILE.read_text(encoding="utf-8") == coverage_text(), "run python -m calibration.coverage --write"


def test_what_rows_cover_by_hand():
    row = Measurement(
        model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, unit="ms", link="usb3",
        host_id="raspberry-pi-4", clock_id="std", threads=2,
    )  # fmt: skip
    pair = replace(row, mode="data_parallel", accelerators=2, threads=6, host_id="", clock_id="max")
    pipeline = replace(row, mode="pipeline", accelerators=4, threads=4, link="pcie", host_id="x86-desktop")
    left_out = [
        replace(row, link="none", threads=9), replace(row, link=""), replace(row, flag="odd", accelerators=9),
        replace(row, model="nobody_knows_this"), replace(row, metric="power_w", unit="W", accelerators=9),
        replace(row, mode="cpu_tpu_coexec", threads=9),
    ]  # fmt: skip
    of_the_card = replace(row, link="pcie", host_id="", source_id="sparta")  # its source names the host
    found = coverage([replace(row, word_size="32"), pair, pipeline, of_the_card, *left_out])
    graph = network_of(row)
    assert found["hosts"] == {
        "pcie": ["x86-crl-g18u", "x86-desktop"],
        "usb3": ["raspberry-pi-4", "raspberry-pi-4-32bit"],
    }
    assert found["operators"] == sorted({layer.op for layer in graph.layers})
    assert found["clocks_hz"] == [250e6, 500e6]
    assert found["most"] == {
        "multiply-accumulates": graph.macs, "parameter bytes": graph.parameter_bytes, "layers": len(graph.layers),
        "accelerators": 2, "accelerators in a pipeline": 4, "threads of one accelerator": 3,
    }  # fmt: skip


def test_the_simulator_does_not_import_the_calibration():
    code = (
        "import sys, sim, sim.trust.coverage, sim.engine; print(any(n.startswith('calibration') for n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_scaled_host_says_which_measured_one_is_near():
    note = "host rock-3a: CPU times are scaled from those of raspberry-pi-3b-plus, the nearest host that was measured"
    for options in ({}, {"accelerators": 0}, {"host": "rk3568"}):
        scenario = Scenario(**{**MEASURED, "inferences": 8, "host": "rock-3a", **options})
        assert note in simulate(scenario, compare=False).summary["warnings"]
        assert note in estimate(scenario)["warnings"]


def test_both_clocks_are_those_of_the_measured_chip():
    std, full = (build(Scenario(**MEASURED, clock=clock)).clocks_hz[0] for clock in ("std", "max"))
    assert [std, full] == covered("edgetpu").clocks_hz


def test_what_was_measured_carries_no_warning():
    assert simulate(Scenario(**MEASURED, inferences=8)).summary["warnings"] == []
    assert simulate(Scenario(**MEASURED, inferences=8, clock="std")).summary["warnings"] == []


OUTSIDE = {
    "network": ({"models": "conv7x7_f32_128x128_n400"}, "multiply-accumulates, at most"),
    "operators": ({"models": "enet_512"}, "network enet_512: in no measured network: PRELU, TRANSPOSE_CONV"),
    "host": ({"host": "x86-epyc-litert"}, "host x86-epyc-litert: never measured over usb3"),
    "host over a link": ({"host": "dev-board"}, "host dev-board: never measured over usb3"),
    "size": ({"size": "large"}, "size large was never measured"),
    "threads": ({"threads": 2}, "threads 2: no measurement has several on one"),
    "accelerators": ({"accelerators": 9, "threads": 9}, "accelerators 9: at most 8 were measured"),
    "pipeline": ({"mode": "pipeline", "num_segments": 9}, "accelerators 9: at most 8 were measured"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "words"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_was_not_measured_names_the_trait(options, words):
    scenario = Scenario(**{**MEASURED, "inferences": 8, **options})
    assert any(words in warning for warning in simulate(scenario, compare=False).summary["warnings"])
    if scenario.mode == "threads":
        assert any(words in warning for warning in estimate(scenario)["warnings"])


DPU = {"models": "resnet_50_v1_224", "size": "dpu-b4096"}


def test_a_measured_board_carries_no_warning():
    assert gaps(build(Scenario(**DPU, threads=8))) == []
    assert gaps(build(Scenario(**DPU, host="zcu102", accelerators=3, threads=8))) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": "dpu-b800"}, "size dpu-b800: never measured"),
        ({"models": "nasnet_large_331"}, "network nasnet_large_331: 769 layers, at most"),
        ({"accelerators": 4, "threads": 4}, "accelerators 4: at most 3 were measured"),
        ({"threads": 9}, "threads 9: no measurement has several on one"),
        ({"numbers": {"size.clock_hz": 200e6}}, "clock 200 MHz: measured were 281 and 287 and 300"),
    ],
)
def test_what_no_board_shows_names_the_trait(options, words):
    assert any(note.startswith(words) for note in gaps(build(Scenario(**{**DPU, **options}))))


def test_a_part_of_one_s_own_and_its_clock_are_named(tmp_path):
    part = tmp_path / "mine.toml"
    number = '{ value = 800e6, status = "assumed", source = "test" }'
    part.write_text(f'kind = "accelerator"\nbase = "coral"\nclock_hz = {number}\n')
    notes = gaps(build(Scenario(**MEASURED, size=str(part))))
    assert notes == ["size mine: not the calibrated numbers", "clock 800 MHz: measured were 250 and 500 MHz"]


def test_a_row_says_what_it_comes_from_and_what_it_lies_outside_of():
    row = evaluate({**MEASURED, "threads": 2, "seed": 7, "inferences": 8})
    setup = build(Scenario(**MEASURED))
    assert row["made_by_size"] == setup.accelerators[0].digest
    assert row["made_by_host"] == setup.host.digest
    assert row["made_by_network"] == setup.executables[0][0].token
    assert row["made_by_seed"] == row["seed"] == 7
    assert row["warnings"].startswith("threads 2")
    changed = evaluate({**MEASURED, "host.gil_share": 0.123})
    assert changed["made_by_host"] != row["made_by_host"]
    assert "host raspberry-pi-4: not the calibrated numbers" in changed["warnings"]


def test_rows_of_different_versions_are_compared_with_a_flag_only(tmp_path):
    pl = pytest.importorskip("polars")
    pytest.importorskip("altair")
    from sim.study.query import query
    from sim.study.report import report
    from sim.study.results_file import frame_of

    frame = frame_of([evaluate({**MEASURED, "inferences": 8, "threads": n}) for n in (1, 2)])
    path = tmp_path / "r.parquet"
    other = {"results_version": pl.lit(99), "edgetpusim_version": pl.Series(["0.1.0", "9.9"])}
    for column, value in other.items():
        frame.with_columns(**{column: value}).write_parquet(path)
        for read in (lambda: query(path), lambda: report(path, tmp_path / "page.html")):
            with pytest.raises(InputError, match="--any-version"):
                read()
        assert len(query(path, any_version=True)) == 2
        assert report(path, tmp_path / "page.html", any_version=True).exists()


def test_findings_of_another_version_are_not_shown_beside_results(tmp_path):
    pytest.importorskip("altair")
    from sim.study.report import report
    from sim.study.results_file import write_parquet

    write_parquet(tmp_path / "results.parquet", [{**evaluate({**MEASURED, "inferences": 8}), "case": "headline"}])
    (tmp_path / "findings.json").write_text(json.dumps({"findings": [], "titles": {}, "results_version": 99}))
    with pytest.raises(InputError, match="another version"):
        report(tmp_path, tmp_path / "page.html")


def test_cores_that_the_chip_has_no_room_for_are_said_and_never_advised():
    one = Scenario(models="resnet_v1_50", size="dpu-b4096", host="kv260", link="memory")
    assert build(one).no_room == ""
    assert build(replace(one, accelerators=2)).no_room == (
        "2 x dpu-b4096 need 1420 DSP blocks, the chip of kv260 has 1248"
    )
    assert build(replace(one, accelerators=3, host="zcu102")).no_room == ""
