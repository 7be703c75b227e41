from dataclasses import dataclass, replace

import pytest

from hwmodels.errors import InputError
from hwmodels.graph import Layer, LayerGraph, Tensor
from hwmodels.host import cpu_op_ns, frame_ns, load_host, postprocess_ns
from hwmodels.parts import part_names

BOARDS = {
    "x86-xeon",
    "x86-xeon-w2135",
    "x86-desktop",
    "x86-laptop",
    "dev-board",
    "dev-board-mini",
    "dev-board-micro",
    "raspberry-pi-2",
    "raspberry-pi-2-32bit",
    "raspberry-pi-3b",
    "raspberry-pi-3b-32bit",
    "raspberry-pi-3b-plus",
    "raspberry-pi-3b-plus-32bit",
    "raspberry-pi-3b-plus-tensorflow",
    "raspberry-pi-4",
    "raspberry-pi-4-32bit",
    "raspberry-pi-5",
    "raspberry-pi-cm4",
    "jetson-nano",
    "orange-pi-6-plus",
    "rk3399",
    "odroid-xu4",
}


def plain_host(**numbers):
    nothing = dict.fromkeys(
        [key for key in vars(load_host("x86-xeon")) if key.endswith(("_mac", "_element", "_ns", "_tap", "_byte"))], 0.0
    )
    return replace(load_host("x86-xeon"), **{**nothing, "cached_weight_bytes": 0, "thread_efficiency": 0.5, **numbers})


def layer(op, source, result, *weights, kernel=(1, 1), inputs=()):
    sources = (Tensor(0, "int8", source), *inputs)
    return Layer(0, op, sources, (Tensor(9, "int8", result),), tuple(Tensor(-1, "int8", w) for w in weights), kernel)


CONV3 = layer("CONV_2D", (1, 4, 4, 8), (1, 4, 4, 16), (16, 3, 3, 8), kernel=(3, 3))  # 18 432 MACs
CONV1 = layer("CONV_2D", (1, 4, 4, 8), (1, 4, 4, 16), (16, 1, 1, 8))  # 2 048 MACs
DEPTHWISE = layer("DEPTHWISE_CONV_2D", (1, 4, 4, 8), (1, 4, 4, 8), (1, 3, 3, 8), kernel=(3, 3))  # 1 152 MACs
DENSE = layer("FULLY_CONNECTED", (1, 100), (1, 50), (50, 100))  # 5 000 MACs


def test_every_board_has_a_part():
    assert set(part_names("host")) >= BOARDS


@pytest.mark.parametrize("name", part_names("host"))
def test_every_number_says_where_it_comes_from_and_how_sure_it_is(name):
    host = load_host(name)
    for key, quantity in host.quantities.items():
        assert len(quantity.source) > 3, key
        if quantity.status in ("fitted", "assumed"):
            assert quantity.std_error or quantity.range, key
        if quantity.range:
            assert quantity.range[0] <= quantity.value <= quantity.range[1], key


@pytest.mark.parametrize("name", part_names("host"))
def test_numbers_are_plausible(name):
    host = load_host(name)
    assert host.cores >= 1
    assert 0 < host.thread_efficiency <= 1
    assert 0 <= host.gil_share <= 1
    assert host.power_core_idle_w < host.power_core_busy_w
    assert any(host.bus(bus)[0] for bus in ("usb3", "usb2", "pcie"))


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (CONV3, 18432 * 0.1 + (128 + 256) * 3 + 7),
        (CONV1, 2048 * 0.2 + (128 + 256) * 3 + 7),
        (DEPTHWISE, 1152 * 0.5 + 7),
        (DENSE, 5000 * 0.4 + 7),
        (layer("MAX_POOL_2D", (1, 4, 4, 8), (1, 2, 2, 8), kernel=(2, 2)), 32 * 4 * 0.6 + 7),
        (layer("ADD", (1, 4, 4, 8), (1, 4, 4, 8)), 128 * 1.5 + 7),
        (layer("SOFTMAX", (1, 10), (1, 10)), 10 * 5 + 7),
        (layer("PAD", (1, 4, 4, 8), (1, 6, 6, 8)), 288 * 0.25 + 7),
        (layer("NO_SUCH_OP", (1, 4, 4, 8), (1, 4, 4, 8)), 128 * 1.5 + 7),
    ],
)
def test_operator_costs_against_hand_numbers(op, expected):
    host = plain_host(
        conv_ns_per_mac=0.1, pointwise_ns_per_mac=0.2, conv_ns_per_element=3, depthwise_ns_per_mac=0.5,
        dense_ns_per_mac=0.4, pool_ns_per_tap=0.6, elementwise_ns_per_element=1.5, softmax_ns_per_element=5,
        move_ns_per_byte=0.25, op_ns=7,
    )  # fmt: skip
    assert cpu_op_ns(op, host) == pytest.approx(expected, abs=1)


def test_a_host_without_own_figures_takes_those_of_the_next_kind():
    host = plain_host(conv_ns_per_mac=0.1, depthwise_ns_per_mac=0.5)
    assert cpu_op_ns(CONV1, host) == pytest.approx(204.8, abs=1)
    assert cpu_op_ns(layer("MAX_POOL_2D", (1, 4, 4, 8), (1, 2, 2, 8), kernel=(2, 2)), host) == 64


def test_weights_beyond_the_cache_come_from_memory():
    near = plain_host(dense_ns_per_mac=1, stream_ns_per_byte=2, cached_weight_bytes=5000)
    far = replace(near, cached_weight_bytes=4999)
    assert cpu_op_ns(DENSE, near) == 5000
    assert cpu_op_ns(DENSE, far) == 5000 + 2 * 5000


def test_detection_pays_for_scores_and_for_kept_boxes():
    boxes, scores = Tensor(0, "float32", (1, 100, 4)), Tensor(1, "float32", (1, 100, 11))
    op = Layer(0, "TFLite_Detection_PostProcess", (boxes, scores), (Tensor(2, "float32", (1, 10, 4)),))
    assert cpu_op_ns(op, plain_host(anchor_ns=2, overlap_ns=3)) == 1100 * 2 + 100 * 10 * 3


def test_threads_speed_up_convolutions_only():
    host = plain_host(conv_ns_per_mac=1, dense_ns_per_mac=1, cores=4)
    assert cpu_op_ns(CONV3, host, num_threads=3) == 18432 / 2
    assert cpu_op_ns(CONV3, host, num_threads=64) == cpu_op_ns(CONV3, host, num_threads=4)
    assert cpu_op_ns(DENSE, host, num_threads=3) == 5000


def test_builtin_kernels_cost_their_factor():
    host = plain_host(conv_ns_per_mac=1, elementwise_ns_per_element=1, builtin_slowdown=3, builtin_element_slowdown=2)
    assert cpu_op_ns(CONV3, host, "builtin") == 3 * 18432
    assert cpu_op_ns(layer("ADD", (1, 4, 4, 8), (1, 4, 4, 8)), host, "builtin") == 256
    with pytest.raises(InputError, match="xnnpack, builtin"):
        cpu_op_ns(CONV3, host, "neon")


def test_frame_and_result_cost_their_pixels_and_elements():
    source, result = Tensor(0, "int8", (1, 10, 10, 3)), Tensor(1, "int8", (1, 1000))
    graph = LayerGraph("small", (), (source,), (result,))
    host = plain_host(frame_ns_per_pixel=0.5, cast_ns_per_byte=2, python_call_ns=11, decode_ns_per_element=3)
    assert frame_ns(graph, host, 40, 30) == 1200 * 0.5 + 300 * 2
    assert postprocess_ns(graph, host) == 11 + 1000 * 3


def test_an_unknown_bus_says_nothing():
    assert load_host("x86-xeon").bus("firewire") == (0, 0, 0, 0)
    assert load_host("dev-board").bus("pcie")[0] == pytest.approx(389e6, rel=0.05)


@pytest.mark.parametrize(
    ("host", "model", "threads", "measured_ms"),
    [
        ("x86-xeon", "mobilenet_v2_1.0_224", 1, 46.6),
        ("dev-board", "inception_v1_224", 1, 413),
        ("raspberry-pi-4-32bit", "mobilenet_v1_1.0_224", 1, 126),
        ("raspberry-pi-3b", "ssdlite_mobilenet_v2_300", 1, 396),
        ("raspberry-pi-3b", "ssdlite_mobilenet_v2_300", 4, 140),
        ("raspberry-pi-2", "efficientdet_lite0_320", 2, 1195),
    ],
)
def test_published_times_of_whole_networks_on_the_cpu(host, model, threads, measured_ms):
    from hwmodels import load_network

    part = load_host(host)
    total = sum(cpu_op_ns(op, part, num_threads=threads) for op in load_network(model).layers)
    assert total / 1e6 == pytest.approx(measured_ms, rel=0.2)


@dataclass
class Published:
    source_id: str = ""
    host_id: str = ""
    host: str = ""
    conditions: str = ""


@pytest.mark.parametrize(
    ("row", "part"),
    [
        (Published("nobuo", "raspberry-pi-4", "Raspberry Pi 4 (32bit)"), "raspberry-pi-4-32bit"),
        (Published("nobuo", "raspberry-pi-4", "Raspberry Pi 4 (64bit)"), "raspberry-pi-4"),
        (Published("nobuo", "raspberry-pi-2", "Raspberry Pi 2 (32bit)"), "raspberry-pi-2"),
        (Published("edgetpu_api_ref", "raspberry-pi-3b", "Raspberry Pi 3B v1.2"), "raspberry-pi-3b-32bit"),
        (Published("salimmj", "x86-desktop", "", "quant=False; link not stated"), "x86-desktop-float"),
        (Published("villarrubia"), ""),
    ],
)
def test_a_row_finds_the_part_of_its_word_size_and_kernels(row, part):
    from calibration.corrections import host_part_of

    assert host_part_of(row) == part


def test_every_other_part_is_shipped():
    from calibration.corrections import OTHER_PARTS

    assert set(OTHER_PARTS.values()) <= set(part_names("host"))


def test_the_cpu_fit_predicts_what_made_its_rows():
    pytest.importorskip("scipy")
    from calibration.cpufit import CpuSample, fit_cpu, leave_one_out, predicted_ns
    from hwmodels import load_network

    names = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "inception_v1_224", "ssd_mobilenet_v1_coco_300")
    host = load_host("raspberry-pi-3b")
    samples = [
        CpuSample(graph, sum(cpu_op_ns(op, host, num_threads=threads) for op in graph.layers), threads)
        for graph in map(load_network, names)
        for threads in (1, 4)
    ]
    fit = fit_cpu(samples)
    assert predicted_ns(fit, samples) == pytest.approx([sample.ns for sample in samples], rel=0.03)
    assert abs(leave_one_out(samples)).max() < 0.2
    for key in ("conv_ns_per_mac", "pointwise_ns_per_mac", "thread_efficiency"):
        assert fit.values[key] == pytest.approx(getattr(host, key), abs=3 * fit.std_errors[key])


def test_a_fit_is_written_into_the_part_file(tmp_path):
    from calibration.cpufit import CpuFit, update_part

    path = tmp_path / "own.toml"
    path.write_text('kind = "host"\nbase = "x86-xeon"\nop_ns = { value = 1, status = "assumed", source = "before" }\n')
    update_part(path, CpuFit({"op_ns": 800.0, "anchor_ns": 9.0}, {"op_ns": 50.0, "anchor_ns": 2.0}), "a test")
    host = load_host(str(path))
    assert (host.op_ns, host.anchor_ns) == (800, 9)
    assert host.quantities["op_ns"].std_error == 50


def test_shipped_parts_are_what_the_shipped_rows_give():
    pytest.importorskip("scipy")
    from calibration.cpurows import fit_hosts

    for part, fit in fit_hosts(["raspberry-pi-3b", "x86-xeon", "raspberry-pi-4"]).items():
        host = load_host(part)
        for key, value in fit.values.items():
            assert getattr(host, key) == pytest.approx(value, rel=0.05), (part, key)


def test_rows_named_by_their_number_get_their_networks_name():
    from calibration.corrections import corrected
    from calibration.data import Row

    row = Row(
        "file", 1, "conv5x3x3_f7_64x64", "invoke_latency_ms", 1.0, source_id="villarrubia", link="none", threads=2
    )
    assert corrected(row).model == "conv5x3x3_f102_64x64"
    for same in (replace(row, threads=1), replace(row, link="pcie"), replace(row, source_id="own")):
        assert corrected(same).model == row.model
