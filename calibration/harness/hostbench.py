"""Measure a host without a device: operator costs, copies, pre- and postprocessing, and the hand-over of the GIL.

Every operator is timed as a file of its own (see ``tflite_writer``) in the interpreter that Edge TPU programs use.
The lower quartile of many runs counts: what the machine needs when nobody disturbs it.
"""

from __future__ import annotations

import importlib
import mmap
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import prod
from statistics import median
from typing import Any

import numpy as np

from calibration.harness.gil import serial_share, switch_ns
from calibration.harness.tflite_writer import CUSTOM, model_bytes
from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph, Tensor
from hwmodels.networks.operators import operator

__all__ = ["Figure", "interpreter_version", "is_busy", "make_interpreter", "measure_host", "one_op"]

BENCH_S = 0.25
FRAME_WIDTH, FRAME_HEIGHT = 1280, 720


@dataclass(frozen=True)
class Figure:
    """One measured constant of a host: key of the part file, value, lowest and highest, and how it was measured."""

    key: str
    value: float
    low: float
    high: float
    source: str


def interpreter_version() -> str:
    """Return name and version of the interpreter package that :func:`make_interpreter` uses."""
    for package in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{package} {version(package)}"
        except PackageNotFoundError:
            continue
    return "no interpreter"


def make_interpreter(content: bytes, num_threads: int = 1, builtin: bool = False) -> Any:
    """Return an interpreter with its tensors allocated, on the default kernels (XNNPACK) or the built-in ones.

    Raises :class:`InputError` when neither ai-edge-litert nor tflite-runtime is installed.
    """
    options: dict[str, Any] = {"model_content": content, "num_threads": num_threads}
    module = interpreter_module()
    if builtin:
        options["experimental_op_resolver_type"] = module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = module.Interpreter(**options)
    interpreter.allocate_tensors()
    return interpreter


def interpreter_module() -> Any:
    """The installed TFLite interpreter's module; raises :class:`InputError` where there is none."""
    for name in ("ai_edge_litert.interpreter", "tflite_runtime.interpreter"):
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise InputError.problem(
        "the TFLite interpreter",
        "is not installed",
        "run pip install 'edgetpusim[measure]' for ai-edge-litert, or install tflite-runtime",
    )


def quartile_ns(call: Callable[[], object], seconds: float = BENCH_S) -> float:
    """Return the lower quartile of the times of ``call`` in ns, over ``seconds`` and at least 5 calls."""
    for _ in range(3):
        call()
    times: list[int] = []
    end = time.perf_counter_ns() + int(seconds * 1e9)
    while len(times) < 5 or (time.perf_counter_ns() < end and len(times) < 20000):
        start = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - start)
    return float(np.percentile(times, 25))


def one_op(op: str, shape: tuple[int, ...], filters: int = 0, kernel: int = 1, scale: float = 1.0) -> LayerGraph:
    """Return a network of one operator on an input of ``shape``; ``scale`` enlarges a resize or a padding."""
    source = Tensor(0, "int8", shape)
    twice = 2 if operator(op).reads_two else 1
    output, weights = _one_op_shapes(op, shape, filters, kernel, scale)
    constants = tuple(Tensor(-1, "int32" if i else "int8", extents) for i, extents in enumerate(weights))
    dtype = "int64" if op == "ARG_MAX" else "int8"
    layer = Layer(
        0, op, (source,) * twice, (Tensor(1, dtype, output),), constants, kernel=(kernel, kernel), padding="SAME"
    )  # fmt: skip
    return LayerGraph(f"{op.lower()}_{'x'.join(map(str, shape))}", (layer,), (source,), layer.outputs)


def _one_op_shapes(
    op: str, shape: tuple[int, ...], filters: int, kernel: int, scale: float
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    if op == "FULLY_CONNECTED":
        return (1, filters), ((filters, shape[-1]), (filters,))
    if op == "CONV_2D":
        return (*shape[:3], filters), ((filters, kernel, kernel, shape[-1]), (filters,))
    if op == "DEPTHWISE_CONV_2D":
        return shape, ((1, kernel, kernel, shape[-1]), (shape[-1],))
    if op == "CONCATENATION":
        return (*shape[:3], 2 * shape[-1]), ()
    if op == "ARG_MAX":
        return shape[:3], ()
    if op == "MEAN":
        return (1, 1, 1, shape[-1]), ()
    if op in ("RESIZE_BILINEAR", "PAD"):
        return (1, int(shape[1] * scale), int(shape[2] * scale), shape[3]), ()
    return shape, ()


def detection(anchors: int, classes: int, kept: int = 10) -> LayerGraph:
    """Return SSD post-processing alone: decode ``anchors`` boxes of ``classes`` classes and keep the ``kept`` best."""
    boxes, scores = Tensor(0, "float32", (1, anchors, 4)), Tensor(1, "float32", (1, anchors, classes + 1))
    shapes = ((1, kept, 4), (1, kept), (1, kept), (1,))
    outputs = tuple(Tensor(2 + i, "float32", shape) for i, shape in enumerate(shapes))
    layer = Layer(0, CUSTOM, (boxes, scores), outputs, (Tensor(-1, "float32", (anchors, 4)),))
    return LayerGraph(f"detection_{anchors}x{classes}_{kept}", (layer,), (boxes, scores), outputs)


def _macs(graph: LayerGraph) -> int:
    return graph.macs


def _outputs(graph: LayerGraph) -> int:
    return graph.outputs[0].n_elements


def _inputs(graph: LayerGraph) -> int:
    return graph.inputs[0].n_elements


def _taps(graph: LayerGraph) -> int:
    return graph.outputs[0].n_elements * prod(graph.layers[0].kernel)


@dataclass(frozen=True)
class _Series:
    """Networks whose time over their work is one constant of the host's part file."""

    key: str
    work: Callable[[LayerGraph], int]
    graphs: tuple[LayerGraph, ...]
    parallel: bool = False
    delegated: bool = True  # XNNPACK has a kernel for it


def _maps(op: str, shapes: Iterable[tuple[int, ...]], **options: Any) -> tuple[LayerGraph, ...]:
    return tuple(one_op(op, (1, *shape), **options) for shape in shapes)


PICTURES = ((129, 129, 21), (257, 257, 21), (513, 513, 21))  # what segmentation networks end in
SQUARES = ((14, 14, 512), (28, 28, 256), (56, 56, 128))
SERIES: tuple[_Series, ...] = (
    _Series("conv_ns_per_mac", _macs, tuple(one_op("CONV_2D", (1, s, s, c), c, 3) for s, _, c in SQUARES), True),
    _Series("pointwise_ns_per_mac", _macs, tuple(one_op("CONV_2D", (1, s, s, c), 2 * c) for s, _, c in SQUARES), True),
    _Series("depthwise_ns_per_mac", _macs, _maps("DEPTHWISE_CONV_2D", SQUARES, kernel=3), True),
    _Series("dense_ns_per_mac", _macs, tuple(one_op("FULLY_CONNECTED", (1, n), n) for n in (1024, 2048, 4096))),
    _Series(
        "pool_ns_per_tap",
        _taps,
        _maps("MAX_POOL_2D", SQUARES, kernel=3) + _maps("AVERAGE_POOL_2D", SQUARES, kernel=3),
    ),
    _Series("elementwise_ns_per_element", _outputs, _maps("ADD", SQUARES) + _maps("MUL", SQUARES)),
    _Series("activation_ns_per_element", _outputs, _maps("LOGISTIC", SQUARES) + _maps("QUANTIZE", SQUARES)),
    _Series("softmax_ns_per_element", _outputs, tuple(one_op("SOFTMAX", (1, n)) for n in (1001, 10010))),
    _Series("move_ns_per_byte", _outputs, _maps("PAD", SQUARES, scale=1.25) + _maps("CONCATENATION", SQUARES)),
    _Series("argmax_ns_per_element", _inputs, _maps("ARG_MAX", PICTURES), delegated=False),
    _Series("resize_ns_per_element", _outputs, _maps("RESIZE_BILINEAR", SQUARES, scale=2.0)),
)


def measure_host(frame: bool = True) -> list[Figure]:
    """Measure every constant of a host's part file that needs no device; about a minute.

    ``frame`` also times the resizing of an image, where Pillow is installed. On a machine that is busy when it starts
    the figures of two threads are left out.
    """
    busy = is_busy()
    call_ns, idle_ns, op_ns = _call_times_ns()
    base = [
        _figure("python_call_ns", [call_ns], "set_tensor, invoke and get_tensor of an empty network"),
        _figure("op_ns", [op_ns], "slope over 100 tiny additions"),
    ]
    fast = {series.key: _series_times(series, idle_ns, builtin=False) for series in SERIES}
    slow = {series.key: _series_times(series, idle_ns, builtin=True) for series in SERIES}
    figures = [_figure(series.key, _rates(series, fast[series.key]), _text(series)) for series in SERIES]
    rest = [*_detection_figures(), *_memory_figures(), *(_frame_figures(busy) if frame else [])]
    per_mac = next(figure.value for figure in figures if figure.key == "pointwise_ns_per_mac")
    shared = [] if busy else [_threads(idle_ns)]
    return [*base, *figures, _thin_figure(per_mac, idle_ns), *_slowdowns(fast, slow), *shared, *rest]


def is_busy() -> bool:
    """Whether other programs keep more than half a core busy: figures of two threads would be wrong then."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5


def _thin_figure(per_mac: float, idle_ns: float) -> Figure:
    """Packing and requantising: what 1x1 convolutions of few channels take beyond their multiply-accumulates."""
    shapes = (((1, 112, 112, 16), 96), ((1, 56, 56, 24), 144), ((1, 56, 56, 144), 24))
    found = []
    for shape, filters in shapes:
        graph = one_op("CONV_2D", shape, filters)
        left = quartile_ns(_ready(model_bytes(graph), False).invoke) - idle_ns - graph.macs * per_mac
        found.append(max(0.0, left) / (graph.inputs[0].n_elements + graph.outputs[0].n_elements))
    return _figure("conv_ns_per_element", found, "3 one-operator files of 1x1 CONV_2D with few channels")


def _detection_figures(classes: int = 90) -> list[Figure]:
    """SSD post-processing: a part that goes with the scores, and one with boxes times kept detections."""
    scores, overlaps = [], []
    for anchors in (1917, 19206):
        few, many = (_ready(model_bytes(detection(anchors, classes, kept)), False) for kept in (10, 100))
        few_ns, many_ns = quartile_ns(few.invoke), quartile_ns(many.invoke)
        overlaps.append(max(0.0, many_ns - few_ns) / (90 * anchors))
        scores.append(max(0.0, few_ns / anchors - 10 * overlaps[-1]) / (classes + 1))
    text = "TFLite_Detection_PostProcess of 1917 and 19206 boxes, 10 and 100 kept, random scores"
    return [_figure("anchor_ns", scores, text), _figure("overlap_ns", overlaps, text)]


def _figure(key: str, values: Sequence[float], source: str) -> Figure:
    return Figure(key, median(values), min(values), max(values), source)


def _text(series: _Series) -> str:
    ops = dict.fromkeys(graph.layers[0].op for graph in series.graphs)
    return f"{len(series.graphs)} one-operator files of {', '.join(ops)}"


def _call_times_ns() -> tuple[float, float, float]:
    """Return the times of an empty round of set, invoke and get, of an empty invoke alone, and of one tiny operator."""
    content = model_bytes(_additions(1))
    one, many = (quartile_ns(_ready(model_bytes(_additions(count)), True).invoke) for count in (1, 101))
    op_ns = max(1.0, (many - one) / 100)
    return max(1.0, _round_ns(content) - op_ns), max(0.0, one - op_ns), op_ns


def _ready(content: bytes, builtin: bool, num_threads: int = 1) -> Any:
    interpreter = make_interpreter(content, num_threads, builtin)
    _fill(interpreter)
    return interpreter


def _additions(count: int) -> LayerGraph:
    tensors = [Tensor(i, "int8", (1, 1, 1, 8)) for i in range(count + 1)]
    layers = tuple(Layer(i, "ADD", (tensors[i],) * 2, (tensors[i + 1],)) for i in range(count))
    return LayerGraph("additions", layers, (tensors[0],), (tensors[-1],))


def _round_ns(content: bytes) -> float:
    interpreter = make_interpreter(content, builtin=True)
    source = interpreter.get_input_details()[0]
    result = interpreter.get_output_details()[0]["index"]
    data = np.zeros(source["shape"], source["dtype"])

    def call() -> None:
        """One inference with its input and output tensors."""
        interpreter.set_tensor(source["index"], data)
        interpreter.invoke()
        interpreter.get_tensor(result)

    return quartile_ns(call)


def _series_times(series: _Series, idle_ns: float, builtin: bool, num_threads: int = 1) -> list[float]:
    ready = (_ready(model_bytes(graph), builtin, num_threads) for graph in series.graphs)
    return [max(1.0, quartile_ns(interpreter.invoke) - idle_ns) for interpreter in ready]


def _fill(interpreter: Any) -> None:
    random = np.random.default_rng(0)
    for detail in interpreter.get_input_details():
        is_float = detail["dtype"] is np.float32
        values = random.random(detail["shape"]) if is_float else random.integers(-128, 128, detail["shape"])
        interpreter.set_tensor(detail["index"], values.astype(detail["dtype"]))


def _rates(series: _Series, times: Sequence[float]) -> list[float]:
    return [ns / series.work(graph) for ns, graph in zip(times, series.graphs, strict=True)]


def _is_rest(series: _Series) -> bool:
    return series.delegated and series.work is not _macs


def _slowdowns(fast: dict[str, list[float]], slow: dict[str, list[float]]) -> list[Figure]:
    """Built-in over optimised kernels: one factor for multiply-accumulates (by convolutions), one for the rest."""
    ratios = {key: [b / a for a, b in zip(fast[key], slow[key], strict=True)] for key in fast}
    mac = ratios["conv_ns_per_mac"] + ratios["pointwise_ns_per_mac"]
    rest = [ratio for series in SERIES if _is_rest(series) for ratio in ratios[series.key]]
    text = "built-in over XNNPACK time of the same one-operator files"
    return [_figure("builtin_slowdown", mac, text), _figure("builtin_element_slowdown", rest, text)]


def _threads(idle_ns: float) -> Figure:
    """Gain of the second thread: the best of the sizes counts, as neighbours on the machine only take away."""
    gains = []
    for series in SERIES:
        if series.parallel:
            one, two = (_series_times(series, idle_ns, builtin=False, num_threads=n) for n in (1, 2))
            gains.append(max(a / b - 1 for a, b in zip(one, two, strict=True)))
    text = "two interpreter threads against one, convolutions"
    return _figure("thread_efficiency", [min(1.0, max(0.05, gain)) for gain in gains], text)


def _memory_figures() -> list[Figure]:
    source = np.zeros(4 << 20, np.uint8)
    target = np.empty_like(source)
    result = np.zeros((1, 1001), np.int8)
    image = np.zeros((224, 224, 3), np.uint8)
    copy = quartile_ns(lambda: np.copyto(target, source)) / source.size
    cast = quartile_ns(lambda: (image ^ 0x80).view(np.int8)) / image.size
    decode = quartile_ns(lambda: top_k(result)) / result.size
    return [
        _figure("copy_ns_per_byte", [copy], "copy of 4 MiB"),
        _figure(
            "first_touch_ns_per_byte", [first_touch_ns(4 << 20)], "filling 4 MiB of fresh memory, less filling it again"
        ),
        _figure("cast_ns_per_byte", [cast], "numpy sign flip of 224x224x3"),
        _figure("decode_ns_per_element", [decode], "dequantise 1001 scores in numpy and take the top ten"),
        _figure("switch_ns", [switch_ns()], "two threads that wake each other"),
    ]


def first_touch_ns(n_bytes: int, rounds: int = 25) -> float:
    """What the first use of a byte of memory costs beyond its later use (ns): page faults and clearing; at least 0."""
    surplus = []
    for _ in range(rounds):
        with mmap.mmap(-1, n_bytes) as fresh:
            memory = np.frombuffer(fresh, np.uint8)
            times = []
            for value in (1, 2):
                begin = time.perf_counter_ns()
                memory.fill(value)
                times.append(time.perf_counter_ns() - begin)
            surplus.append((times[0] - times[1]) / n_bytes)
            del memory  # the map cannot be closed while it is looked at
    return max(0.0, float(np.percentile(surplus, 25)))


def _host_work(
    resize: Callable[[], None], image: np.ndarray[Any, Any], scores: np.ndarray[Any, Any], rounds: int = 50
) -> None:
    for _ in range(rounds):
        resize()
        (image ^ 0x80).view(np.int8)
        top_k(scores)


def top_k(scores: np.ndarray[Any, Any], k: int = 10) -> np.ndarray[Any, Any]:
    """Dequantise class scores and return the indices of the ``k`` best, best first."""
    values = 0.004 * (scores[0].astype(np.float32) + 128)
    best = np.argpartition(-values, k)[:k]
    return np.asarray(best[np.argsort(-values[best])])


def _frame_figures(busy: bool) -> list[Figure]:
    try:
        from PIL import Image
    except ImportError:
        return []
    picture = Image.fromarray(np.zeros((FRAME_HEIGHT, FRAME_WIDTH, 3), np.uint8))

    def resize() -> None:
        """The resize of one frame."""
        picture.resize((224, 224), Image.Resampling.BILINEAR)

    image, scores = np.zeros((224, 224, 3), np.uint8), np.zeros((1, 1001), np.int8)
    per_pixel = quartile_ns(resize) / (FRAME_WIDTH * FRAME_HEIGHT)
    text = f"{FRAME_WIDTH}x{FRAME_HEIGHT} to 224x224, Pillow, bilinear"
    figures = [_figure("frame_ns_per_pixel", [per_pixel], text)]
    if not busy:
        share = serial_share(lambda: _host_work(resize, image, scores))
        figures.append(_figure("gil_share", [share], f"two threads against one, {text}, sign flip and top ten"))
    return figures
