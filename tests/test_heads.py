"""``--classes`` and ``--max-boxes``: the head by hand, its cost on the host, where the options go, what is refused."""

from __future__ import annotations

import json
from math import prod

import pytest

from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.networks.graph import LayerGraph
from hwmodels.networks.heads import load_with_heads
from hwmodels.networks.zoo import load_network
from sim import Scenario, advise, estimate, simulate
from sim.commands.cli import main
from sim.study.sweeps import evaluate

#: Maps that heads read: positions, channels, boxes at each position.
SSD_MAPS = ((19 * 19, 576, 3), (100, 1280, 6), (25, 512, 6), (9, 256, 6), (4, 256, 6), (1, 128, 6))
YOLO_MAPS = ((40 * 40, 64, 3), (20 * 20, 128, 3), (10 * 10, 256, 3))


def parameters(graph: LayerGraph) -> int:
    return sum(prod(weight.shape) for layer in graph.layers for weight in layer.weights)


@pytest.mark.parametrize(
    ("name", "maps", "fewer"),
    [("ssd_mobilenet_v2_coco_300", SSD_MAPS, 90 - 3), ("yolov5n_320", YOLO_MAPS, 80 - 3)],
)
def test_parameters_and_macs_of_a_head_of_three_classes_by_hand(name, maps, fewer):
    """A class less is a filter less for each box: one weight a channel, and a bias."""
    whole = load_network(name)
    (small,) = load_with_heads([name], classes=3)
    assert parameters(whole) - parameters(small) == fewer * sum(boxes * (channels + 1) for _, channels, boxes in maps)
    assert whole.macs - small.macs == fewer * sum(places * channels * boxes for places, channels, boxes in maps)


def cpu_ms(**options):
    breakdown = estimate(Scenario(host="raspberry-pi-4", **options))["time_breakdown_ms"]
    return breakdown["cpu_ops"], breakdown["postprocess"]


def test_post_processing_costs_less_with_fewer_classes_and_boxes():
    """A score is dequantised and sorted, a box kept is compared with all others: costs of the host's part file."""
    name = "efficientdet_lite0_320"
    anchors = next(layer for layer in load_network(name).layers if "PostProcess" in layer.op).inputs[1].shape[1]
    (whole, _), (three, _), (ten, _) = (
        cpu_ms(models=name, **options) for options in ({}, {"classes": 3}, {"classes": 3, "max_boxes": 10})
    )
    host = load_host("raspberry-pi-4")
    fewer_scores, fewer_pairs = anchors * (90 - 3), anchors * (25 - 10)
    score_ns = host.activation_ns_per_element + host.anchor_ns
    assert whole - three == pytest.approx(fewer_scores * score_ns / 1e6, rel=0.02)
    assert three - ten == pytest.approx(fewer_pairs * host.overlap_ns / 1e6, rel=0.02)
    _, before = cpu_ms(models="yolov5n_320", preprocess="resize")
    _, after = cpu_ms(models="yolov5n_320", preprocess="resize", classes=3)
    assert after == pytest.approx(before * (5 + 3) / (5 + 80), rel=0.05)


WHERE = {
    "run": {}, "pipeline": {"mode": "pipeline", "accelerators": 2}, "processes": {"mode": "processes", "threads": 2},
    "cpu": {"accelerators": 0}, "mix": {"models": "efficientdet_lite0_320:1,mobilenet_v2_1.0_224:1"},
}  # fmt: skip


@pytest.mark.parametrize("options", WHERE.values(), ids=WHERE)
def test_an_option_is_the_same_as_a_name_that_says_it(options):
    options = {"models": "efficientdet_lite0_320", **options}
    named = options | {"models": options["models"].replace("lite0_320", "lite0_320_classes3_boxes10")}
    asked, said = (
        estimate(Scenario(host="raspberry-pi-4", **o)) for o in (options | {"classes": 3, "max_boxes": 10}, named)
    )
    assert asked["models"] == said["models"]
    assert asked["latency_ms"] == said["latency_ms"]
    assert (asked["scenario"]["classes"], asked["scenario"]["max_boxes"]) == (3, 10)


def test_baselines_advice_and_rows_have_the_same_head():
    scenario = Scenario(models="yolov5n_320", classes=3, threads=2, host="raspberry-pi-4")
    answer = simulate(scenario).summary
    assert answer["baseline"]["models"] == "yolov5n_320_classes3"
    again = simulate(Scenario(**{k: v for k, v in answer["baseline"].items() if k != "mix"})).summary
    assert list(again["models"]) == ["yolov5n_320_classes3"]
    assert answer["speedup_vs_one_thread"] == pytest.approx(
        answer["throughput_ips"] / again["throughput_ips"], rel=1e-6
    )
    steps = advise(scenario)["now"]
    assert steps["scenario"]["classes"] == 3
    assert evaluate({"models": "yolov5n_320", "classes": 3, "inferences": 8})["classes"] == 3


def test_a_cascade_changes_its_detector_alone():
    answer = estimate(Scenario(models="ssdlite_mobiledet_320>mobilenet_v2_1.0_224:0.3", classes=2, max_boxes=20))
    assert list(answer["models"]) == ["ssdlite_mobiledet_320_classes2_boxes20", "mobilenet_v2_1.0_224"]


REFUSED = [
    ({"models": "mobilenet_v2_1.0_224", "classes": 3}, "--classes cannot act on mobilenet_v2_1.0_224, which is no det"),
    ({"models": "centernet_mobilenet_v2_fpn_512", "classes": 3}, "whose head is not known"),
    ({"models": "yolov8n", "max_boxes": 5}, "--max-boxes cannot act on yolov8n_320, which leaves the choice of boxes"),
    ({"models": "mobilenet_v2_1.0_224", "max_boxes": 5}, "--max-boxes cannot act on mobilenet_v2_1.0_224, which is no"),
    ({"models": "yolov5n_320_classes5", "classes": 3}, "--classes is 3, but MODEL yolov5n_320_classes5 names 5"),
    ({"models": "profile:boards.csv#one", "classes": 3}, "a profile has its measured stage times"),
    ({"models": "yolov5n_320", "classes": 10_001}, "--classes must be 0 to 10000"),
    ({"models": "yolov5n_320", "max_boxes": -1}, "--max-boxes must be 0 to 10000"),
]


@pytest.mark.parametrize(("options", "words"), REFUSED)
def test_an_option_that_cannot_act_is_refused_with_the_reason(options, words):
    with pytest.raises(InputError) as error:
        estimate(Scenario(**options))
    assert words in str(error.value)


def test_a_file_keeps_its_head(tmp_path):
    pytest.importorskip("flatbuffers")
    from calibration.harness.tflite_writer import write_model

    path = tmp_path / "yolov5n_mine.tflite"
    write_model(load_network("mobilenet_v1_0.25_128"), path)
    for option in ({"classes": 3}, {"max_boxes": 3}):
        with pytest.raises(InputError, match="which has the head that it was exported with"):
            estimate(Scenario(models=str(path), **option))


def test_compile_takes_them_too(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["edgetpusim", "compile", "yolov5n", "--classes", "3", "--json"])
    with pytest.raises(SystemExit) as end:
        main()
    report = json.loads(capsys.readouterr().out)
    assert not end.value.code
    assert (report["model"], report["macs"]) == ("yolov5n_320_classes3", load_network("yolov5n_320_classes3").macs)
