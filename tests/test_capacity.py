"""The highest rate within limits: against the waiting time of M/D/1, cameras, and what cannot be met."""

from __future__ import annotations

import json
import math
import re

import pytest
from typer.testing import CliRunner

from hwmodels.errors import InputError
from sim import Scenario, simulate
from sim.advice import Limits
from sim.commands.cli import app
from sim.study.capacity import capacity

NET = "mobilenet_v2_1.0_224"
ONE = Scenario(models=NET)


def share_above(wait, service, load):
    """P(W > wait) in M/D/1 (C. D. Crommelin, 1932)."""
    steps = int(wait // service)
    terms = [(k - wait / service) * load for k in range(steps + 1)]
    return 1 - (1 - load) * sum(x**k / math.factorial(k) * math.exp(-x) for k, x in enumerate(terms))


def md1_load(service_ms, p99_ms):
    """The load at which one in a hundred requests takes longer than ``p99_ms``."""
    low, high = 1e-6, 1 - 1e-6
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if share_above(p99_ms - service_ms, service_ms, middle) < 0.01 else (low, middle)
    return low


@pytest.mark.parametrize("times", [3, 6])
def test_a_rate_under_a_99th_percentile_is_that_of_m_d_1(times):
    service_ms = simulate(ONE).summary["latency_ms"]["mean"]
    limit = times * service_ms
    found = capacity(ONE, Limits(max_p99_ms=limit))
    assert found["rate_ips"] == pytest.approx(1e3 / service_ms * md1_load(service_ms, limit), rel=0.03)
    assert found["at"]["latency_ms"]["p99"] <= limit
    assert found["limit"] == f"p99 above {limit:.4g} ms"
    assert found["interval90"][0] < found["rate_ips"] < found["interval90"][1]


def test_one_camera_after_another_fills_the_accelerator():
    most = simulate(ONE).summary["throughput_ips"]
    found = capacity(ONE.with_options(arrivals="periodic:30"), Limits())
    assert found["rate_ips"] == pytest.approx(most, rel=0.01)
    assert found["valid"] and found["cameras"] == int(found["rate_ips"] / 30)
    assert found["limit"] == "it does not keep up"


def test_a_rate_that_is_named_is_valid_or_not():
    limit = Limits(max_p95_ms=10)
    highest = capacity(ONE, limit)["rate_ips"]
    for share, valid in ((0.9, True), (1.1, False)):
        assert capacity(ONE.with_options(arrivals=f"server:{share * highest}"), limit)["valid"] is valid


def test_without_a_limit_requests_at_random_wait_ten_times_as_long_as_one_takes():
    """And those at equal distances wait for nobody up to saturation: no limit is assumed."""
    found = capacity(ONE, Limits())
    alone_ms = simulate(ONE).summary["latency_ms"]["mean"]
    assert found["assumed"] == ["max_p99_ms"]
    assert found["limits"]["max_p99_ms"] == pytest.approx(10 * alone_ms, rel=0.01)
    assert found["at"]["latency_ms"]["p99"] == pytest.approx(10 * alone_ms, rel=0.05)
    assert found["rate_ips"] < 0.95 * found["most_ips"]
    assert capacity(ONE.with_options(arrivals="periodic:30"), Limits(max_w=9.0))["assumed"] == []
    text = CliRunner().invoke(app, ["capacity", NET]).stdout
    assert "No limit of latency was given" in text and "of the most served" in text
    assert re.search(rf"^seed +│ +{found['at']['scenario']['seed']} ", text, re.MULTILINE)


def test_limits_that_nothing_meets():
    found = capacity(ONE, Limits(max_p99_ms=1))
    assert (found["rate_ips"], found["cameras"], found["valid"], found["at"]) == (0, 0, False, None)
    assert found["limit"].startswith("p99 above 1 ms (a request now and then takes ")
    with pytest.raises(InputError, match="cannot vary"):
        capacity(ONE.with_options(arrivals="offline:10"), Limits())
    with pytest.raises(InputError, match="--max-w must be a number above 0"):
        Limits(max_w=0)


def test_the_command():
    runner = CliRunner()
    words = ["capacity", NET, "--max-p95-ms", "10", "--arrivals", "poisson:100"]
    text = runner.invoke(app, words).stdout
    assert "highest rate" in text and "VALID: 100 requests a second." in text
    answer = json.loads(runner.invoke(app, [*words, "--json"]).stdout)
    assert {"rate_ips", "cameras", "limit", "valid", "at"} <= set(answer)


def test_the_most_cameras_are_valid_and_one_more_is_not():
    one = Scenario(models="ssd_mobilenet_v2_coco_300", host="raspberry-pi-4", cameras="30x10")
    found = capacity(one, Limits(max_p95_ms=100))
    most = found["cameras"]
    for count, valid in ((most, True), (most + 1, False)):
        summary = simulate(one.with_options(cameras=f"{count}x10")).summary
        assert (not Limits(max_p95_ms=100).broken_by(summary)) is valid
    assert not found["valid"] and found["camera_fps"] == 10
    assert most == int(simulate(one.with_options(cameras="")).summary["throughput_ips"] / 10)


def test_a_limit_that_one_camera_breaks_says_what_one_camera_gets():
    one = Scenario(models="ssd_mobilenet_v2_coco_300", host="raspberry-pi-4", cameras="2x10")
    found = capacity(one, Limits(max_p99_ms=5))
    alone_ms = simulate(one.with_options(cameras="1x10")).summary["age_ms"]["p99"]
    assert (found["cameras"], found["at"]) == (0, None)
    assert (
        found["limit"].startswith("p99 above 5 ms (results of one camera: ")
        and f"p99 {alone_ms:.4g} ms" in found["limit"]
    )


@pytest.mark.parametrize(("options", "more", "words"), [
    ({"deadline_ms": 50}, {}, "--deadline-ms cannot act here"),
    ({"cameras": "4x10"}, {"camera_fps": 5.0}, "--camera-fps cannot act here"),
    ({}, {"camera_fps": 0.0}, "--camera-fps must be a number above 0"),
])  # fmt: skip
def test_options_that_cannot_act_are_refused(options, more, words):
    with pytest.raises(InputError, match=words):
        capacity(Scenario(models="mobilenet_v2_1.0_224", **options), Limits(max_p99_ms=50), **more)
