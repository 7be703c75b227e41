"""Networks at other resolutions: the converter's own files at two resolutions are the oracle."""

from __future__ import annotations

from itertools import permutations

import pytest

from hwmodels import compile_network
from hwmodels.errors import InputError
from hwmodels.networks.graph import from_json, graph_hash, to_json
from hwmodels.networks.variants import STEP, fits, resized, retrained
from hwmodels.networks.zoo import load_network, names
from sim import Scenario, simulate

#: Networks whose traces come from the converter at several resolutions.
AT_SEVERAL = (
    *[(f"mobilenet_v1_{width}_{{}}", ("128", "160", "192", "224")) for width in ("0.25", "0.5", "0.75", "1.0")],
    ("mobilenet_v2_1.0_{}", ("160", "192", "224")),
    ("yolov5n_{}", ("320", "416", "640")),
    ("yolov5s_{}", ("96", "192", "224", "320", "416", "640")),
    ("yolov8n_{}", ("320", "512", "640")),
    ("yolov8s_{}", ("320", "512", "640")),
    ("yolo11n_{}", ("320", "640")),
    ("ssd_mobilenet_v2_fpnlite_{}", ("320", "640")),
    ("unet_mobilenet_v2_{}", ("128", "256")),
    ("bodypix_mobilenet_v1_0.75_{}", ("352x480", "512x512", "768x1024")),
)
PAIRS = [(form.format(a), form.format(b)) for form, sizes in AT_SEVERAL for a, b in permutations(sizes, 2)]


@pytest.mark.parametrize(("known", "other"), PAIRS)
def test_a_resized_network_is_what_the_converter_makes_at_that_size(known: str, other: str) -> None:
    made = load_network(other)
    assert graph_hash(resized(load_network(known), other, made.inputs[0].hwc[:2])) == graph_hash(made)


RESIZED = [
    name for name in names() if name.startswith(("efficientnet", "resnet", "deeplab", "unet", "inception_v1", "nasnet"))
]


@pytest.mark.parametrize("name", RESIZED)
def test_there_and_back_is_the_same_network_and_no_parameter_changes(name: str) -> None:
    graph = load_network(name)
    height, width, _ = graph.inputs[0].hwc
    other = resized(graph, "other", (height + 3 * STEP, width + STEP))
    assert graph_hash(resized(other, name, (height, width))) == graph_hash(graph)
    assert [layer.parameter_bytes for layer in other.layers] == [layer.parameter_bytes for layer in graph.layers]
    assert other.macs > graph.macs
    assert from_json(to_json(other)) == other


@pytest.mark.parametrize("name", ["yolov5s_160", "YOLOv8n-256_int8", "mobilenet_v2_1.0_320x448", "unet_512"])
def test_a_name_with_another_resolution_is_a_network(name: str) -> None:
    graph = load_network(name)
    assert graph.name not in names()
    assert graph_hash(load_network(graph.name)) == graph_hash(graph)
    assert compile_network(graph.name).token == graph_hash(graph)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mobilenet_v2_1.0_225", "a multiple of 32 away from that of mobilenet_v2_1.0_"),
        ("vgg_16_256", "vgg_16_224"),
        ("mobilenet_v2_1.0_0", ""),
        ("yolov5s_99999", ""),
    ],
)
def test_a_resolution_that_cannot_be_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        load_network(name)
    assert reason in str(error.value)


def test_a_layer_that_fixes_the_resolution_is_named() -> None:
    with pytest.raises(InputError, match="dense layer 19 wants 25088 inputs"):
        resized(load_network("vgg_16_224"), "vgg_16_256", (256, 256))
    assert fits((256, 256), load_network("vgg_16_224"))


NEW = (
    "yolov5m_320", "yolov6n_320", "yolov7_tiny_320", "yolov7_tiny_relu_320", "yolov8m_320", "yolov9t_320",
    "yolov9s_320", "yolov9s_relu_320", "yolo11n_320", "yolox_tiny_416", "posenet_resnet_50_s16_288x416",
    "posenet_resnet_50_s32_496x768", "mobilefacenet_112", "facemesh_192", "micro_speech_49x40", "ds_cnn_m_49x10",
    "ds_cnn_l_49x10", "tc_resnet_8_98x40", "tcn_text_118x100", "vit_tiny_16_224", "transformer_block_128x256",
)  # fmt: skip


@pytest.mark.parametrize("size", ["small", "coral", "large"])
@pytest.mark.parametrize("name", NEW)
def test_networks_of_all_kinds_compile_and_run_on_each_size(name: str, size: str) -> None:
    scenario = Scenario(models=name, size=size, inferences=10)
    latency = simulate(scenario, compare=False).summary["latency_ms"]
    assert 0 < latency["p50"] < 100_000
    assert len(compile_network(name, size).plans) == len(load_network(name).layers)


def test_more_pixels_and_as_many_parameters_take_longer() -> None:
    cycles = [
        sum(
            step.cycles for segment in compile_network(f"yolov5n_{size}").accelerator_segments for step in segment.steps
        )
        for size in (128, 192, 256, 320)
    ]
    assert cycles == sorted(cycles)


#: Hashes of the converter's files, from ``python -m traces.generate.convert NAME FOLDER CLASSES``; the classes of SSD
#: detectors include the background there.
CONVERTED = {
    "efficientdet_lite0_320_classes3": "fa5f1fb20f9d5e80",
    "ssd_mobilenet_v2_coco_300_classes3": "5ed9f1e2bce79513",
    "ssd_mobilenet_v2_fpnlite_320_classes3": "65a022e15aa930bb",
    "ssdlite_mobiledet_320_classes1": "ffad04ef82e8e33b",
    "tiny_yolo_v3_416_classes1": "3296276398a5f939",
    "yolo11n_320_classes1": "0d410d474706bb61",
    "yolov5n_320_classes3": "419041a376a00efe",
    "yolov6n_640_classes3": "4967612f4ac29fc4",
    "yolov7_tiny_relu_640_classes1": "196f72058ee31f53",
    "yolov8n_320_classes3": "f3dc5751d2f39090",
    "yolov8n_320_classes90": "97f1f62ed4e1a2d9",
    "yolov8n_320_classes200": "1fda4182c7af7df6",
    "yolov8s_320_classes1": "247f3a2f9a547d1b",
    "yolov9t_relu_640_classes1": "26edb3f4469d2e1b",
    "yolox_tiny_416_classes3": "c5fc12e1f4112080",
}


@pytest.mark.parametrize("name", CONVERTED)
def test_a_detector_with_other_classes_is_what_the_converter_makes(name: str) -> None:
    assert graph_hash(load_network(name)) == CONVERTED[name]


DETECTORS = [name for name in names() if load_network(name).meta.get("task") == "detection"]


#: Detectors whose head is not known: their outputs are points and landmarks.
HEADLESS = ("centernet", "retinaface")


@pytest.mark.parametrize("name", [name for name in DETECTORS if name.startswith(HEADLESS)])
def test_a_detector_whose_head_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot have 3 classes"):
        retrained(load_network(name), name, 3)


@pytest.mark.parametrize("name", [name for name in DETECTORS if not name.startswith(HEADLESS)])
def test_every_detector_takes_other_classes(name: str) -> None:
    graph, sets = (
        load_network(name),
        {"_face": 1, "_bdd": 10, "_voc": 20, "_signs": 45, "_resnet_34": 80, "ssd": 90, "net": 90, "det": 90},
    )
    own = next((count for word, count in sets.items() if word in name), 80)
    assert graph_hash(retrained(graph, name, own)) == graph_hash(graph)
    fewer, more = (load_network(f"{name}_classes{count}") for count in (1, 300))
    assert fewer.parameter_bytes <= graph.parameter_bytes < more.parameter_bytes
    assert [layer.op for layer in fewer.layers] == [layer.op for layer in graph.layers]


#: Parameter bytes, cached and streamed, of files that others compiled with their own classes.
COMPILED = {
    "yolov5n_320_classes3": (1_821_120 + 25_344, "Guby002/yoloDetect best-int8_edgetpu.tflite"),
    "yolov5n_384_classes2": (
        1_821_696 + 36_352,
        "Kudos12th/kudos_edgetpu_yolo 384sn_pretrained_2cfg-int8_edgetpu.tflite",
    ),
    "yolov8n_320_classes2": (3_100_224, "Kudos12th/kudos_edgetpu_yolo tflite_backup/yolov8n_detect.tflite"),
    "yolov8n_320": (3_560_320, "ClemF4/Cattainer yolov8n_full_integer_quant_edgetpu.tflite"),
    "yolov8n_128": (
        3_508_288 + 2_048,
        "jveitchmichaelis/edgetpu-yolo yolov8n_full_integer_quant_edgetpu_128_ETPU.tflite",
    ),
    "yolo11n_640": (1_249_344, "ClemF4/Cattainer yolo11n_full_integer_quant_edgetpu.tflite"),
}


@pytest.mark.parametrize("name", COMPILED)
def test_parameters_are_those_of_compiled_files(name: str) -> None:
    assert sum(plan.blob_bytes for plan in compile_network(name).plans) == pytest.approx(COMPILED[name][0], rel=0.02)


def test_kept_boxes_change_the_outputs_only() -> None:
    graph, kept = load_network("efficientdet_lite0_320"), load_network("EfficientDet-Lite0_boxes10")
    assert [tensor.shape for tensor in kept.outputs] == [(1, 10, 4), (1, 10), (1, 10), (1,)]
    assert kept.layers[:-1] == graph.layers[:-1]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mobilenet_v2_1.0_224_classes3", "a detector of the zoo"),
        ("yolov5s_320_boxes10", "keeps its boxes itself"),
        ("yolov5s_320_classes0", "1 to 10000"),
        ("yolov5s_320_classes99999", "1 to 10000"),
        ("no_such_network_classes3", "zoo list"),
    ],
)
def test_a_head_that_cannot_be_is_refused(name: str, reason: str) -> None:
    with pytest.raises(InputError) as error:
        load_network(name)
    assert reason in str(error.value)
