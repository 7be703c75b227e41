"""Sizes that nobody measured: what their assumed numbers do to a prediction, against part files with other numbers."""

from dataclasses import replace
from math import exp, sqrt

import pytest

from hwmodels.edgetpu.accelerator import load_accelerator
from sim.engine import simulate
from sim.estimator import estimate
from sim.scenario import Scenario
from sim.setup import build
from sim.trust.sensitivity import at_end, notes, sensitivities, sides, swept, with_part

NETWORK = "mobilenet_v2_1.0_224"
NETWORKS = (NETWORK, "inception_v4_299", "efficientdet_lite2_448")
EXTRAPOLATED = ("small", "large")


def _file(tmp_path, base, numbers):
    path = tmp_path / f"{base}.toml"
    rows = [f'{key} = {{ value = {value}, status = "assumed", source = "test" }}' for key, value in numbers.items()]
    path.write_text("\n".join(['kind = "accelerator"', f'base = "{base}"', *rows, ""]))
    return str(path)


def _moving(part):
    return [key for key in swept(part) if not key.startswith(("power_", "energy_"))]


def test_only_sizes_that_nobody_measured_are_swept():
    assert swept(load_accelerator("coral")) == []
    assert {"clock_hz", "cells_per_tile", "narrow_bytes_per_tile", "parameter_cache_bytes"} <= set(
        swept(load_accelerator("large"))
    )
    assert {"clock_hz", "tiles_y", "parameter_cache_bytes"} <= set(swept(load_accelerator("small")))


@pytest.mark.parametrize("size", EXTRAPOLATED)
def test_a_range_holds_its_number(size):
    part = load_accelerator(size)
    for key in swept(part):
        low, high = part.quantities[key].range
        assert low <= getattr(part, key) <= high, key


def test_a_number_without_a_range_adds_nothing(tmp_path):
    bare = _file(tmp_path, "coral", {"cells_per_tile": 64, "clock_hz": 500e6})
    part = load_accelerator(bare)
    assert part.is_extrapolated
    assert not {"cells_per_tile", "clock_hz"} & set(swept(part))
    assert not any(any(one.throughput) for one in sensitivities(build(Scenario(models=NETWORK, size=bare))))
    alike, coral = estimate(Scenario(models=NETWORK, size=bare)), estimate(Scenario(models=NETWORK))
    assert alike["interval90"]["throughput_ips"] == pytest.approx(coral["interval90"]["throughput_ips"])


@pytest.mark.parametrize("size", EXTRAPOLATED)
def test_an_end_is_what_a_part_file_with_that_number_gives(size, tmp_path):
    part = load_accelerator(size)
    base = estimate(Scenario(models=NETWORK, size=size))["throughput_ips"]
    found = {one.key: one for one in sensitivities(build(Scenario(models=NETWORK, size=size)))}
    for key in _moving(part):
        if key == "narrow_bytes_per_tile":  # takes the limits of the bands along
            continue
        for end in (0, 1):
            other = _file(tmp_path, size, {key: part.quantities[key].range[end]})
            ips = estimate(Scenario(models=NETWORK, size=other))["throughput_ips"]
            assert exp(found[key].throughput[end]) == pytest.approx(ips / base, rel=1e-9), (key, end)


@pytest.mark.parametrize("size", EXTRAPOLATED)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_interval_holds_the_middle_of_all_ranges(size, network, tmp_path):
    part = load_accelerator(size)
    middles = {key: sum(part.quantities[key].range) / 2 for key in _moving(part)}
    middles = {key: round(value) if isinstance(getattr(part, key), int) else value for key, value in middles.items()}
    central = estimate(Scenario(models=network, size=_file(tmp_path, size, middles)))
    interval = estimate(Scenario(models=network, size=size))["interval90"]
    for key, value in (
        ("throughput_ips", central["throughput_ips"]),
        ("invoke_mean_ms", central["invoke_ms"]["mean"]),
        ("energy_mj_per_inference", central["energy_mj_per_inference"]),
    ):
        low, high = interval[key]
        assert low < value < high, key


@pytest.mark.parametrize("size", EXTRAPOLATED)
@pytest.mark.parametrize("network", NETWORKS)
def test_the_interval_is_wider_than_corals(size, network):
    widths = []
    for name in ("coral", size):
        low, high = estimate(Scenario(models=network, size=name))["interval90"]["throughput_ips"]
        widths.append(high / low)
    assert widths[0] < widths[1]


def test_the_warning_names_what_matters_most():
    setup = build(Scenario(models=NETWORK, size="small"))
    found = sensitivities(setup)
    widest = max(found, key=lambda one: max(map(abs, one.throughput)))
    (note,) = notes(setup, found)
    assert note.startswith(f"size small: {widest.key} is assumed and matters most")
    assert note in estimate(Scenario(models=NETWORK, size="small"))["warnings"]
    assert not list(notes(build(Scenario(models=NETWORK)), []))


def test_sides_by_hand():
    assert sides([]) == (0, 0)
    assert sides([(-0.3, 0.0), (0.0, 0.4)]) == pytest.approx((0.3 / sqrt(3), 0.4 / sqrt(3)))
    assert sides([(-0.3, 0.1), (0.2, -0.4)]) == pytest.approx((0.5 / sqrt(3), sqrt(0.05) / sqrt(3)))


def test_bands_grow_with_what_holds_them():
    part = load_accelerator("large")
    low = at_end(part, "narrow_bytes_per_tile", 0)
    assert [row[0] / low.narrow_bytes_per_tile for row in low.stream_passes] == pytest.approx(
        [row[0] / part.narrow_bytes_per_tile for row in part.stream_passes]
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"threads": 2, "accelerators": 2},
        {"models": f"{NETWORK},inception_v1_224", "threads": 2, "cocompile": True},
        {"mode": "pipeline", "num_segments": 2},
        {"mode": "pipeline", "num_segments": 2, "runner": "python"},
        {"mode": "coexec", "threads": 2},
        {"preprocess": "resize", "mode": "processes"},
        {"clock": "std"},
        {"size": "small:1,coral:1", "threads": 2},
        {"models": "deeplab_v3_mobilenet_v2_513"},
    ],
)
def test_another_part_with_the_same_numbers_changes_nothing(options):
    setup = build(Scenario(**({"models": NETWORK, "size": "small"} | options)))
    part = setup.accelerators[0]
    for key in ("", "clock_hz", "layer_cycles"):
        again = with_part(setup, part, replace(part, layer_cycles=part.layer_cycles), key)
        assert again.stage_times == setup.stage_times
        assert again.clocks_hz == setup.clocks_hz


def test_a_number_of_a_part_may_take_its_value_from_the_base(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        'kind = "accelerator"\nbase = "coral"\nlayer_cycles = { status = "assumed", source = "x", range = [0, 9999] }\n'
    )
    own, coral = load_accelerator(str(path)), load_accelerator("coral")
    assert own.layer_cycles == coral.layer_cycles
    assert own.quantities["layer_cycles"].range == (0, 9999)
    assert own.quantities["layer_cycles"].std_error is None


def test_a_count_stays_whole_at_both_ends(tmp_path):
    """A range of bytes may end between two of them."""
    path = tmp_path / "odd.toml"
    path.write_text(
        'kind = "accelerator"\nname = "odd"\nbase = "large"\n'
        'narrow_bytes_per_tile = { value = 524288, status = "assumed", source = "test", range = [0.5, 700000.5] }\n'
    )
    part = load_accelerator(str(path))
    assert [at_end(part, "narrow_bytes_per_tile", end).narrow_bytes_per_tile for end in (0, 1)] == [1, 700001]
    assert simulate(Scenario(models="deeplab_v3_mobilenet_v2_513", size=str(path), inferences=2)).summary["interval90"]
