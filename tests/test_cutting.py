"""Cuts that know what segments stream: against all cuts one by one, the compiler's rule, and simulation."""

from __future__ import annotations

from itertools import combinations

import pytest

from hwmodels.cuts import in_cutting_order
from hwmodels.errors import InputError
from hwmodels.networks.zoo import load_network
from sim import Scenario, estimate, simulate
from sim.setup import Cutter, build, cuts_of, parts_of

STREAMING = ("inception_v3_299", "resnet_v1_50", "inception_v4_299")


def pipeline(model, segments, **options):
    scenario = Scenario(models=model, mode="pipeline", num_segments=segments, accelerators=segments, **options)
    return scenario, in_cutting_order(load_network(model)), parts_of(scenario)


def rate(model, segments, segmentation, **options):
    scenario, _, _ = pipeline(model, segments, segmentation=segmentation, **options)
    return simulate(scenario, compare=False).summary["throughput_ips"]


@pytest.mark.parametrize("model", ["conv5x3x3_f192_64x64", "fc5_n1500_in64_out10", "mobilenet_v1_0.25_128"])
def test_no_cut_in_two_has_a_shorter_period(model):
    scenario, graph, parts = pipeline(model, 2, link="pcie")
    cutter = Cutter(graph, scenario, parts)
    every = [cutter.period_ns(cuts) for cuts in combinations(range(1, len(graph.layers)), 1)]
    assert cutter.period_ns(cutter.best) == min(every)


def test_a_period_is_that_of_the_set_up():
    """The slowest segment of a pipeline on buses of its own, as the simulator finds it."""
    scenario, graph, parts = pipeline("inception_v3_299", 3, segmentation="profiled", link="pcie")
    cutter = Cutter(graph, scenario, parts)
    times = [row[i] for i, row in enumerate(build(scenario).stage_times)]
    period, passage = cutter.period_ns(cutter.best)
    assert period == max(one.latency_ns for one in times)
    assert passage == sum(one.latency_ns for one in times)


def test_transfers_over_a_shared_bus_count_together():
    scenario, graph, parts = pipeline("inception_v4_299", 4, link="usb2")
    cutter = Cutter(graph, scenario, parts)
    rows = build(scenario.with_options(segmentation=",".join(map(str, cutter.best)))).stage_times
    assert cutter.period_ns(cutter.best)[0] == sum(row[0].total("sent_ns") for row in rows)


@pytest.mark.parametrize("link", ["usb3", "pcie"])
@pytest.mark.parametrize("model", STREAMING)
def test_a_profiled_cut_of_a_network_that_streams_is_not_behind_the_compilers(model, link):
    assert rate(model, 3, "profiled", link=link) >= 0.97 * rate(model, 3, "compiler", link=link)


def test_the_best_cut_is_best_and_says_how_far_the_others_are():
    found = {how: rate("inception_v3_299", 2, how) for how in ("compiler", "profiled", "best")}
    assert found["best"] == max(found.values())
    scenario, _, _ = pipeline("inception_v3_299", 2, segmentation="best")
    note = next(note for note in simulate(scenario).summary["warnings"] if "cut before layers" in note)
    assert f"compiler's reaches {found['compiler'] / found['best']:.1%}" in note
    assert f"the profiled {found['profiled'] / found['best']:.1%}" in note
    assert estimate(scenario)["throughput_ips"] >= 0.999 * found["best"]


def test_a_profiled_cut_whose_segments_get_in_each_others_way_gives_way_to_the_compilers():
    found = {how: rate("resnet_34_v1_224", 2, how) for how in ("compiler", "profiled")}
    assert found["profiled"] == found["compiler"]
    scenario, graph, parts = pipeline("resnet_34_v1_224", 2, segmentation="profiled")
    own = rate("resnet_34_v1_224", 2, str(Cutter(graph, scenario, parts).best[0]))
    assert f"the profiled cut reaches {own / found['compiler']:.1%} of" in simulate(scenario).summary["warnings"][0]


def test_a_cut_is_judged_by_what_it_can_do_however_requests_come():
    cuts = set()
    for arrivals in ("closed", "periodic:5"):
        scenario, _, _ = pipeline("inception_v3_299", 2, segmentation="best", arrivals=arrivals)
        cuts.add(next(note for note in simulate(scenario).summary["warnings"] if "cut before layers" in note))
    assert len(cuts) == 1


def test_cuts_as_given_are_checked():
    scenario, graph, parts = pipeline("mobilenet_v1_0.25_128", 3, segmentation="4,9")
    assert cuts_of(graph, scenario, parts) == (4, 9)
    with pytest.raises(InputError, match="2 layer numbers for 3 segments"):
        build(scenario.with_options(segmentation="4"))
