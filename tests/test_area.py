"""Mixes of cores in one area: what fits, by hand, and what a mix gives."""

from __future__ import annotations

import pytest

from sim.engine import run
from sim.scenario import Scenario
from sim.setup import build
from sim.study.area import area_findings, mixes, points

#: DSP blocks of the sizes (PG338, high use of DSP).
DSP = {"dpu-b512": 118, "dpu-b1024": 230, "dpu-b1600": 326, "dpu-b2304": 438, "dpu-b4096": 710}


def test_every_mix_fits_the_largest_core_and_nearly_fills_it():
    found = mixes("dpu")
    assert ("dpu-b4096",) in found
    assert ("dpu-b1024",) * 3 in found
    assert ("dpu-b1024",) * 4 not in found
    assert ("dpu-b1600", "dpu-b1600") in found
    for mix in found:
        assert len(mix) <= 4
        assert len(set(mix)) <= 2
        if set(mix) <= set(DSP):
            assert 0.8 * 710 <= sum(DSP[size] for size in mix) <= 710


def test_sizes_without_an_area_have_no_mixes():
    assert mixes("edgetpu") == ()
    assert list(area_findings(["lenet_5_28"], "edgetpu")) == []


@pytest.fixture(scope="module")
def table():
    return {(row.mix, row.clock_hz): row for row in points("mobilenet_v2_1.0_224", "dpu")}


def test_a_point_is_that_of_the_simulator(table):
    row = table[("dpu-b1024",) * 3, 300e6]
    scenario = Scenario(
        models=row.network, size="dpu-b1024", accelerators=3, threads=8, host="zcu102", inferences=300,
        numbers={"size.clock_hz": 300e6},
    )  # fmt: skip
    assert row.throughput_ips == pytest.approx(run(build(scenario)).throughput_ips, rel=0.08)


def test_a_slower_clock_is_slower_and_equal_cores_on_equal_ports_are_even(table):
    for (mix, clock_hz), row in table.items():
        if clock_hz == 200e6:
            assert row.throughput_ips < table[mix, 300e6].throughput_ips
        assert 0 < row.evenness <= 1
    assert table[("dpu-b4096",), 300e6].evenness == 1
    unequal = next(row for (mix, _), row in table.items() if len(set(mix)) == 2)
    assert unequal.evenness < 0.95


def test_the_findings_name_what_gives_most():
    found = list(area_findings(["mobilenet_v2_1.0_224", "resnet_50_v1_224"], "dpu"))
    assert {finding["id"] for finding in found} == {"area", "area_mix"}
    assert sum(found[0]["values"]["best"].values()) == 2
    small = next(f["values"] for f in found if f["id"] == "area_mix" and f["values"]["mix"] == ["dpu-b1024"] * 3)
    assert small["rate"] > 1 > 0.9 * small["lowest"]
    assert small["latency"] > 1, "one request sees one small core"
    assert found[-1]["values"]["worst"] < 0.1
