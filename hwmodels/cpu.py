"""What the host's CPU does for an inference: operators that do not map, frames before it, results after it.

An operator's time is a fixed cost and what its kind of work costs: multiply-accumulates, taps, elements or bytes
(:data:`OPERATORS`). How the constants were found, and how well whole networks fit: docs/measuring.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod

from hwmodels.errors import InputError, either
from hwmodels.host import Host
from hwmodels.networks.graph import Layer, LayerGraph
from hwmodels.networks.operators import is_custom

__all__ = [
    "KERNELS",
    "OPERATORS",
    "CpuOperator",
    "ProgramWork",
    "cpu_op_ns",
    "cpu_operator",
    "frame_ns",
    "is_known",
    "postprocess_ns",
    "program_ns",
    "thread_speedup",
]


KERNELS = ("xnnpack", "builtin")


CUSTOM_DETECTION = "TFLite_Detection_PostProcess"


def _conv_ns(layer: Layer, host: Host) -> float:
    """Time of the multiply-accumulates, of packing every input read, and of requantising every output."""
    per_mac = host.conv_ns_per_mac if prod(layer.kernel) > 1 else host.pointwise_ns_per_mac or host.conv_ns_per_mac
    height, width, channels = layer.output.hwc
    read = min(layer.input.n_elements, height * width * prod(layer.kernel) * layer.input.hwc[2])
    elements = read + height * width * channels
    return layer.macs * per_mac + elements * host.conv_ns_per_element


def _depthwise_ns(layer: Layer, host: Host) -> float:
    return layer.macs * host.depthwise_ns_per_mac


def _dense_ns(layer: Layer, host: Host) -> float:
    """Multiply-accumulates; weights that outgrow the cache come from main memory every time."""
    far = host.cached_weight_bytes and layer.parameter_bytes > host.cached_weight_bytes
    return layer.macs * host.dense_ns_per_mac + (layer.parameter_bytes * host.stream_ns_per_byte if far else 0)


def _per_element(key: str) -> Callable[[Layer, Host], float]:
    return lambda layer, host: sum(t.n_elements for t in layer.outputs) * float(getattr(host, key))


def _pool_ns(layer: Layer, host: Host) -> float:
    taps = layer.output.n_elements * prod(layer.kernel)
    return taps * (host.pool_ns_per_tap or host.depthwise_ns_per_mac)


def _reduce_ns(layer: Layer, host: Host) -> float:
    return layer.input.n_elements * host.elementwise_ns_per_element


def _argmax_ns(layer: Layer, host: Host) -> float:
    """One comparison for every value read.

    Unlike an addition it requantises nothing, which is slow without a SIMD kernel.
    """
    return layer.input.n_elements * (host.argmax_ns_per_element or host.elementwise_ns_per_element)


def _move_ns(layer: Layer, host: Host) -> float:
    return sum(t.n_bytes for t in layer.outputs) * host.move_ns_per_byte


def _detection_ns(layer: Layer, host: Host) -> float:
    """Time of box decoding (boxes x classes) and of non-max suppression.

    The second part compares every kept detection with every box. It shows in the runs with 10 to 100 detections of N.
    Tsukamoto's benchmarks.
    """
    scores = max((t.n_elements for t in layer.inputs), default=0)
    boxes = layer.input.n_elements // 4
    kept = layer.output.n_elements // 4
    return scores * host.anchor_ns + boxes * kept * host.overlap_ns


def _pose_ns(layer: Layer, host: Host) -> float:
    return sum(t.n_elements for t in layer.inputs) * host.keypoint_ns


@dataclass(frozen=True, slots=True)
class CpuOperator:
    """One operator on the host's CPU.

    Attributes
    ----------
    cost
        Time of its work on one core (ns), the operator's own fixed cost not counted.
    multiplies
        Whether its work is multiply-accumulates, which the built-in kernels slow down by a factor of their own.
    threaded
        Whether the interpreter spreads it over its threads; dense layers of one image gain nothing (villarrubia, 1 to 8
        threads).
    delegated
        Whether XNNPACK takes it; what it leaves runs on the built-in kernels anyway.
    """

    cost: Callable[[Layer, Host], float]
    multiplies: bool = False
    threaded: bool = False
    delegated: bool = True


_CONV = CpuOperator(_conv_ns, multiplies=True, threaded=True)
_DENSE = CpuOperator(_dense_ns, multiplies=True)
_POOL = CpuOperator(_pool_ns)
_REDUCTION = CpuOperator(_reduce_ns)
_ARGUMENT = CpuOperator(_argmax_ns, delegated=False)
_TRANSCENDENTAL = CpuOperator(_per_element("softmax_ns_per_element"))
_ACTIVATION = CpuOperator(_per_element("activation_ns_per_element"))
_RESIZE = CpuOperator(_per_element("resize_ns_per_element"))
_MOVE = CpuOperator(_move_ns)
_DETECTION = CpuOperator(_detection_ns, delegated=False)
_ELEMENTWISE = CpuOperator(_per_element("elementwise_ns_per_element"))

#: Operators by TFLite's names and the custom ones of the zoo; any other costs as an element-wise one.
OPERATORS: dict[str, CpuOperator] = {
    "CONV_2D": _CONV,
    "TRANSPOSE_CONV": _CONV,
    "BATCH_MATMUL": _CONV,
    "CONV_3D": _CONV,
    "DEPTHWISE_CONV_2D": CpuOperator(_depthwise_ns, multiplies=True, threaded=True),
    "FULLY_CONNECTED": _DENSE,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _DENSE,
    "MAX_POOL_2D": _POOL,
    "AVERAGE_POOL_2D": _POOL,
    "L2_POOL_2D": _POOL,
    "MEAN": _REDUCTION,
    "SUM": _REDUCTION,
    "REDUCE_MAX": _REDUCTION,
    "REDUCE_MIN": _REDUCTION,
    "REDUCE_PROD": _REDUCTION,
    "ARG_MAX": _ARGUMENT,
    "ARG_MIN": _ARGUMENT,
    "SOFTMAX": _TRANSCENDENTAL,
    "LOG_SOFTMAX": _TRANSCENDENTAL,
    "EXP": _TRANSCENDENTAL,
    "L2_NORMALIZATION": _TRANSCENDENTAL,
    "RSQRT": _TRANSCENDENTAL,
    "SQRT": _TRANSCENDENTAL,
    "GELU": _TRANSCENDENTAL,
    "ERF": _TRANSCENDENTAL,
    "POW": _TRANSCENDENTAL,
    "LOGISTIC": _ACTIVATION,
    "TANH": _ACTIVATION,
    "RELU": _ACTIVATION,
    "RELU6": _ACTIVATION,
    "PRELU": _ACTIVATION,
    "LEAKY_RELU": _ACTIVATION,
    "HARD_SWISH": _ACTIVATION,
    "QUANTIZE": _ACTIVATION,
    "DEQUANTIZE": _ACTIVATION,
    "RESIZE_BILINEAR": _RESIZE,
    "RESIZE_NEAREST_NEIGHBOR": _RESIZE,
    "CONCATENATION": _MOVE,
    "PAD": _MOVE,
    "PADV2": _MOVE,
    "MIRROR_PAD": _MOVE,
    "SLICE": _MOVE,
    "STRIDED_SLICE": _MOVE,
    "SPLIT": _MOVE,
    "SPLIT_V": _MOVE,
    "PACK": _MOVE,
    "UNPACK": _MOVE,
    "TRANSPOSE": _MOVE,
    "SPACE_TO_DEPTH": _MOVE,
    "DEPTH_TO_SPACE": _MOVE,
    "TILE": _MOVE,
    "GATHER": _MOVE,
    "CAST": _MOVE,
    "RESHAPE": _MOVE,
    "SQUEEZE": _MOVE,
    "EXPAND_DIMS": _MOVE,
    "SPACE_TO_BATCH_ND": _MOVE,
    "BATCH_TO_SPACE_ND": _MOVE,
    CUSTOM_DETECTION: _DETECTION,
    "NON_MAX_SUPPRESSION_V4": _DETECTION,
    "NON_MAX_SUPPRESSION_V5": _DETECTION,
    "PosenetDecoderOp": CpuOperator(_pose_ns, delegated=False),
}


def is_known(op: str) -> bool:
    """Whether an operator is one of TFLite's, or a custom one of which the cost is known."""
    return op in OPERATORS or not is_custom(op)


def cpu_operator(op: str) -> CpuOperator:
    """Return an operator's costs by its name. An unknown operator costs as much as an element-wise one."""
    return OPERATORS.get(op, _ELEMENTWISE)


def cpu_op_ns(layer: Layer, host: Host, kernels: str = "xnnpack", num_threads: int = 1) -> int:
    """Return the time of one operator on the host's CPU (ns, rounded up).

    An unknown operator costs as much as an element-wise one. ``kernels`` is ``xnnpack`` or ``builtin`` (slower by the
    host's factors); only convolutions use more than one of the interpreter's threads. Raises :class:`InputError` for
    another kernel set.

    Parameters
    ----------
    layer
        The operator with its shapes.
    host
        Costs of one core in ns.
    kernels
        Set of kernels; ``builtin`` multiplies the operator's work by ``builtin_slowdown`` (multiply-accumulates) or
        ``builtin_element_slowdown``.
    num_threads
        Threads of the interpreter, at most as many as there are cores.

    Returns
    -------
    int
        ceil(op_ns + work / speed-up), in ns.
    """
    if kernels not in KERNELS:
        raise InputError.value("--cpu-kernels", kernels, either(KERNELS))
    row = cpu_operator(layer.op)
    work = row.cost(layer, host)
    if kernels == "builtin" and row.delegated:
        work *= host.builtin_slowdown if row.multiplies else host.builtin_element_slowdown
    if row.threaded:
        work /= thread_speedup(host, num_threads)
    return ceil(host.op_ns + work)


def thread_speedup(host: Host, num_threads: int) -> float:
    """Speed-up of an operator by interpreter threads: each further core adds the host's efficiency.

    Returns
    -------
    float
        1 + (n - 1) x ``thread_efficiency`` with n = min(threads, cores), and at least one thread.
    """
    used = max(1, min(num_threads, host.cores))
    return 1 + (used - 1) * host.thread_efficiency


def frame_ns(graph: LayerGraph, host: Host, width: int, height: int) -> int:
    """Return the time (ns) to resize a WxH RGB frame to the network's input and to cast it.

    It grows with the frame's pixels and the input's bytes.

    Parameters
    ----------
    graph
                The network. Its input bytes count.
    host
        ``frame_ns_per_pixel`` of the frame, ``cast_ns_per_byte`` of the inputs.
    width, height
        Of the camera's frame, in pixels.
    """
    return ceil(width * height * host.frame_ns_per_pixel + sum(t.n_bytes for t in graph.inputs) * host.cast_ns_per_byte)


def postprocess_ns(graph: LayerGraph, host: Host) -> int:
    """Return the time to dequantise and decode the result (top-k, boxes, argmax).

    It grows with the output's elements. One Python call, and ``decode_ns_per_element`` for every output element.
    """
    return ceil(host.python_call_ns + sum(t.n_elements for t in graph.outputs) * host.decode_ns_per_element)


@dataclass(frozen=True, slots=True)
class ProgramWork:
    """What a board's compiled program does on the host for an inference, in counts that a host has costs for.

    Attributes
    ----------
    passes
        Runs of layers that are handed to the accelerator and waited for.
    pixels
        Of the input, copied in.
    classes, scores, boxes
        Output elements by what is done with them: the largest of each pixel is found, an SSD's scores are decoded, a
        YOLO network's boxes are.
    """

    passes: int = 0
    pixels: int = 0
    classes: int = 0
    scores: int = 0
    boxes: int = 0


def program_ns(work: ProgramWork, host: Host) -> tuple[int, int]:
    """Time of a board's compiled program before and after its accelerator's passes, in ns.

    Handing a pass over and copying the input in come before; results are decoded after, by their kind.

    Parameters
    ----------
    work
        Counts of what is to be done; all 0 where a program is no part of the answer.
    host
        Costs of one core.
    """
    before = work.passes * host.submit_ns + work.pixels * host.input_ns_per_pixel
    after = work.classes * host.argmax_ns_per_element + work.scores * host.anchor_ns
    return ceil(before), ceil(after + work.boxes * host.box_ns_per_element)
