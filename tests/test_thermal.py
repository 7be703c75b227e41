"""Heat: the driver's trip points by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.errors import InputError
from hwmodels.thermal import TRIPS_C, ambient_c, steady_clock
from sim import Scenario, simulate


@pytest.mark.parametrize(
    ("text", "ambient"), [("off", None), ("25", 25.0), ("-40", -40.0), ("85", 85.0), ("30.5", 30.5)]
)
def test_the_option_is_off_or_a_temperature(text, ambient):
    assert ambient_c(text) == ambient


@pytest.mark.parametrize("text", ["", "on", "-41", "86", "nan", "inf", "25C", "off:25"])
def test_other_temperatures_are_refused(text):
    with pytest.raises(InputError, match="--thermal"):
        ambient_c(text)


#: 2 W at the full clock, and 1 W of it does not go with the clock.
POWERS = {1: 2.0, 2: 1.5, 4: 1.25, 8: 1.125}
C_PER_W = 10.0


@pytest.mark.parametrize(
    ("ambient", "divisor"),
    [
        (25, 1),  # 45 C
        (64, 1),  # 84 C: below the first trip point
        (65, 2),  # 85 C at the full clock, 80 at half of it
        (74, 2),  # 89 C
        (75, 4),  # 90 C at half the clock, 87.5 at a quarter
        (82, 4),  # 94.5 C
        (83, 8),  # 95.5 C at a quarter, 94.25 at an eighth
    ],
)
def test_the_clock_is_halved_at_each_trip_point(ambient, divisor):
    found, temperature = steady_clock(ambient, C_PER_W, POWERS)
    assert found == divisor
    assert temperature == ambient + C_PER_W * POWERS[divisor]


def test_beyond_the_last_step_it_stays_at_an_eighth():
    assert steady_clock(85, C_PER_W, dict.fromkeys((1, 2, 4, 8), 5.0)) == (8, 135.0)


def test_trip_points_are_those_of_the_driver():
    """gasket-driver, apex_driver.c: 85, 90 and 95 C halve, quarter and divide the clock by eight."""
    assert sorted(TRIPS_C) == [(85.0, 2), (90.0, 4), (95.0, 8)]


def test_hotter_surroundings_never_allow_a_faster_clock():
    divisors = [steady_clock(ambient, C_PER_W, POWERS)[0] for ambient in range(-40, 86)]
    assert divisors == sorted(divisors)


def rate(link, thermal):
    scenario = Scenario(models="mobilenet_v1_1.0_224", link=link, host="x86-desktop", thermal=thermal, inferences=200)
    return simulate(scenario, compare=False).summary


def test_a_card_in_a_hot_case_is_throttled_and_says_so():
    cool, hot = rate("pcie", "25"), rate("pcie", "85")
    assert hot["throughput_ips"] < cool["throughput_ips"]
    assert any("clock divided by" in note for note in hot["warnings"])
    assert any("shuts down" in note for note in hot["warnings"])
    assert any("the clock stays as it is" in note for note in cool["warnings"])


@pytest.mark.parametrize("c_per_w", [10, 15, 20])
def test_the_clock_and_the_leakage_know_one_temperature(c_per_w):
    """Power less the leakage at the temperature that is told is the same in a cool and in a warm room.

    T = ambient + R P with R of the part file, in the note about the clock and in the energy.
    """
    part, cold_w = replace(load_accelerator("coral"), power_heat_c_per_w=c_per_w), []
    for ambient in (20.0, 40.0):
        scenario = Scenario(
            models="mobilenet_v1_1.0_224", link="pcie", host="x86-desktop", thermal=str(ambient), inferences=200,
            numbers={"size.power_heat_c_per_w": c_per_w},
        )  # fmt: skip
        summary = simulate(scenario, compare=False).summary
        watts = summary["power_w"]["accelerators"]
        temperature = ambient + c_per_w * watts
        assert f"steady at {temperature:.0f} C: the clock stays as it is" in summary["warnings"]
        cold_w.append(watts - part.power_leakage_w * 2 ** ((temperature - 25) / part.power_leakage_doubling_c))
    assert cold_w[0] == pytest.approx(cold_w[1], rel=1e-6)


def test_a_stick_is_not_throttled():
    assert rate("usb3", "85")["throughput_ips"] == rate("usb3", "off")["throughput_ips"]


def test_heat_of_links_that_differ_is_left_out_and_said():
    mixed = Scenario(models="mobilenet_v2_1.0_224", threads=2, accelerators=2, link="usb3,pcie", thermal="80")
    assert any("heat is left out" in note for note in simulate(mixed).summary["warnings"])


@pytest.mark.parametrize("link", ["usb3", "usb2"])
def test_over_usb_it_gets_warm_at_the_full_clock(link):
    """T = ambient + R P of one accelerator; no driver lowers the clock there (gasket-driver alone does)."""
    scenario = Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4", link=link, threads=2, accelerators=2)
    found = simulate(scenario.with_options(thermal="40"))
    part = found.setup.accelerators[0]
    warm_c = 40 + part.energies.heat_c_per_w * found.summary["power_w"]["accelerators"] / 2
    assert f"steady at {warm_c:.0f} C; over {link} no driver lowers the clock" in found.summary["warnings"]
    assert found.summary["throughput_ips"] == simulate(scenario).summary["throughput_ips"]


def test_over_usb_too_hot_is_said():
    scenario = Scenario(models="inception_v4_299", thermal="85")
    assert any("too hot" in note for note in simulate(scenario).summary["warnings"])
