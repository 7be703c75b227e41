"""Numbers that cannot mislead: what lies outside the measurements says so, results say where they come from."""

from __future__ import annotations

import json

import pytest

from calibration.data import dataset_names, load_dataset
from calibration.predict import Skip, network_of
from hwmodels.errors import InputError
from sim.calibrated import CLOCKS_HZ, HOSTS, MOST, OPERATORS, outside
from sim.engine import simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.sweeps import evaluate

MEASURED = {"models": "mobilenet_v2_1.0_224", "host": "raspberry-pi-4", "link": "usb3"}


@pytest.fixture(scope="module")
def rows():
    """Every trusted row of a time or rate that an accelerator was measured at, with its network."""
    found = []
    for name in dataset_names():
        for row in load_dataset(name):
            is_speed = row.unit in ("ms", "inf/s") or "fps" in row.metric
            if is_speed and not row.flag and row.link in HOSTS:
                try:
                    found.append((row, network_of(row)))
                except (Skip, InputError):
                    continue
    return found


def test_the_tables_claim_no_more_than_was_measured(rows):
    assert {(host, link) for link, hosts in HOSTS.items() for host in hosts} <= {(r.host_id, r.link) for r, _ in rows}
    assert {layer.op for _, graph in rows for layer in graph.layers} >= OPERATORS
    graphs = [graph for _, graph in rows]
    assert max(graph.macs for graph in graphs) >= MOST["multiply-accumulates"]
    assert max(graph.parameter_bytes for graph in graphs) >= MOST["parameter bytes"]
    assert max(len(graph.layers) for graph in graphs) >= MOST["layers"]
    assert max(row.accelerators for row, _ in rows if row.mode != "pipeline") >= MOST["accelerators"]
    assert max(row.accelerators for row, _ in rows if row.mode == "pipeline") >= MOST["accelerators in a pipeline"]
    assert {"max", "std"} <= {row.clock_id for row, _ in rows}


def test_both_clocks_are_those_of_the_measured_chip():
    std, full = (build(Scenario(**MEASURED, clock=clock)).clocks_hz[0] for clock in ("std", "max"))
    assert (std, full) == CLOCKS_HZ


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
    "accelerators": ({"accelerators": 3, "threads": 3}, "accelerators 3: at most 2 were measured"),
    "pipeline": ({"mode": "pipeline", "num_segments": 5}, "accelerators 5: at most 4 were measured"),
}  # fmt: skip


@pytest.mark.parametrize(("options", "words"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_was_not_measured_names_the_trait(options, words):
    scenario = Scenario(**{**MEASURED, "inferences": 8, **options})
    assert any(words in warning for warning in simulate(scenario, compare=False).summary["warnings"])
    if scenario.mode == "threads":
        assert any(words in warning for warning in estimate(scenario)["warnings"])


def test_a_part_of_one_s_own_and_its_clock_are_named(tmp_path):
    part = tmp_path / "mine.toml"
    number = '{ value = 800e6, status = "assumed", source = "test" }'
    part.write_text(f'kind = "accelerator"\nbase = "coral"\nclock_hz = {number}\n')
    notes = outside(build(Scenario(**MEASURED, size=str(part))))
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
    from sim.tabular import frame_of

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
    from sim.tabular import write_parquet

    write_parquet(tmp_path / "results.parquet", [{**evaluate({**MEASURED, "inferences": 8}), "case": "headline"}])
    (tmp_path / "findings.json").write_text(json.dumps({"findings": [], "titles": {}, "results_version": 99}))
    with pytest.raises(InputError, match="another version"):
        report(tmp_path, tmp_path / "page.html")
