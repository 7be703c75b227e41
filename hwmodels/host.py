"""Hosts: cores, what a CPU operator, a copy, a Python call and an inference's dispatch cost on them.

Constants live in the part files of ``hosts/``; kernels, thread and word size of every figure are in its source.

An operator's time is a fixed cost and what its kind of work costs: multiply-accumulates, taps, elements or bytes
(:data:`CPU_OP_COSTS`). How the constants were found, and how well whole networks fit: docs/measuring.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from typing import ClassVar

from hwmodels.errors import InputError
from hwmodels.graph import Layer, LayerGraph
from hwmodels.parts import Part, load

__all__ = ["Host", "cpu_op_ns", "frame_ns", "load_host", "postprocess_ns"]

MAX_CORES = 4096
KERNELS = ("xnnpack", "builtin")
BUSES = ("usb3", "usb2", "pcie")
CUSTOM_DETECTION = "TFLite_Detection_PostProcess"


@dataclass(frozen=True, kw_only=True)
class Host(Part):
    """A host computer: times in ns (of one core), rates in bytes/s, powers in W.

    A bus that the host's file does not name (0) is taken at the link's own numbers. ``pointwise_ns_per_mac`` and
    ``pool_ns_per_tap`` at 0 are as a convolution's and a depthwise convolution's MAC, ``argmax_ns_per_element`` at 0 is
    as another element-wise operator's. Dense weights of a layer beyond
    ``cached_weight_bytes`` (0: no limit) come out of main memory at ``stream_ns_per_byte``. ``gil_handover_ns`` comes
    on top of a switch interval, ``python_stage_ns`` is what a pipeline of Python threads and queues does for a segment
    under the GIL, ``thread_wake_ns`` the time from putting into a queue to its reader running; ``jitter_cv`` the
    coefficient of variation of an invoke. ``first_touch_ns_per_byte`` is what an interpreter's first inference pays for
    result memory that nobody used before (:func:`hwmodels.timing.touched_bytes`).
    """

    DIVISORS: ClassVar[frozenset[str]] = frozenset(["cores"])

    cores: int
    conv_ns_per_mac: float
    depthwise_ns_per_mac: float
    dense_ns_per_mac: float
    elementwise_ns_per_element: float
    activation_ns_per_element: float
    softmax_ns_per_element: float
    move_ns_per_byte: float
    resize_ns_per_element: float
    anchor_ns: float
    keypoint_ns: float
    op_ns: float
    builtin_slowdown: float
    thread_efficiency: float
    copy_ns_per_byte: float
    driver_cpu_ns: float
    python_call_ns: float
    frame_ns_per_pixel: float
    cast_ns_per_byte: float
    decode_ns_per_element: float
    gil_share: float
    switch_ns: float
    gil_handover_ns: float
    python_stage_ns: float
    thread_wake_ns: float
    jitter_cv: float
    pointwise_ns_per_mac: float = 0
    conv_ns_per_element: float = 0
    pool_ns_per_tap: float = 0
    argmax_ns_per_element: float = 0
    overlap_ns: float = 0
    builtin_element_slowdown: float = 1
    stream_ns_per_byte: float = 0
    cached_weight_bytes: float = 0
    first_touch_ns_per_byte: float = 0
    usb3_out_bytes_per_s: float = 0
    usb3_in_bytes_per_s: float = 0
    usb3_floor_ns: float = 0
    usb3_instruction_ns_per_byte: float = 0
    usb2_out_bytes_per_s: float = 0
    usb2_in_bytes_per_s: float = 0
    usb2_floor_ns: float = 0
    usb2_instruction_ns_per_byte: float = 0
    pcie_out_bytes_per_s: float = 0
    pcie_in_bytes_per_s: float = 0
    pcie_floor_ns: float = 0
    pcie_instruction_ns_per_byte: float = 0
    power_board_w: float
    power_core_busy_w: float
    power_core_idle_w: float
    power_awake_w: float = 0

    def bus(self, name: str) -> tuple[float, float, float, float]:
        """Return (out bytes/s, in bytes/s, floor ns, extra ns per instruction byte) of a bus; 0 where unknown.

        Parameters
        ----------
        name
            ``usb3``, ``usb2`` or ``pcie`` (the root of a link's part file); any other bus is unknown.
        """
        if name not in BUSES:
            return 0, 0, 0, 0
        out, inward, floor, per_byte = (
            getattr(self, f"{name}_{key}")
            for key in ("out_bytes_per_s", "in_bytes_per_s", "floor_ns", "instruction_ns_per_byte")
        )
        return out, inward, floor, per_byte


def load_host(name_or_path: str) -> Host:
    """Load a host by name (``x86-xeon``, ``raspberry-pi-4``, ...) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    host = load("host", Host, name_or_path)
    if host.cores > MAX_CORES:
        raise InputError(f"{name_or_path}: cores", host.cores, f"1 to {MAX_CORES}")
    return host


def _conv_ns(layer: Layer, host: Host) -> float:
    """Multiply-accumulates, and packing of every input that is read and requantising of every output value."""
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
    """One comparison for every value read: no requantisation, which makes an addition slow where no SIMD kernel is."""
    return layer.input.n_elements * (host.argmax_ns_per_element or host.elementwise_ns_per_element)


def _move_ns(layer: Layer, host: Host) -> float:
    return sum(t.n_bytes for t in layer.outputs) * host.move_ns_per_byte


def _detection_ns(layer: Layer, host: Host) -> float:
    """Box decoding and non-max suppression: boxes times classes, and every detection kept against every box.

    The second part shows in the runs with 10 to 100 detections of N. Tsukamoto's benchmarks.
    """
    scores = max((t.n_elements for t in layer.inputs), default=0)
    boxes = layer.input.n_elements // 4
    kept = layer.output.n_elements // 4
    return scores * host.anchor_ns + boxes * kept * host.overlap_ns


def _pose_ns(layer: Layer, host: Host) -> float:
    return sum(t.n_elements for t in layer.inputs) * host.keypoint_ns


_FAMILIES: list[tuple[Callable[[Layer, Host], float], str]] = [
    (_conv_ns, "CONV_2D TRANSPOSE_CONV BATCH_MATMUL CONV_3D"),
    (_depthwise_ns, "DEPTHWISE_CONV_2D"),
    (_dense_ns, "FULLY_CONNECTED UNIDIRECTIONAL_SEQUENCE_LSTM"),
    (_pool_ns, "MAX_POOL_2D AVERAGE_POOL_2D L2_POOL_2D"),
    (_reduce_ns, "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_PROD"),
    (_argmax_ns, "ARG_MAX ARG_MIN"),
    (_per_element("softmax_ns_per_element"), "SOFTMAX LOG_SOFTMAX EXP L2_NORMALIZATION RSQRT SQRT GELU ERF POW"),
    (
        _per_element("activation_ns_per_element"),
        "LOGISTIC TANH RELU RELU6 PRELU LEAKY_RELU HARD_SWISH QUANTIZE DEQUANTIZE",
    ),
    (_per_element("resize_ns_per_element"), "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR"),
    (
        _move_ns,
        """CONCATENATION PAD PADV2 MIRROR_PAD SLICE STRIDED_SLICE SPLIT SPLIT_V PACK UNPACK TRANSPOSE SPACE_TO_DEPTH
        DEPTH_TO_SPACE TILE GATHER CAST RESHAPE SQUEEZE EXPAND_DIMS SPACE_TO_BATCH_ND BATCH_TO_SPACE_ND""",
    ),
    (_detection_ns, f"{CUSTOM_DETECTION} NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5"),
    (_pose_ns, "PosenetDecoderOp"),
]

CPU_OP_COSTS = {op: cost for cost, ops in _FAMILIES for op in ops.split()}
MAC_FAMILIES = frozenset(op for _, ops in _FAMILIES[:3] for op in ops.split())
#: Ops that XNNPACK leaves to the built-in kernels.
UNDELEGATED = frozenset(
    op for cost, ops in _FAMILIES if cost in (_argmax_ns, _detection_ns, _pose_ns) for op in ops.split()
)
#: Ops that the interpreter spreads over its threads; dense layers of one image gain nothing (villarrubia, 1-8 threads).
THREADED = frozenset(op for _, ops in _FAMILIES[:2] for op in ops.split())


def cpu_op_ns(layer: Layer, host: Host, kernels: str = "xnnpack", num_threads: int = 1) -> int:
    """Time of one operator on the host's CPU in ns, rounded up; an unknown op costs as an element-wise one.

    ``kernels`` is ``xnnpack`` or ``builtin`` (slower by the host's factors); only convolutions use more than one of
    the interpreter's threads. Raises :class:`InputError` for another kernel set.

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
        raise InputError("--cpu-kernels", kernels, ", ".join(KERNELS))
    work = CPU_OP_COSTS.get(layer.op, _per_element("elementwise_ns_per_element"))(layer, host)
    if kernels == "builtin" and layer.op not in UNDELEGATED:
        work *= host.builtin_slowdown if layer.op in MAC_FAMILIES else host.builtin_element_slowdown
    if layer.op in THREADED:
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
    """Resize a WxH RGB frame in memory to the input and cast it: time goes with frame pixels and input bytes.

    Parameters
    ----------
    graph
        Its inputs' bytes are written.
    host
        ``frame_ns_per_pixel`` of the frame, ``cast_ns_per_byte`` of the inputs.
    width, height
        Of the camera's frame, in pixels.
    """
    return ceil(width * height * host.frame_ns_per_pixel + sum(t.n_bytes for t in graph.inputs) * host.cast_ns_per_byte)


def postprocess_ns(graph: LayerGraph, host: Host) -> int:
    """Dequantise and decode the result (top-k, boxes, argmax): time goes with output elements.

    One Python call, and ``decode_ns_per_element`` for every output element.
    """
    return ceil(host.python_call_ns + sum(t.n_elements for t in graph.outputs) * host.decode_ns_per_element)
