"""The study on a tiny grid: rows as run says, findings computed, estimators held against the simulator."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from hwmodels.errors import InputError
from sim.engine import simulate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.grid import Case, Grid, _bounded, case_rows, network_rows, resized
from sim.study.statistics import pareto, rank_correlation, ranks

pl = pytest.importorskip("polars")

NETS = ("mobilenet_v1_0.25_128", "mobilenet_v2_1.0_224", "inception_v1_224", "squeezenet_1.1_224", "lenet_5_28")
CASES = (
    Case(name="headline", host="dev-board", link="pcie", threads=(1, 2, 5), accelerators=(1, 2)),
    Case(name="headline, Pi 4", host="raspberry-pi-4", link="usb3", threads=(1, 2, 5), accelerators=(1, 2)),
    Case(name="processes", host="dev-board", link="pcie", mode="processes", threads=(1, 2)),
    Case(name="no preprocessing", host="dev-board", link="pcie", preprocess="none", threads=(1, 2)),
)
BAD = "inception_v1_224"


def twice_the_bound(options, stages):
    """Somebody else's estimator: twice what one thread gives."""
    assert options["threads"] >= 1
    return 2e9 / stages["stage_alone_ns"]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A study of five networks, with another estimator beside ours."""
    pytest.importorskip("sklearn")
    pytest.importorskip("altair")
    pytest.importorskip("vl_convert")
    import sys

    from sim.study.characterisation import study

    folder = tmp_path_factory.mktemp("study")
    sys.modules["somebodys_estimator"] = sys.modules[__name__]
    found = study(folder, Grid(NETS, ("small", "coral", "large"), CASES), 1, "somebodys_estimator:twice_the_bound")
    return folder, found


@pytest.mark.parametrize(("threads", "accelerators"), [(1, 1), (2, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("case", CASES[:2], ids=["pcie", "usb3"])
def test_a_row_is_what_run_says(case, threads, accelerators):
    """Idle accelerators included: shortcuts of the study change no number."""
    net = "inception_v1_224"
    base = build(Scenario(models=net, host=case.host, link=case.link, preprocess="resize"))
    rows = list(case_rows(base, case, 0.1))
    row = next(r for r in rows if (r["threads"], r["accelerators"]) == (threads, accelerators))
    options = {"host": case.host, "link": case.link, "preprocess": "resize", "threads": threads}
    summary = simulate(Scenario(models=net, accelerators=accelerators, **options)).summary
    for key in ("throughput_ips", "energy_mj_per_inference", "energy_accelerator_mj_per_inference",
                "speedup_vs_one_thread", "energy_gain_vs_one_thread"):  # fmt: skip
        assert row[key] == pytest.approx(summary[key], rel=1e-6), key
    assert row["latency_ms_mean"] == pytest.approx(summary["latency_ms"]["mean"], rel=1e-6)
    assert row["power_w_total"] == pytest.approx(summary["power_w"]["total"], rel=1e-6)
    assert row["utilisation_accelerator"] == pytest.approx(summary["utilisation"]["accelerator"], abs=1e-3)
    assert sum(v for k, v in row.items() if k.startswith("time_breakdown")) == pytest.approx(
        row["latency_ms_mean"], rel=1e-3
    )


def test_merged_steps_keep_every_total():
    base = build(Scenario(models="inception_v3_299", host="dev-board", link="pcie"))
    before, after = base.networks[0][0], _bounded(resized(base, 1, 1)).networks[0][0]
    assert after.invoke_ns == before.invoke_ns
    assert len(after.stages[0].steps) <= 2
    for key in ("compute_ns", "parameters_ns", "streamed_bytes"):
        assert sum(getattr(s, key) for s in after.stages[0].steps) == sum(
            getattr(s, key) for s in before.stages[0].steps
        )


def test_a_network_that_fails_is_a_row():
    rows = network_rows("no_such_network", ("coral",), CASES[:1])
    assert len(rows) == 1
    assert "no_such_network" in rows[0]["error"]


def test_the_files_are_there_and_agree(done):
    folder, found = done
    frame = pl.read_parquet(folder / "results.parquet")
    assert frame.height == len(NETS) * 3 * (6 + 6 + 2 + 2) == found["points"]
    described = {row["name"] for row in json.loads((folder / "schema.json").read_text())["columns"]}
    assert described == set(frame.columns)
    assert json.loads((folder / "findings.json").read_text())["findings"] == json.loads(json.dumps(found["findings"]))
    assert found["errors"] == 0


def test_findings_say_what_the_rows_say(done):
    """Recomputed here from the file, by other means."""
    folder, found = done
    rows = pl.read_parquet(folder / "results.parquet").to_dicts()
    mine = [f for f in found["findings"] if f["id"] == "largest_gain" and f["values"]["key"] == "speedup_vs_one_thread"]
    assert len(mine) == 3 * len(CASES)
    for finding in mine:
        values = finding["values"]
        gains = [
            row["speedup_vs_one_thread"] for row in rows
            if (row["case"], row["size"], row["accelerators"]) == (values["case"], values["size"], 1)
        ]  # fmt: skip
        assert values["gain"] == max(gains)
        assert f"{max(gains):.2f}x" in finding["text"]
        assert values["model"] in finding["text"]


def test_gains_stay_below_what_the_host_share_allows(done):
    """One accelerator: no more than 1 / (1 - share on the host), nor than cores / share: the network's bounds."""
    folder, _ = done
    for row in pl.read_parquet(folder / "results.parquet").filter(pl.col("accelerators") == 1).to_dicts():
        share = row["trait_host_share"]
        bound = min(1 / (1 - share), row["cores"] / share, row["threads"])
        assert row["speedup_vs_one_thread"] <= 1.01 * bound


def test_without_host_work_there_is_almost_nothing_to_gain(done):
    _, found = done
    finding = next(f for f in found["findings"] if f["id"] == "workload")
    assert finding["values"]["largest"] < 1.2
    assert "wholly on the accelerator" in finding["text"]


def test_every_finding_has_a_title_and_words(done):
    _, found = done
    assert {finding["id"] for finding in found["findings"]} <= set(found["titles"])
    assert all(finding["text"].endswith(".") for finding in found["findings"])
    verdicts = {f["values"]["verdict"].split(" ")[0] for f in found["findings"] if f["id"] == "robust"}
    assert verdicts <= {"robust", "depends"}


def test_another_estimator_gets_the_same_table(done):
    folder, found = done
    frame = pl.read_parquet(folder / "results.parquet")
    table = {(row["method"], row["region"]): row for row in found["estimator_errors"]}
    regions = {region for method, region in table if method == "bounds"}
    assert regions == {region for method, region in table if method.startswith("somebodys")}
    simulated, alone = frame["throughput_ips"].to_numpy(), frame["stage_alone_ns"].to_numpy()
    expected = np.abs(2e9 / alone / simulated - 1)
    row = table["somebodys_estimator:twice_the_bound", "all"]
    assert row["mae"] == pytest.approx(expected.mean())
    assert row["p99"] == pytest.approx(np.quantile(expected, 0.99))


def test_the_closed_form_is_close_to_the_simulator(done):
    _, found = done
    rows = [row for row in found["estimator_errors"] if (row["method"], row["region"]) == ("bounds", "all")]
    assert rows[0]["mae"] < 0.02


def test_a_bad_estimator_is_bad_input(tmp_path):
    from sim.study.errors_by_region import load_estimator

    for name in ("no_such_module:f", "math:no_such", "math", "math:pi"):
        with pytest.raises(InputError, match="--estimator"):
            load_estimator(name)


def test_a_pattern_that_matches_nothing_is_bad_input():
    from sim.study.characterisation import grid_of

    assert "mobilenet_v1_1.0_224" in grid_of("mobilenet_v1_*").networks
    with pytest.raises(InputError, match="--models"):
        grid_of("no_such_*")
    with pytest.raises(InputError, match="did you mean 'large'"):
        grid_of("lenet_5_28", "larg")


def test_a_folder_that_cannot_be_written(tmp_path):
    from sim.study.characterisation import study

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        study(tmp_path / "file" / "x", Grid(("lenet_5_28",), ("coral",), CASES[:1]), 1)


def test_rank_correlation_by_hand():
    """Ranks 1 2 3 4 5 against 2 1 4 3 5: 1 - 6 * 4 / (5 * 24) = 0.8."""
    rho, low, high = rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 50])
    assert rho == pytest.approx(0.8)
    half = 1.96 * math.sqrt((1 + 0.32) / 2)
    assert (low, high) == pytest.approx((math.tanh(math.atanh(0.8) - half), math.tanh(math.atanh(0.8) + half)))
    assert list(ranks([5, 1, 5])) == [2.5, 1, 2.5]
    assert rank_correlation([1, 1, 1, 1], [1, 2, 3, 4]) == (0.0, -1.0, 1.0)


def test_pareto_against_brute_force():
    stream = np.random.default_rng(4)
    rows = [
        dict(zip(("throughput_ips", "energy", "latency"), map(float, r), strict=True))
        for r in stream.integers(0, 6, (60, 3))
    ]

    def beats(a, b):
        pairs = [(-a["throughput_ips"], -b["throughput_ips"]), (a["energy"], b["energy"]), (a["latency"], b["latency"])]
        return all(x <= y for x, y in pairs) and any(x < y for x, y in pairs)

    front = pareto(rows, ("throughput_ips", "energy", "latency"))
    expected = {tuple(r.values()) for r in rows if not any(beats(other, r) for other in rows)}
    assert {tuple(rows[i].values()) for i in front} == expected
    assert len(front) == len(expected)


def test_threads_that_still_load_are_not_missed():
    """Five threads on four accelerators: the pair that shares one counts, whenever its parameters are sent."""
    base = build(Scenario(models="mobilenet_v2_1.0_224", size="large", host="dev-board", link="pcie"))
    case = Case(name="none", host="dev-board", link="pcie", preprocess="none", threads=(5,), accelerators=(4,))
    (row,) = case_rows(base, case, 0.1)
    held = sum(stage.held_ns for stage in base.networks[0][0].stages)
    assert row["throughput_ips"] == pytest.approx(1e9 / held + 3e9 / base.networks[0][0].latency_ns, rel=0.01)


def test_a_study_that_was_stopped_goes_on(tmp_path, monkeypatch):
    """A machine that fails ends it; what was finished is not simulated again, and the rows are those of one go."""
    pytest.importorskip("sklearn")
    from concurrent.futures import ThreadPoolExecutor

    from sim.study import characterisation

    asked = []

    def rows(network, sizes, cases):
        asked.append(network)
        if network == NETS[2] and len(asked) == 3:
            raise OSError(28, "No space left on device")
        return network_rows(network, sizes, cases)

    monkeypatch.setattr(characterisation, "network_rows", rows)
    kept, grid = tmp_path / "kept", Grid(NETS[:3], ("coral",), CASES[:1])
    kept.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(OSError, match="No space"):
            characterisation._rows(grid, kept, 1, pool)
        frame = characterisation._rows(grid, kept, 1, pool)
    assert asked == [*NETS[:3], NETS[2]]
    assert frame["models"].to_list() == [name for name in NETS[:3] for _ in range(6)]


def test_a_machine_that_fails_is_no_row(monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr("sim.study.grid.build", fails)
    with pytest.raises(MemoryError):
        network_rows(NETS[0], ("coral",), CASES[:1])
