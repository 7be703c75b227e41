"""Cameras that keep two frames: against periodic requests, queueing by hand, and a model that shares no code."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from itertools import islice, pairwise
from statistics import fmean, pvariance

import pytest

from hwmodels.errors import InputError
from sim import Scenario, estimate, simulate
from sim.machine.cameras import KEPT, Cameras, frame_gaps_ns, inferences_of_frames, parse_cameras
from sim.setup import build

NET = "ssd_mobilenet_v2_coco_300"
ON_A_PI = Scenario(models=NET, host="raspberry-pi-4")


def alone_ns(scenario):
    return build(scenario).stage_times[0][0].latency_ns


def test_cameras_that_ask_for_a_little_too_much_are_looked_at_until_their_frames_are_late():
    """Little's law: 17 cameras keep two frames each beside the one at work, so that a result is old, and frames drop."""
    closed = simulate(Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-5"), compare=False).summary
    fps = 1.003 * closed["throughput_ips"] / 17
    found = simulate(Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-5", cameras=f"17x{fps:.4f}")).summary
    assert found["skipped_share"] == pytest.approx(1 - 1 / 1.003, rel=0.2)
    assert found["age_ms"]["mean"] > 1e3 * 17 * 2 / closed["throughput_ips"]


def test_frames_of_one_region_are_periodic_requests():
    cameras = simulate(ON_A_PI.with_options(cameras="3x10")).summary
    plain = simulate(ON_A_PI.with_options(arrivals="periodic:30")).summary
    for key in ("throughput_ips", "latency_ms", "power_w", "utilisation", "bottleneck"):
        assert cameras[key] == plain[key], key
    assert cameras["skipped_share"] == 0
    assert cameras["age_ms"]["p99"] == pytest.approx(alone_ns(ON_A_PI) / 1e6)  # nobody waits: phases are spread


def test_phases_are_spread_over_a_period_and_keep_the_rate():
    asked = Cameras(3, 10)
    first = [next(frame_gaps_ns(asked, number)) for number in range(3)]
    assert first == [33_333_333, 66_666_667, 100_000_000]
    assert sum(islice(frame_gaps_ns(asked, 0), 1000)) == pytest.approx(1000 / 10 * 1e9 - 2 / 30 * 1e9, abs=1)


@pytest.mark.parametrize("load", [1.5, 3.0, 10.0])
def test_a_camera_that_is_too_fast_loses_what_is_too_much(load):
    """One server that always has work: its rate is 1 / S, and what comes beyond is dropped."""
    service_ns = alone_ns(ON_A_PI)
    found = simulate(ON_A_PI.with_options(cameras=f"1x{load * 1e9 / service_ns:.6f}")).summary
    assert found["throughput_ips"] == pytest.approx(1e9 / service_ns, rel=1e-3)
    assert found["skipped_share"] == pytest.approx(1 - 1 / load, abs=2e-3)
    assert found["bottleneck"] != "arrivals" and not found["overloaded"]
    # A frame that is kept finds one frame waiting and one in work, at most: it is done within KEPT + 1 services.
    assert KEPT * service_ns / 1e6 <= found["age_ms"]["p50"] <= found["age_ms"]["max"] <= (KEPT + 1) * service_ns / 1e6


def test_each_camera_has_one_request_outstanding():
    """Little's law for a full server: N requests are there, so each takes N services."""
    found = simulate(ON_A_PI.with_options(cameras="8x30", regions=2)).summary
    service_ms = alone_ns(ON_A_PI) / 1e6
    assert found["latency_ms"]["mean"] == pytest.approx(8 * service_ms, rel=0.01)
    assert found["throughput_ips"] == pytest.approx(1e3 / service_ms, rel=0.01)
    assert estimate(ON_A_PI.with_options(cameras="8x30", regions=2))["latency_ms"]["mean"] == pytest.approx(
        8 * service_ms, rel=1e-6
    )


def test_motion_and_regions_are_kept_on_average():
    found = simulate(ON_A_PI.with_options(cameras="4x5", motion=0.4, regions=3.5)).summary
    assert found["throughput_ips"] == pytest.approx(4 * 5 * 0.4 * 3.5, rel=0.03)
    asked = Cameras(1, 1, 0.25, 2.5)
    drawn = list(islice(inferences_of_frames(asked, 0, 0), 40_000))
    needed = [many for many in drawn if many]
    assert len(needed) / len(drawn) == pytest.approx(0.25, abs=0.01)
    assert sum(needed) / len(needed) == pytest.approx(2.5, abs=0.05)  # four standard errors of 10 000 draws
    assert drawn != list(islice(inferences_of_frames(asked, 0, 1), 40_000))


def test_frames_of_a_scene_are_alike_and_those_of_all_scenes_are_geometric():
    """A Poisson count of an exponential mean m is geometric: mean m, variance m (1 + m). Frames n apart share a scene
    with probability (1 - 1 / length) ** n, and then their counts have the covariance of the mean, m squared."""
    asked, mean = Cameras(1, 10, regions=3.0, scene_s=0.5), 2.0
    further = [many - 1 for many in islice(inferences_of_frames(asked, 0, 0), 200_000)]
    found = fmean(further)
    assert found == pytest.approx(mean, rel=0.03)
    assert pvariance(further) == pytest.approx(mean * (1 + mean), rel=0.05)
    for apart in (1, 3, 10):
        together = fmean((a - found) * (b - found) for a, b in zip(further, further[apart:], strict=False))
        assert together == pytest.approx(mean**2 * (1 - 1 / 5) ** apart, abs=0.15), apart


def test_a_scene_moves_or_stands_still():
    asked = Cameras(1, 10, motion=0.3, scene_s=20.0)
    moves = [bool(many) for many in islice(inferences_of_frames(asked, 0, 0), 400_000)]
    assert fmean(moves) == pytest.approx(0.3, abs=0.03)  # 2000 scenes
    turns = sum(a != b for a, b in pairwise(moves))
    assert turns / len(moves) == pytest.approx(2 * 0.3 * 0.7 / 200, rel=0.15)


def test_busy_scenes_lose_more_frames_than_quiet_ones():
    """So the frames that are kept have fewer regions than all have; without scenes they have as many."""
    for scene_s, fewer in ((0.0, 0.0), (5.0, 0.15)):
        asked = ON_A_PI.with_options(cameras="8x5", regions=4, scene_s=scene_s, inferences=60_000)
        found = simulate(asked).summary
        kept = found["throughput_ips"] / (8 * 5 * (1 - found["skipped_share"]))
        assert (kept < (1 - fewer) * 4) if fewer else (kept == pytest.approx(4, rel=0.02))


def by_hand(asked, service_ns, servers, end_ns):
    """The same cameras at servers with a common line, as a loop over sorted events; frames, skipped, ages, services."""
    events, kept, busy, line = [], [deque() for _ in range(asked.count)], [None] * asked.count, deque()
    gaps = [frame_gaps_ns(asked, number) for number in range(asked.count)]
    draws = [inferences_of_frames(asked, 0, number) for number in range(asked.count)]
    free, frames, skipped, ages, done = servers, 0, 0, [], 0
    for number, gap in enumerate(gaps):
        heappush(events, (next(gap), 1, number, 0))
    while events[0][0] <= end_ns:
        now, kind, number, _ = heappop(events)
        if kind == 1:  # a frame
            frames, many = frames + 1, next(draws[number])
            heappush(events, (now + next(gaps[number]), 1, number, 0))
            if len(kept[number]) >= KEPT:
                skipped += 1
            else:
                kept[number].append((now, many))
        else:  # an inference is done
            done, free = done + 1, free + 1
            taken, left = busy[number]
            busy[number] = (taken, left - 1) if left > 1 else None
            if left == 1:
                ages.append(now - taken)
            else:
                line.append(number)
        while busy[number] is None and kept[number]:
            taken, many = kept[number].popleft()
            if many:
                busy[number] = (taken, many)
                line.append(number)
        while free and line:
            free -= 1
            heappush(events, (now + service_ns, 0, line.popleft(), 0))
    return frames, skipped, ages, done


@pytest.mark.parametrize("threads, cameras, motion, regions, scene_s", [
    (1, "5x7", 1.0, 2.2, 0.0), (1, "16x5", 0.7, 3.5, 0.0), (2, "6x11", 0.5, 4.0, 0.0), (3, "9x13", 1.0, 2.0, 0.0),
    (1, "5x7", 1.0, 2.2, 3.0), (2, "6x11", 0.5, 4.0, 1.0), (3, "9x13", 1.0, 2.0, 0.05),
])  # fmt: skip
def test_random_cameras_do_what_a_loop_by_hand_does(threads, cameras, motion, regions, scene_s):
    """On the CPU a thread is a server of constant service time."""
    scenario = Scenario(
        models="mobilenet_v1_0.25_128", accelerators=0, threads=threads, mode="processes", host="raspberry-pi-4",
        app_ms="9:wait", cameras=cameras, motion=motion, regions=regions, scene_s=scene_s, duration_s=400,
    )  # fmt: skip
    asked = parse_cameras(cameras, motion, regions, scene_s)
    frames, skipped, ages, done = by_hand(asked, alone_ns(scenario), threads, 400 * 10**9)
    found = simulate(scenario.with_options(duration_s=0, inferences=done)).summary  # a quarter of them is warm-up
    scenes = 2 if scene_s else 1  # what is left out matters more
    assert found["skipped_share"] == pytest.approx(skipped / frames, abs=0.01 * scenes)
    assert found["throughput_ips"] == pytest.approx(done / 400, rel=0.01 * scenes)
    assert found["age_ms"]["mean"] == pytest.approx(sum(ages) / len(ages) / 1e6, rel=0.05 * scenes)


def test_the_deadline_is_one_of_frames():
    scenario = ON_A_PI.with_options(cameras="8x30", regions=2)
    median = simulate(scenario).summary["age_ms"]["p50"]
    assert simulate(scenario.with_options(deadline_ms=median)).summary["missed_share"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("cameras", ["3x10", "20x10"])
def test_the_closed_form_knows_rate_and_skipped_frames(cameras):
    run, found = (answer(ON_A_PI.with_options(cameras=cameras)) for answer in (lambda s: simulate(s).summary, estimate))
    assert found["throughput_ips"] == pytest.approx(run["throughput_ips"], rel=0.01)
    assert found["skipped_share"] == pytest.approx(run["skipped_share"], abs=0.01)
    assert found["bottleneck"] == run["bottleneck"]


def test_the_closed_form_says_what_it_cannot_tell():
    assert any(
        "only a run tells" in note for note in estimate(ON_A_PI.with_options(cameras="3x5", regions=2))["warnings"]
    )


def test_a_pipeline_serves_cameras():
    found = simulate(Scenario(models="inception_v3_299", mode="pipeline", num_segments=2, cameras="4x5")).summary
    assert found["throughput_ips"] == pytest.approx(20, rel=0.01) and found["skipped_share"] == 0


@pytest.mark.parametrize(
    "text", ["3", "x10", "3x", "0x10", "3x0", "3x1e9", "2000x5", "3x10x2", "ax5", "3x1.2.3", "-1x5"]
)
def test_what_is_no_camera_is_refused(text):
    with pytest.raises(InputError, match="--cameras must be NxFPS such as 3x10"):
        Scenario(models=NET, cameras=text)


@pytest.mark.parametrize("regions", [1.0, 3.0])
@pytest.mark.parametrize("inferences", [1, 2, 30, 200])
def test_every_frame_that_is_done_has_an_age_and_none_is_zero(regions, inferences):
    """Law: as many ages as frames whose last inference is counted, or a note that there is none."""
    asked = Scenario(
        models="ssdlite_mobiledet_320", host="raspberry-pi-4", cameras="3x10", regions=regions, inferences=inferences
    )
    found = simulate(asked, compare=False)
    ages = found.window.frames.ages_ns
    said = any("no frame was done" in note for note in found.summary["warnings"])
    assert said == (not ages) and all(age > 0 for age in ages)
    if regions == 1:
        assert len(ages) == found.window.count
        assert found.summary["age_ms"]["max"] >= found.summary["latency_ms"]["max"]
