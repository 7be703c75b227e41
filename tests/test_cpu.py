"""What the host's CPU does for an inference, against hand numbers and published times."""

from dataclasses import replace

import pytest

from hwmodels.cpu import cpu_op_ns, frame_ns, postprocess_ns
from hwmodels.errors import InputError
from hwmodels.host import load_host
from hwmodels.networks.graph import Layer, LayerGraph, Tensor


def test_arg_max_reads_its_input_once():
    layer = Layer(0, "ARG_MAX", (Tensor(0, "uint8", (1, 5, 5, 21)),), (Tensor(1, "int64", (1, 5, 5)),))
    host = replace(load_host("dev-board"), argmax_ns_per_element=3.0, elementwise_ns_per_element=7.0, op_ns=100.0)
    assert cpu_op_ns(layer, host) == 100 + 5 * 5 * 21 * 3
    assert cpu_op_ns(layer, replace(host, argmax_ns_per_element=0)) == 100 + 5 * 5 * 21 * 7
    slow = replace(host, builtin_element_slowdown=9.0)  # XNNPACK has no ARG_MAX: it is the built-in one anyway
    assert cpu_op_ns(layer, slow, kernels="builtin") == cpu_op_ns(layer, host)


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
    with pytest.raises(InputError, match="xnnpack or builtin"):
        cpu_op_ns(CONV3, host, "neon")


def test_frame_and_result_cost_their_pixels_and_elements():
    source, result = Tensor(0, "int8", (1, 10, 10, 3)), Tensor(1, "int8", (1, 1000))
    graph = LayerGraph("small", (), (source,), (result,))
    host = plain_host(frame_ns_per_pixel=0.5, cast_ns_per_byte=2, python_call_ns=11, decode_ns_per_element=3)
    assert frame_ns(graph, host, 40, 30) == 1200 * 0.5 + 300 * 2
    assert postprocess_ns(graph, host) == 11 + 1000 * 3


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
