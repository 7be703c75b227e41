"""Microbenchmarks: which networks and sizes isolate which parameter, exported as plain int8 .tflite files.

Anyone with a device compiles the files with Google's compiler and runs them through ``edgetpusim-calibrate measure``.
A series varies one thing; the slope over it is the parameter, everything else stays in the intercept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from calibration.harness.tflite_writer import write_model
from hwmodels.errors import InputError, either, nearest
from hwmodels.networks.chain import Chain
from hwmodels.networks.generated import generate
from hwmodels.networks.graph import LayerGraph, Tensor
from hwmodels.networks.zoo import load_network

__all__ = ["CHAINS", "MICROBENCHES", "Microbench", "export", "micro_network", "named_network", "table_markdown"]

LARGEST_SIZE, LARGEST_CHANNELS, LARGEST_COUNT = 512, 2048, 500


@dataclass(frozen=True)
class Microbench:
    """A series of networks: the parameter that its slope isolates, the networks, and why it does."""

    parameter: str
    networks: tuple[str, ...]
    reason: str


def _series(pattern: str, *sizes: object) -> tuple[str, ...]:
    return tuple(pattern.format(size) for size in sizes)


#: The table: run a whole series, fit a line over what varies.
MICROBENCHES: tuple[Microbench, ...] = (
    Microbench(
        "floor of an invoke (host, link)", _series("padding_stride_{0}x{0}", 2, 64, 128, 256),
        "12 bytes in, 16 out, hardly any compute: what is left is driver, protocol and instruction bytes",
    ),
    Microbench(
        "rate to the accelerator", _series("stride_{0}x{0}", 2, 64, 128, 256, 512),
        "the strided 1x1 convolution reads one pixel in many: time goes with the input's bytes alone",
    ),
    Microbench(
        "rate from the accelerator", _series("padding_{0}x{0}", 2, 64, 128, 256),
        "the padded image is the output: time goes with the output's bytes (and the host's copies of them)",
    ),
    Microbench(
        "rate of streamed parameters", _series("fc5_n{}_in64_out10", 1500, 1800, 2100, 2400),
        "dense layers compute in no time, so past the capacity every further byte costs only its transfer",
    ),
    Microbench(
        "parameter capacity", _series("fc5_n{}_in64_out10", 1380, 1400, 1420, 1440, 1460, 1480),
        "one dense layer after the other leaves the chip: latency steps by a whole layer's transfer",
    ),
    Microbench(
        "capacity for convolutions", _series("conv5x3x3_f{}_64x64", 432, 442, 452, 462),
        "as above with 3x3 filters and large maps, whose activations may take part of the memory",
    ),
    Microbench(
        "cycles of a multiply step", _series("conv7x7_f32_128x128_n{}", 2, 10, 25, 50),
        "392 multiply steps a position against 32 outputs to drain; the slope over layers drops the floor",
    ),
    Microbench(
        "cycles of an output byte (drain)", _series("micro_conv1x1_s64_c64_n{}", 2, 8, 16, 32),
        "16 multiply steps a position against 64 outputs to drain: the slope is mostly drain",
    ),
    Microbench(
        "lanes of a tile", _series("conv5x3x3_f{}_64x64", 62, 64, 66, 126, 128, 130, 190, 192, 194),
        "latency and on-chip bytes jump where the outputs need one more group of 64 lanes",
    ),
    Microbench(
        "cycles of a depthwise tap", _series("depthwise_k5_c{}", 16, 64, 128, 256),
        "ten depthwise layers; subtract baseline_io_c<C>, which moves the same bytes without them",
    ),
    Microbench(
        "input and output beside depthwise", _series("baseline_io_c{}", 16, 64, 128, 256),
        "the subtrahend of the row above",
    ),
    Microbench(
        "depthwise, square maps", _series("micro_dw3x3_s64_c64_n{}", 2, 8, 16, 32),
        "the same tap cost on square maps: tells taps from the shape of the tiles",
    ),
    Microbench(
        "cycles of a pooling tap", _series("micro_maxpool3_s64_c64_n{}", 2, 8, 16, 32),
        "nine taps an output, no parameters: slope over layers",
    ),
    Microbench(
        "average pooling", _series("micro_avgpool3_s64_c64_n{}", 2, 8, 16, 32),
        "is the average as dear as the maximum?",
    ),
    Microbench(
        "element-wise addition", _series("micro_add_s64_c64_n{}", 2, 8, 16, 32),
        "two reads and one write an element; not identified by any published row",
    ),
    Microbench(
        "element-wise product", _series("micro_mul_s64_c64_n{}", 2, 8, 16, 32),
        "squeeze-and-excitation blocks live on it; not identified by any published row",
    ),
    Microbench(
        "table functions", _series("micro_logistic_s64_c64_n{}", 2, 8, 16, 32),
        "logistic by table: activations of recent networks",
    ),
    Microbench(
        "concatenation", _series("micro_concat_s64_c64_n{}", 2, 8, 16, 32),
        "concatenate with itself, 1x1 convolution back; subtract the 1x1 row with 128 inputs",
    ),
    Microbench(
        "resizing", _series("micro_resize_s64_c64_n{}", 1, 4, 8, 16),
        "bilinear to twice the size, strided 1x1 convolution back",
    ),
    Microbench(
        "activation memory", _series("micro_conv3x3_s{}_c64_n8", 64, 96, 128, 160, 192),
        "maps outgrow the tiles' memory: the step over the size is the price of bands and spills",
    ),
    Microbench(
        "instruction bytes", _series("dense_u100_n{}", 100, 200, 400, 800),
        "tiny layers: instructions outgrow parameters; slope of latency over instruction bytes",
    ),
)  # fmt: skip


class _Chain(Chain):
    """A chain with the operators that microbenchmarks repeat: each leaves the tensor's shape as it was."""

    def same(self, op: str) -> None:
        """Append an operator that keeps the shape."""
        self.add(op, self.last.shape)

    def pool(self, op: str, kernel: int) -> None:
        """Append a pooling of stride 1 with padding SAME."""
        self.add(op, self.last.shape, kernel=(kernel, kernel), padding="SAME")

    def concat(self) -> None:
        """Append a concatenation with itself, and a convolution back to the channels there were."""
        _, height, width, channels = self.last.shape
        self.add("CONCATENATION", (1, height, width, 2 * channels))
        self.conv(channels, 1)

    def resize(self) -> None:
        """Append a doubling of the map, and a convolution of stride 2 back."""
        _, height, width, channels = self.last.shape
        self.add("RESIZE_BILINEAR", (1, 2 * height, 2 * width, channels))
        self.conv(channels, 1, stride=(2, 2))


#: What a chain ``micro_<kind>_s<S>_c<C>_n<n>`` repeats n times on a map of S x S x C.
CHAINS: dict[str, Callable[[_Chain], None]] = {
    "conv1x1": lambda chain: chain.conv(chain.last.hwc[2], 1),
    "conv3x3": lambda chain: chain.conv(chain.last.hwc[2], 3),
    "dw3x3": lambda chain: chain.depthwise((3, 3)),
    "maxpool3": lambda chain: chain.pool("MAX_POOL_2D", 3),
    "avgpool3": lambda chain: chain.pool("AVERAGE_POOL_2D", 3),
    "add": lambda chain: chain.same("ADD"),
    "mul": lambda chain: chain.same("MUL"),
    "logistic": lambda chain: chain.same("LOGISTIC"),
    "concat": _Chain.concat,
    "resize": _Chain.resize,
}

NAME = re.compile(r"micro_(?P<kind>\w+)_s(?P<size>\d{1,4})_c(?P<channels>\d{1,4})_n(?P<count>\d{1,4})")


def micro_network(name: str) -> LayerGraph | None:
    """Return the network of a microbenchmark (a chain of this module or a generated family), None if it is neither.

    A chain reads 2x2x3, pads it to SxSx3, widens it to C channels by a 1x1 convolution, repeats its operator n times
    and ends in one strided 1x1 convolution to one value: hardly anything crosses the link.
    """
    match = NAME.fullmatch(name)
    if match is None:
        return generate(name)
    kind, size, channels, count = match["kind"], int(match["size"]), int(match["channels"]), int(match["count"])
    _check(name, kind, size, channels, count)
    chain = _Chain(Tensor(0, "int8", (1, 2, 2, 3)))
    start = chain.last
    chain.add("PAD", (1, size, size, 3))
    chain.conv(channels, 1)
    for _ in range(count):
        CHAINS[kind](chain)
    chain.conv(1, 1, stride=(size, size))
    return LayerGraph(name, tuple(chain.layers), (start,), (chain.last,), {"family": "micro"})


def named_network(name: str) -> LayerGraph:
    """Return a network by its name: a microbenchmark, one of the zoo, of a generated family or of a file.

    Raises :class:`InputError` where there is none.
    """
    return (micro_network(name) if name.startswith("micro_") else None) or load_network(name)


def _check(name: str, kind: str, size: int, channels: int, count: int) -> None:
    if kind not in CHAINS:
        raise InputError.value(f"the kind of {name}", kind, either(CHAINS), nearest(kind, CHAINS))
    limits = (LARGEST_SIZE, LARGEST_CHANNELS, LARGEST_COUNT)
    if not all(1 <= value <= limit for value, limit in zip((size, channels, count), limits, strict=True)) or size < 2:
        raise InputError.value(
            f"the sizes of {name}",
            f"s{size} c{channels} n{count}",
            "s 2 to {}, c 1 to {} and n 1 to {}".format(*limits),
        )


def export(folder: Path, names: Iterable[str] = ()) -> list[Path]:
    """Write microbenchmarks as .tflite files into ``folder`` (made if missing) and return their paths.

    Without ``names`` every network of :data:`MICROBENCHES`. Raises :class:`InputError` for a name that is none.
    """
    wanted = list(names) or list(dict.fromkeys(name for bench in MICROBENCHES for name in bench.networks))
    networks = [_network(name) for name in wanted]
    folder.mkdir(parents=True, exist_ok=True)
    for graph in networks:
        write_model(graph, folder / f"{graph.name}.tflite")
    return [folder / f"{graph.name}.tflite" for graph in networks]


def _network(name: str) -> LayerGraph:
    graph = micro_network(name)
    if graph is None:
        known = [network for bench in MICROBENCHES for network in bench.networks]
        raise InputError.value(
            "the microbenchmark", name, "a name of the table or of a generated family", nearest(name, known)
        )
    return graph


def table_markdown() -> str:
    """Return :data:`MICROBENCHES` as a Markdown table."""
    rows = ["| isolates | networks | because |", "| --- | --- | --- |"]
    rows += [
        f"| {bench.parameter} | {', '.join(f'`{name}`' for name in bench.networks)} | {bench.reason} |"
        for bench in MICROBENCHES
    ]
    return "\n".join(rows) + "\n"
