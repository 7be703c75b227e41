"""Networks built on demand from their name: the synthetic families of the measurement files.

Operators are those the TFLite converter emits for the Keras network: int8 activations and filters, int32 biases,
fused ReLU, PAD for zero padding, RESHAPE for a flatten layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from hwmodels.errors import InputError
from hwmodels.networks.chain import Chain
from hwmodels.networks.googlenet import googlenet_pytorch
from hwmodels.networks.graph import LayerGraph, Tensor
from hwmodels.networks.naming import pattern_of

__all__ = ["FAMILIES", "Family", "generate", "is_generated"]

LARGEST = {
    "F": 4096, "N": 16384, "n": 2000, "U": 16384, "C": 4096, "W": 4096, "H": 4096, "D": 64, "R": 4096, "m": 2**40,
}  # fmt: skip


@dataclass(frozen=True)
class Family:
    """One family: pattern of its names, what the network is, and the builder that takes the numbers in the name.

    Those that were measured ``untrained`` have biases of zero, as the bytes in their logs show.
    """

    pattern: str
    text: str
    build: Callable[..., None]
    example: str
    untrained: bool = False

    @property
    def regex(self) -> re.Pattern[str]:
        """The pattern as a regular expression whose groups are the numbers of the name."""
        return pattern_of(self.pattern)


def is_generated(name: str) -> bool:
    """Whether a generated family has a network of this name, at a size that it can have."""
    try:
        return generate(name) is not None
    except InputError:
        return False


def generate(name: str) -> LayerGraph | None:
    """Return the network of a generated family, or None when the name belongs to none.

    Raises :class:`InputError` for a size of 0 or above the family's limit.
    """
    for family in FAMILIES.values():
        match = family.regex.fullmatch(name)
        if match:
            return _graph(name, family, {key: _size(name, key, text) for key, text in match.groupdict().items()})
    return None


def _size(name: str, key: str, text: str) -> int:
    if len(text) > 12 or not 1 <= int(text) <= LARGEST[key[0]]:
        raise InputError.value(f"{key} of the network {name[:80]}", text[:20], f"1 to {LARGEST[key[0]]}")
    return int(text)


def _graph(name: str, family: Family, sizes: dict[str, int]) -> LayerGraph:
    network = Chain(Tensor(0, "int8", (1,)), untrained=family.untrained)
    family.build(network, **sizes)
    inputs = network.layers[0].inputs
    return LayerGraph(name, tuple(network.layers), inputs, (network.last,), {"family": family.pattern})


def _start(network: Chain, *shape: int) -> None:
    network.last = Tensor(0, "int8", (1, *shape))


def _conv5x3x3(network: Chain, F: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 64, 64, 3)
    for _ in range(5):
        network.conv(F, 3)


def _conv_by_macs(network: Chain, F: int, m: int) -> None:  # noqa: N803 (as in the network's name)
    """As many 3x3 convolutions of F filters on 64x64x3 as have m multiply-accumulates, the input quantised first."""
    first, further = 64 * 64 * 9 * 3 * F, 64 * 64 * 9 * F * F
    if m < first or (m - first) % further:
        raise InputError.value(
            f"the size of n{F}_nmacs{m}", m, f"{first} multiply-accumulates, and {further} more for each further layer"
        )
    network.last = Tensor(0, "float32", (1, 64, 64, 3))
    network.add("QUANTIZE", (1, 64, 64, 3))
    for _ in range(1 + (m - first) // further):
        network.conv(F, 3)


def _fc5(network: Chain, N: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 64)
    for _ in range(4):
        network.dense(N)
    network.dense(10, activation="")


def _stride(network: Chain, W: int, H: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, W, H, 3)
    network.conv(1, 1, stride=(W, H))


def _padding(network: Chain, W: int, H: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 2, 2, 3)
    if W < 2 or H < 2:
        raise InputError.value("the size after padding", f"{W}x{H}", "at least 2x2, the size of the input")
    network.add("PAD", (1, W, H, 3))


def _padding_stride(network: Chain, W: int, H: int) -> None:  # noqa: N803 (as in the network's name)
    _padding(network, W, H)
    network.conv(1, 1, stride=(W, H))


def _conv7x7(network: Chain, n: int) -> None:
    _padding(network, 128, 128)
    for _ in range(n):
        network.conv(32, 7)
    network.conv(1, 1, stride=(128, 128))


def _dense_chain(network: Chain, U: int, n: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 2, 2, 3)
    network.add("RESHAPE", (1, 12))
    for _ in range(n):
        network.dense(U)
    network.dense(1)


def _dense(network: Chain, N: int, N2: int = 0) -> None:  # noqa: N803 (as in the network's name)
    if N2 not in (0, N):
        raise InputError.value(f"the layer of dense_{N}x{N2}", f"{N}x{N2}", f"square, such as {N}x{N}")
    _start(network, N)
    network.dense(N, activation="", bias=False)  # the measured dense_256 and dense_512 files have none


def _baseline_io(network: Chain, C: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 4, 1668, 1)
    network.conv(C, 1)
    network.conv(1, 1)


def _depthwise_k5(network: Chain, C: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, 4, 1668, 1)
    network.conv(C, 1)
    for _ in range(10):
        network.depthwise((1, 5))
    network.conv(1, 1)


def _mnist_dense(network: Chain, U: int, n: int) -> None:  # noqa: N803 (as in the network's name)
    network.last = Tensor(0, "float32", (1, 784))
    network.add("QUANTIZE", (1, 784))
    for _ in range(n):
        network.dense(U)
    _digits(network)


def _mnist_conv8x8(network: Chain, F: int, n: int) -> None:  # noqa: N803 (as in the network's name)
    network.last = Tensor(0, "float32", (1, 28, 28, 1))
    network.add("QUANTIZE", (1, 28, 28, 1))
    for _ in range(n + 1):
        network.conv(F, 8)
    network.add("RESHAPE", (1, 28 * 28 * F))
    _digits(network)


def _digits(network: Chain) -> None:
    """Append the head of the benchmark's networks: 10 units with ReLU, softmax, output in float."""
    network.dense(10)
    network.add("SOFTMAX", (1, 10))
    network.add("DEQUANTIZE", (1, 10), dtype="float32")


def _residual(network: Chain, D: int, W: int, R: int) -> None:  # noqa: N803 (as in the network's name)
    """Stem, four stages of D basic blocks with doubling widths, 3x3 convolutions of stride 2 in between, head."""
    _start(network, R, R, 3)
    network.conv(W, 3, (2, 2), "RELU6")
    network.max_pool(3, 2)
    for stage in range(4):
        if stage:
            network.conv(W << stage, 3, (2, 2), "RELU6")
        for _ in range(D):
            _basic_block(network)
    network.add("MEAN", (1, W << 3))
    network.dense(100, activation="")


def _basic_block(network: Chain) -> None:
    before = network.last
    network.conv(before.hwc[2], 3, activation="RELU6")
    network.conv(before.hwc[2], 3, activation="")
    network.add("ADD", before.shape, others=(before,), activation="RELU6")


def _googlenet_pytorch(network: Chain, R: int) -> None:  # noqa: N803 (as in the network's name)
    _start(network, R, R, 3)
    googlenet_pytorch(network, R)


#: The families by pattern, as ``zoo list`` shows them.
FAMILIES: dict[str, Family] = {
    family.pattern: family
    for family in (
        Family(
            "conv5x3x3_f<F>_64x64", "input 64x64x3, five 3x3 'same' convolutions of F filters with ReLU",
            _conv5x3x3, "conv5x3x3_f442_64x64", untrained=True,
        ),
        Family(
            "n<F>_nmacs<m>",
            "3x3 convolutions of F filters on a 64x64x3 float input, m multiply-accumulates in all"
            " (Jorgitou98/EdgeTPU-QuantRL-Evaluation)",
            _conv_by_macs, "n100_nmacs1485619200", untrained=True,
        ),
        Family(
            "fc5_n<N>_in64_out10", "64 -> N -> N -> N -> N -> 10 dense",
            _fc5, "fc5_n1000_in64_out10", untrained=True,
        ),
        Family(
            "stride_<W>x<H>", "input WxHx3, one 1x1 convolution with 1 filter and stride (W, H): nearly pure input",
            _stride, "stride_256x256",
        ),
        Family(
            "padding_<W>x<H>", "input 2x2x3 zero-padded to WxHx3, which is the output: nearly pure output",
            _padding, "padding_256x256",
        ),
        Family(
            "padding_stride_<W>x<H>", "input 2x2x3 padded to WxHx3, then the strided 1x1 convolution: nearly no bytes",
            _padding_stride, "padding_stride_256x256",
        ),
        Family(
            "conv7x7_f32_128x128_n<n>",
            "input 2x2x3 padded to 128x128x3, n 7x7 'same' convolutions of 32 filters, a strided 1x1 convolution",
            _conv7x7, "conv7x7_f32_128x128_n50",
        ),
        Family(
            "dense_u<U>_n<n>", "input 2x2x3 flattened, n dense layers of U units, one of 1 unit",
            _dense_chain, "dense_u100_n100",
        ),
        Family("dense_<N>", "one dense layer N -> N", _dense, "dense_1024"),
        Family("dense_<N>x<N2>", "one dense layer N -> N", _dense, "dense_2048x2048"),
        Family(
            "baseline_io_c<C>", "input 4x1668x1, 1x1 convolution to C channels, 1x1 convolution to 1 channel",
            _baseline_io, "baseline_io_c256",
        ),
        Family(
            "depthwise_k5_c<C>", "baseline_io_c<C> with ten 1x5 depthwise convolutions of C channels in between",
            _depthwise_k5, "depthwise_k5_c256",
        ),
        Family(
            "mnist_dense_u<U>_n<n>", "784 floats, n dense layers of U units, one of 10 (Bartvelp/edge_tpu_benchmark)",
            _mnist_dense, "mnist_dense_u200_n140",
        ),
        Family(
            "mnist_conv8x8_f<F>_n<n>",
            "28x28 floats, n + 1 8x8 'same' convolutions of F filters, 10 dense units (Bartvelp/edge_tpu_benchmark)",
            _mnist_conv8x8, "mnist_conv8x8_f16_n50",
        ),
        Family(
            "residual_d<D>_w<W>_r<R>",
            "RxR input, 4 stages of D basic blocks of W to 8W channels, 100 classes (mouad-zouhdi/sparta-edgetpu)",
            _residual, "residual_d16_w32_r224", untrained=True,
        ),
        Family(
            "googlenet_pytorch_<R>", "RxR input, torchvision's GoogLeNet as onnx2tf converts it: it scales each colour",
            _googlenet_pytorch, "googlenet_pytorch_224",
        ),
    )
}  # fmt: skip
