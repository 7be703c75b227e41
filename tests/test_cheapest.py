"""The cheapest set-up within limits: against every candidate that costs less, prices of one's own, and the nearest miss."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from sim import Scenario, advise, simulate
from sim.cheapest import Limits, Shop, search
from sim.choices.market import Prices, cannot_be_had

NET = "mobilenet_v2_1.0_224"
ON_A_PI = Scenario(models=NET, host="raspberry-pi-4")


def found(scenario, shop=None, **limits):
    return search(scenario, Limits(**limits), simulate(scenario).summary, shop or Shop())


def test_limits_that_are_met_already_cost_nothing():
    answer = found(ON_A_PI, min_ips=60)
    assert answer["already_met"] and answer["cheapest"]["change"] == {} and answer["nearest"] is None


def test_nothing_that_cannot_be_had_is_chosen():
    for ips in (320, 700, 1000):
        row = found(ON_A_PI, min_ips=ips)["cheapest"]
        scenario = Scenario(**row["scenario"])
        assert cannot_be_had(scenario) == set()
        assert simulate(scenario).summary["throughput_ips"] >= ips


def test_a_set_up_is_a_combination():
    row = found(ON_A_PI, min_ips=700)["cheapest"]
    assert row["change"] == {"threads": 3, "accelerators": 3}
    assert any("powered hub" in note for note in row["notes"])
    mix = Scenario(models="mobilenet_v2_1.0_224:1,mobilenet_v1_1.0_224:1", host="raspberry-pi-4", link="usb2")
    now = simulate(mix).summary["throughput_ips"]
    assert found(mix, min_ips=2 * now)["cheapest"]["scenario"]["cocompile"]


def test_a_network_that_the_cpu_runs_faster_needs_no_accelerator():
    row = found(Scenario(models="tcn_text_118x100", host="raspberry-pi-4"), min_ips=250)["cheapest"]
    assert row["scenario"]["accelerators"] == 0


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_from_the_cpu_an_accelerator_is_found_where_the_table_shows_one(share):
    """What a step reaches, the search reaches too: with another processor or with an accelerator."""
    scenario = Scenario(models=NET, host="raspberry-pi-4", accelerators=0)
    best = max(row["throughput_ips"] for row in advise(scenario)["steps"])
    found = advise(scenario, Limits(min_ips=share * best))["cheapest"]
    assert found is not None
    assert found["throughput_ips"] >= share * best
    assert found["change"]["accelerators"] >= 1


def test_from_the_cpu_more_threads_are_enough_for_a_little_more():
    scenario = Scenario(models=NET, host="raspberry-pi-4", accelerators=0)
    found = advise(scenario, Limits(min_ips=1.2 * advise(scenario)["now"]["throughput_ips"]))["cheapest"]
    assert found["change"].keys() == {"threads"}


def test_the_user_s_prices_decide():
    """Four times 10 for sticks, or 30 for a host with 1 for a card: whichever is cheaper meets the limit first."""
    sticks = Prices("EUR", 0.5, {"raspberry-pi-5": 300.0}, {"usb3": 10.0, "pcie": 1.0})
    hosts = Prices("EUR", 0.5, {"raspberry-pi-5": 3.0, "x86-desktop": 3.0}, {"usb3": 100.0, "pcie": 1.0})
    many, other = (found(ON_A_PI, Shop(prices=prices), min_ips=400)["cheapest"] for prices in (sticks, hosts))
    assert many["change"]["accelerators"] > 1 and "host" not in many["change"]
    assert many["price"] == 10.0 * (many["change"]["accelerators"] - 1)
    assert other["change"]["host"] in hosts.hosts and other["price"] <= 3.0 + 4 * 1.0
    assert many["money_per_year"] == pytest.approx(many["power_w"]["total"] * 8.766 * 0.5)


def test_what_has_no_price_cannot_be_bought():
    answer = found(ON_A_PI, Shop(prices=Prices("EUR")), min_ips=320)
    assert answer["cheapest"] is None
    assert answer["nearest"]["scenario"]["host"] == "raspberry-pi-4"
    assert answer["nearest"]["scenario"]["accelerators"] <= 1


def test_the_nearest_miss_says_by_how_much():
    answer = found(ON_A_PI, min_ips=100_000, max_w=100)
    nearest = answer["nearest"]
    assert answer["cheapest"] is None
    ((words, times),) = nearest["misses"].items()
    assert times == pytest.approx(100_000 / nearest["throughput_ips"])
    assert words == f"{nearest['throughput_ips']:.4g} inferences a second, not 100000"
    assert times <= 100_000 / simulate(ON_A_PI).summary["throughput_ips"]


def test_cameras_whose_frames_are_dropped_are_not_served():
    scenario = ON_A_PI.with_options(models="ssd_mobilenet_v2_coco_300", cameras="16x10")
    assert simulate(scenario).summary["skipped_share"] > 0.2
    answer = found(scenario, max_p95_ms=200)
    again = simulate(Scenario(**answer["cheapest"]["scenario"])).summary
    assert again["skipped_share"] <= 0.01 and again["age_ms"]["p95"] <= 200


def test_limits_are_missed_by_the_ages_of_results():
    summary = {"age_ms": {"p95": 300.0, "p99": 400.0}, "latency_ms": {"p95": 1.0, "p99": 1.0}, "power_w": {"total": 5.0},
               "throughput_ips": 10.0, "overloaded": False, "skipped_share": 0.21}  # fmt: skip
    misses = Limits(max_p95_ms=100, max_w=6).misses(summary)
    assert sorted(misses.values()) == pytest.approx([1.2, 3.0])


CHEAP_PC = Prices("EUR", 0.4, {"raspberry-pi-4": 60.0, "x86-desktop": 10.0}, {"usb3": 60.0, "usb2": 60.0, "pcie": 40.0})


@pytest.mark.parametrize("years", [0.25, 1, 3])
def test_the_energy_of_years_decides_against_a_cheap_machine_that_idles_at_34_watts(years):
    """Over all that meets the limit: what it costs to buy, and its watts at 0.4 a kWh for 8766 hours a year."""
    now = Scenario(models=NET, host="raspberry-pi-3b")
    bought = found(now, Shop(prices=CHEAP_PC), min_ips=200)["cheapest"]
    assert (bought["scenario"]["host"], bought["price"]) == ("x86-desktop", 10.0)
    row = found(now, Shop(prices=CHEAP_PC.over(years)), min_ips=200)["cheapest"]
    totals = {}
    for host in ("raspberry-pi-4", "x86-desktop"):
        there = simulate(now.with_options(host=host, link="usb3")).summary
        totals[host] = CHEAP_PC.hosts[host] + years * there["power_w"]["total"] * 8766 / 1e3 * 0.4
    assert row["scenario"]["host"] == min(totals, key=lambda host: totals[host])
    assert row["total"] == pytest.approx(totals[row["scenario"]["host"]], rel=0.01)
    assert row["total"] == pytest.approx(row["price"] + years * row["money_per_year"])


def test_years_need_a_limit_that_a_set_up_has_to_meet():
    with pytest.raises(InputError, match="--years cannot act, as there is no limit"):
        advise(Scenario(models=NET, host="raspberry-pi-4"), Limits(), Shop(prices=CHEAP_PC.over(3)))


@pytest.mark.parametrize(("prices", "years", "words"), [
    (Prices(), 3, "--years cannot act, as energy has no price"), (CHEAP_PC, 0, "--years must be"),
    (CHEAP_PC, 99, "--years must be"),
])  # fmt: skip
def test_years_need_a_price_of_energy(prices, years, words):
    with pytest.raises(InputError, match=words):
        prices.over(years)
    assert prices.over(None) is prices


def test_a_stick_that_is_there_fits_another_usb_port():
    now = Scenario(models=NET, host="raspberry-pi-3b")
    assert CHEAP_PC.of(now.with_options(host="raspberry-pi-4", link="usb3"), now) == 60.0
    assert CHEAP_PC.of(now.with_options(host="x86-desktop", link="pcie"), now) == 50.0
