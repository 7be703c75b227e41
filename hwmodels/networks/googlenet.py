"""GoogLeNet as PyTorch has it: torchvision's definition in the operators that onnx2tf writes for it.

The pretrained network expects pictures whose colours are scaled, and does so itself. The colours become maps of their
own: a transposition and a gather for each (which stay on the CPU), a product, a sum, and a reshape that turns columns
back into positions. Pooling pads its input first, its ceilings included. The third branch of a block has kernels of 3
where the paper has 5.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwmodels.networks.chain import Chain
    from hwmodels.networks.graph import Tensor

__all__ = ["googlenet_pytorch"]

COLOURS = 3
CLASSES = 1000
#: Filters of a block: 1x1, those before and of 3x3, those before and of the second 3x3, those behind the pool.
BLOCKS = (
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)  # fmt: skip


def googlenet_pytorch(network: Chain, R: int) -> None:  # noqa: N803 (as in the network's name)
    """Append torchvision's GoogLeNet for a picture of R x R."""
    _scale_colours(network, R)
    _pad(network, 6)
    side = (network.last.hwc[0] - 7) // 2 + 1
    options = {"kernel": (7, 7), "stride": (2, 2), "padding": "VALID", "activation": "RELU"}
    network.add("CONV_2D", (1, side, side, 64), ((64, 7, 7, COLOURS), (64,)), **options)
    _pool(network, 3, 2)
    network.conv(64, 1)
    network.conv(192, 3)
    for kernel, blocks in zip((3, 3, 2), BLOCKS, strict=True):
        _pool(network, kernel, 2)
        for block in blocks:
            _block(network, *block)
    network.add("MEAN", (1, network.last.hwc[2]))
    network.dense(CLASSES, activation="")


def _scale_colours(network: Chain, side: int) -> None:
    """What the pretrained network does with each colour, and back into one picture."""
    network.add("TRANSPOSE", (1, COLOURS, side, side))
    picture, maps = network.last, (1, 1, side, side)
    colours = [_from(network, picture, "GATHER", maps) for _ in range(COLOURS)]
    for op in ("MUL", "ADD"):
        colours = [_from(network, colour, op, maps, ((1,),)) for colour in colours]
    colours = [_from(network, colour, "RESHAPE", (1, side, side, 1)) for colour in colours]
    _join(network, colours)


def _block(network: Chain, direct: int, before: int, middle: int, before_last: int, last: int, pooled: int) -> None:
    """Four branches side by side, in the order in which onnx2tf writes them."""
    source = network.last
    branches = []
    for filters in (direct, before, before_last):
        network.last = source
        network.conv(filters, 1)
        branches.append(network.last)
    network.last = source
    _pool(network, 3, 1)
    network.conv(pooled, 1)
    behind_pool = network.last
    for place, filters in ((1, middle), (2, last)):
        network.last = branches[place]
        network.conv(filters, 3)
        branches[place] = network.last
    _join(network, [*branches, behind_pool])


def _pool(network: Chain, kernel: int, stride: int) -> None:
    """Max pooling that rounds its size up, after a border that holds all windows (one on each side for stride 1)."""
    side, _, channels = network.last.hwc
    border = 2 if stride == 1 else 0
    pooled = -(-(side + border - kernel) // stride) + 1
    _pad(network, (pooled - 1) * stride + kernel - side)
    options = {"kernel": (kernel, kernel), "stride": (stride, stride), "padding": "VALID"}
    network.add("MAX_POOL_2D", (1, pooled, pooled, channels), (), **options)


def _pad(network: Chain, rows: int) -> None:
    side, _, channels = network.last.hwc
    if rows > 0:
        network.add("PAD", (1, side + rows, side + rows, channels))


def _from(
    network: Chain, source: Tensor, op: str, shape: tuple[int, ...], weights: tuple[tuple[int, ...], ...] = ()
) -> Tensor:
    """Append an operator on another tensor than the last; what it makes."""
    network.last = source
    network.add(op, shape, weights, others=())
    return network.last


def _join(network: Chain, branches: list[Tensor]) -> None:
    height, width, _ = branches[0].hwc
    network.last = branches[0]
    channels = sum(branch.hwc[2] for branch in branches)
    network.add("CONCATENATION", (1, height, width, channels), others=tuple(branches[1:]))
