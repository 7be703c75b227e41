"""Measurements that tell device models apart: a free host floor cannot imitate them (docs/device-model.md)."""

from __future__ import annotations

import re
from dataclasses import replace
from statistics import fmean

import pytest

from calibration.measurements import Measurement
from calibration.predict import predict
from calibration.setups import Parts, executable_of
from calibration.shipped import load_dataset
from hwmodels import compile_network, load_network
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.allocation import parameter_capacity_bytes
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.cost import layer_cost
from hwmodels.edgetpu.operators import OPERATORS
from sim import Scenario, simulate
from sim.setup import build

PARTS = Parts()


def rows(dataset: str, pattern: str, metric: str = "invoke_latency_ms", **wanted: str) -> list[Measurement]:
    found = [row for row in load_dataset(dataset) if row.metric == metric and re.fullmatch(pattern, row.model)]
    return [row for row in found if all(getattr(row, key) == value for key, value in wanted.items())]


def error(row: Measurement) -> float:
    return predict(row, PARTS) / row.value - 1


def mape(found: list[Measurement]) -> float:
    return fmean(abs(error(row)) for row in found)


CLOCK_PAIRS = ["mobilenet_v1_1.0_224", "inception_v1_224", "efficientnet_edgetpu_s", "efficientnet_edgetpu_l"]


@pytest.mark.parametrize("model", CLOCK_PAIRS)
def test_clock_dependent_part(model: str) -> None:
    """Time at 250 MHz less time at 500 MHz holds no host and no link (qutibench; the largest printed to 1 ms)."""
    slow, fast = (rows("qutibench_power", model, clock_id=clock)[0] for clock in ("std", "max"))
    modelled, measured = predict(slow, PARTS) - predict(fast, PARTS), slow.value - fast.value
    rounding = 0.7 if abs(slow.value - round(slow.value)) < 1e-3 else 0.0
    assert abs(modelled - measured) < 0.15 * measured + rounding


@pytest.mark.parametrize("host", ["raspberry-pi-4", "raspberry-pi-5"])
@pytest.mark.parametrize("model", ["yolov8n", "yolov8s"])
def test_clock_dependent_part_of_detectors(model: str, host: str) -> None:
    """Both sizes together: CPU operators cancel (ultralytics, printed to 0.1 ms)."""
    found = rows("independent_latency", model, host_id=host, source_id="ultralytics")
    slow, fast = ([row for row in found if row.clock_id == clock] for clock in ("std", "max"))
    modelled = sum(predict(r, PARTS) for r in slow) - sum(predict(r, PARTS) for r in fast)
    measured = sum(r.value for r in slow) - sum(r.value for r in fast)
    assert modelled / measured - 1 == pytest.approx(0, abs=0.15)


def test_depthwise_chain() -> None:
    """Ten depthwise layers more: the host's share cancels (fmfi_opbench); past 192 KiB a tile the time doubles."""
    errors = []
    for row in rows("independent_latency", r"depthwise_k5_c\d+"):
        base = rows("independent_latency", row.model.replace("depthwise_k5", "baseline_io"))[0]
        modelled = predict(row, PARTS) - predict(base, PARTS)
        errors.append(abs(modelled / (row.value - base.value) - 1))
    assert len(errors) == 9
    assert fmean(errors) < 0.10


@pytest.mark.parametrize("link", ["usb3", "usb2"])
def test_stack_of_7x7_convolutions(link: str) -> None:
    found = rows("jetson_nano_layers", r"conv7x7_.*", link=link)
    assert len(found) == 9
    assert mape(found) < 0.05


@pytest.mark.parametrize("link", ["usb3", "usb2"])
def test_dense_chains(link: str) -> None:
    found = rows("jetson_nano_layers", r"dense_u.*", link=link)
    assert len(found) == 15
    assert mape(found) < 0.05


@pytest.mark.parametrize(("low", "high"), [(452, 512), (522, 632), (642, 702), (712, 750)])
def test_streamed_convolutions(low: int, high: int) -> None:
    """Regimes of re-sent parameters (villarrubia)."""
    found = [row for row in rows("villarrubia_synthetic", r"conv5x3x3_.*", mode="single", link="pcie")
             if low <= int(re.findall(r"_f(\d+)_", row.model)[0]) <= high]  # fmt: skip
    assert len(found) > 1
    assert mape(found) < 0.06


def test_cached_and_streamed_sweeps() -> None:
    single = rows("villarrubia_synthetic", r"(conv5x3x3|fc5)_.*", mode="single", link="pcie")
    streams = {row.model: any(p.blob_bytes and not p.cached for p in executable_of(row, PARTS).plans) for row in single}
    conv = [row for row in single if row.model.startswith("conv")]
    assert mape([row for row in conv if not streams[row.model]]) < 0.05
    assert mape([row for row in conv if streams[row.model]]) < 0.03
    assert mape([row for row in single if row.model.startswith("fc5") and streams[row.model]]) < 0.03


def test_placement_of_both_sweeps() -> None:
    """Off-chip bytes as the compiler logged them, and so the number of spilled layers."""
    found = rows("villarrubia_synthetic", r"(conv5x3x3|fc5)_.*", "param_off_chip_bytes", mode="single")
    assert len(found) == 157
    for row in found:
        assert abs(predict(row, PARTS) - row.value) / load_network(row.model).parameter_bytes < 0.02, row.model


def test_swaps_and_co_compiled_pairs() -> None:
    found = rows("google_reference", ".*", "alternating_pair_latency_ms")
    assert len(found) == 16
    assert mape(found) < 0.04


@pytest.mark.parametrize(
    ("network", "mib"),
    [
        ("mobilenet_v1_1.0_224", 7.14), ("mobilenet_v2_1.0_224", 6.91), ("resnet_50_v1_224", 6.25),
        ("conv7x7_f32_128x128_n50", 5.01), ("dense_u100_n100", 8.02),
    ],
)  # fmt: skip
def test_capacities_in_compiler_logs(network: str, mib: float) -> None:
    """What the logs call available (jetson_nano_layers.csv, docs/device-model.md)."""
    capacity = parameter_capacity_bytes(load_network(network).layers, load_accelerator("coral"), load_compiler("2019"))
    assert capacity / 2**20 == pytest.approx(mib, rel=0.015)


@pytest.mark.parametrize("link", ["usb3", "usb2", "pcie"])
@pytest.mark.parametrize("network", ["mobilenet_v2_1.0_224", "inception_v4_299", "ssd_mobilenet_v1_coco_300"])
def test_simulator_and_closed_form_agree(network: str, link: str) -> None:
    scenario = Scenario(models=network, link=link, host="raspberry-pi-4")
    setup = build(scenario)
    closed_ms = setup.stage_times[0][0].invoke_ns / 1e6
    assert simulate(scenario).summary["invoke_ms"]["mean"] == pytest.approx(closed_ms, rel=1e-6)


def test_every_cost_grows_with_its_own_number() -> None:
    part = load_accelerator("coral")
    keys = [
        key
        for key in part.quantities
        if "_cycles_" in key or key in ("layer_cycles", "weight_load_cycles", "weight_reread_factor")
    ]
    networks = ["mobilenet_v1_1.0_224", "inception_v1_224", "yolov8n_320", "fc5_n500_in64_out10", "resnet_50_v1_224",
                "mobilefacenet_112"]  # fmt: skip
    layers = [layer for name in networks for layer in load_network(name).layers if layer.op in OPERATORS]

    def total(changed: dict[str, float]) -> float:
        return sum(layer_cost(layer, replace(part, **changed)).cycles for layer in layers)  # type: ignore[arg-type]  # fields by name

    base = total({})
    assert len(keys) >= 11
    for key in keys:
        assert total({key: getattr(part, key) * 1.5}) > base, key


def test_a_larger_array_is_not_slower() -> None:
    compiled = [compile_network("resnet_50_v1_224", size) for size in ("small", "coral", "large")]
    small, coral, large = (sum(plan.cycles for plan in executable.plans) for executable in compiled)
    assert small > coral > large
