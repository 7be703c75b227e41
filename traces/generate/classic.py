"""AlexNet, VGG, SqueezeNet, DarkNet and LeNet."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from traces.generate.blocks import IMAGENET, classifier, conv, keras_application
from traces.generate.definition import Definition
from traces.generate.dense_prediction import conv_bn, image, layers, model

__all__ = ["DEFINITIONS"]


def _alexnet(size: int) -> Any:
    """The one-column AlexNet."""
    x = image(size)
    y = conv(layers.ZeroPadding2D(2)(x), 64, 11, 4, padding="valid")
    y = conv(layers.MaxPooling2D(3, 2)(y), 192, 5)
    y = conv(layers.MaxPooling2D(3, 2)(y), 384, 3)
    y = conv(conv(y, 256, 3), 256, 3)
    y = layers.Flatten()(layers.MaxPooling2D(3, 2)(y))
    for _ in range(2):
        y = layers.Dense(4096, activation="relu")(y)
    return model(x, layers.Dense(IMAGENET, activation="softmax")(y))


# Squeezed and expanded channels of the fire modules; 0 is max pooling.
_FIRE = {
    "1.0": (0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64),
    "1.1": (0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64),
}


def _squeezenet(size: int, version: str) -> Any:
    x = image(size)
    y = conv(x, 96, 7, 2, padding="valid") if version == "1.0" else conv(x, 64, 3, 2, padding="valid")
    for squeezed in _FIRE[version]:
        y = _fire(y, squeezed) if squeezed else _ceil_pool(y)
    y = layers.GlobalAveragePooling2D()(conv(y, IMAGENET))
    return model(x, layers.Softmax()(y))


def _ceil_pool(x: Any) -> Any:
    """Max pooling 3x3, stride 2, whose output size is rounded up."""
    return layers.MaxPooling2D(3, 2, padding="valid" if x.shape[1] % 2 else "same")(x)


def _fire(x: Any, squeezed: int) -> Any:
    y = conv(x, squeezed)
    return layers.Concatenate()([conv(y, squeezed * 4), conv(y, squeezed * 4, 3)])


# Channels of 3x3 convolutions, negative for 1x1; 0 is max pooling.
_DARKNET_19 = (
    32, 0, 64, 0, 128, -64, 128, 0, 256, -128, 256, 0,
    512, -256, 512, -256, 512, 0, 1024, -512, 1024, -512, 1024,
)  # fmt: skip


def _darknet_19(size: int) -> Any:
    x = y = image(size)
    for filters in _DARKNET_19:
        y = conv_bn(y, abs(filters), 3 if filters > 0 else 1, act="leaky") if filters else layers.MaxPooling2D(2)(y)
    y = layers.GlobalAveragePooling2D()(conv(y, IMAGENET, act=None))
    return model(x, layers.Softmax()(y))


def _darknet_53(size: int) -> Any:
    x = image(size)
    y = conv_bn(x, 32, 3, act="leaky")
    for stage, repeats in enumerate((1, 2, 8, 8, 4)):
        filters = 64 * 2**stage
        y = conv_bn(y, filters, 3, 2, act="leaky")
        for _ in range(repeats):
            y = layers.Add()([y, conv_bn(conv_bn(y, filters // 2, act="leaky"), filters, 3, act="leaky")])
    return classifier(x, y)


def _lenet_5(size: int) -> Any:
    """LeNet-5 with ReLU and max pooling, as it is trained today; 28x28 digits are padded by the first layer."""
    x = image(size, channels=1)
    y = layers.MaxPooling2D(2)(conv(x, 6, 5))
    y = layers.MaxPooling2D(2)(conv(y, 16, 5, padding="valid"))
    y = layers.Flatten()(y)
    for units in (120, 84):
        y = layers.Dense(units, activation="relu")(y)
    return model(x, layers.Dense(10, activation="softmax")(y))


def _vgg_cifar(size: int, classes: int = 10) -> Any:
    """VGG-16's convolutions, one dense layer of 512, ten classes."""
    x = y = image(size)
    for filters, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            y = conv_bn(y, filters, 3, act="relu")
        y = layers.MaxPooling2D(2)(y)
    y = layers.Dense(512, activation="relu")(layers.Flatten()(y))
    return model(x, layers.Dense(classes, activation="softmax")(y))


def _of(
    name: str, build: Callable[[], Any], source: str, family: str, architecture: str = "", heavy: bool = False
) -> Definition:
    variant = name.rsplit("_", 1)[1]
    architecture = architecture or name.rsplit("_", 1)[0]
    return Definition(name, build, family, architecture, variant, "classification", source, heavy=heavy)


DEFINITIONS = [
    _of("alexnet_224", partial(_alexnet, 224), "torchvision alexnet; arXiv 1404.5997", "alexnet", heavy=True),
    *[
        _of(
            f"vgg_{depth}_224", partial(keras_application, f"VGG{depth}", 224),
            f"keras.applications.VGG{depth}; arXiv 1409.1556", "vgg", heavy=True,
        )
        for depth in (16, 19)
    ],
    *[
        _of(
            f"squeezenet_{version}_224", partial(_squeezenet, 224, version),
            "torchvision squeezenet; arXiv 1602.07360", "squeezenet",
        )
        for version in _FIRE
    ],
    _of("vgg_16_cifar_32", partial(_vgg_cifar, 32), "geifmany/cifar-vgg", "vgg"),
    _of("squeezenet_1.1_227", partial(_squeezenet, 227, "1.1"), "forresti/SqueezeNet, SqueezeNet_v1.1", "squeezenet"),
    _of("darknet_19_224", partial(_darknet_19, 224), "darknet19.cfg; arXiv 1612.08242", "darknet"),
    _of("darknet_53_256", partial(_darknet_53, 256), "darknet53.cfg; arXiv 1804.02767", "darknet"),
    _of(
        "lenet_5_28", partial(_lenet_5, 28), "LeCun et al., Proc. IEEE 86(11), 1998, with ReLU and max pooling",
        "lenet",
    ),
]  # fmt: skip
