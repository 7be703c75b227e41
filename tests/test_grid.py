"""The study's points: rows as ``run`` says, whatever is cut short."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tiny_study import CASES, NETS

from hwmodels.errors import InputError
from sim.engine import run, simulate
from sim.scenario import Scenario
from sim.setup import build
from sim.study.characterisation import grids_of
from sim.study.grid import Case, bounded, case_rows, network_rows, resized


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
    before, after = base.stage_times[0][0], bounded(resized(base, 1, 1)).stage_times[0][0]
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


def test_threads_that_still_load_are_not_missed():
    """Five threads on four accelerators: the pair that shares one counts, whenever its parameters are sent."""
    alone = Scenario(models="mobilenet_v2_1.0_224", size="large", host="dev-board", link="pcie")
    base, pair = build(alone), run(build(replace(alone, threads=2)))
    case = Case(name="none", host="dev-board", link="pcie", preprocess="none", threads=(5,), accelerators=(4,))
    (row,) = case_rows(base, case, 0.1)
    others = 3e9 / base.stage_times[0][0].latency_ns
    assert row["throughput_ips"] == pytest.approx(pair.throughput_ips + others, rel=0.02)


def test_a_machine_that_fails_is_no_row(monkeypatch):
    def fails(*_):
        raise MemoryError

    monkeypatch.setattr("sim.study.grid.build", fails)
    with pytest.raises(MemoryError):
        network_rows(NETS[0], ("coral",), CASES[:1])


@pytest.mark.parametrize("word", ["both", "all"])
def test_both_families_are_asked_for_by_either_word(word):
    assert [grid.family for grid in grids_of(family=word)] == ["edgetpu", "dpu"]
    with pytest.raises(InputError, match=f"cannot go with --family {word}"):
        grids_of(sizes="coral", family=word)
