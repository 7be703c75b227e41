"""The child process of generate.py: build one Keras model, quantise it to int8 TFLite, write its trace.

Run as ``python -m traces.generate.convert NAME FOLDER [CLASSES]``.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

from hwmodels.networks.graph import LayerGraph, to_json
from hwmodels.networks.tflite import read_graph
from traces.generate.definition import DEFAULT_RANGES, Definition
from traces.generate.registry import definitions

__all__ = ["describe", "trace"]

SEED = 104


def describe(definition: Definition) -> dict[str, Any]:
    """Return the part of a trace's head that tells whether it is current."""
    return {
        "family": definition.family,
        "architecture": definition.architecture,
        "variant": definition.variant,
        "task": definition.task,
        "source": definition.source,
        "version": definition.version,
        "converter": "tensorflow 2.21.0, keras 3.15.1",
        "route": definition.route,
    }


def trace(definition: Definition) -> LayerGraph:
    """Return the layer graph of the definition's int8 TFLite file."""
    model = _build(definition)
    parameters = _count(model)
    content = _quantise(model, definition.route)
    for append in definition.postprocess:
        content = append(content)
    graph = _read(content, definition.name)
    return replace(graph, meta={**describe(definition), "keras_parameters": parameters})


def _build(definition: Definition) -> Any:
    import keras
    import tensorflow as tf

    versions = f"tensorflow {tf.__version__}, keras {keras.__version__}"
    if versions != describe(definition)["converter"]:
        raise RuntimeError(f"{versions}: install traces/generate/requirements.txt")
    keras.utils.set_random_seed(SEED)
    model = definition.build()
    _randomise(model)
    return model


def _randomise(model: Any) -> None:
    """Give scales, offsets, biases and statistics values that no optimisation can fold away (0 or 1)."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    for variable in model.weights:
        if len(variable.shape) < 2:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape).astype("float32"))


def _count(model: Any) -> dict[str, int]:
    """Count the Keras model's parameters: kernels, all trainable ones, running statistics of batch normalisation."""
    statistics = [variable for variable in model.non_trainable_variables if len(variable.shape)]
    return {
        "kernels": _size(variable for variable in model.trainable_variables if variable.name.endswith("kernel")),
        "trainable": _size(model.trainable_variables),
        "running_statistics": _size(statistics),
    }


def _size(variables: Iterable[Any]) -> int:
    return sum(prod(variable.shape) for variable in variables)


def _quantise(model: Any, route: str) -> bytes:
    frozen = _frozen(model)
    if route == DEFAULT_RANGES:
        return _with_default_ranges(frozen)
    return _calibrated(frozen)


def _frozen(model: Any) -> Any:
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    signature = [tf.TensorSpec(x.shape, tf.float32, name=f"input_{i}") for i, x in enumerate(model.inputs)]
    call = tf.function(lambda *images: model(list(images) if len(images) > 1 else images[0], training=False))
    return convert_variables_to_constants_v2(call.get_concrete_function(*signature))


def _with_default_ranges(frozen: Any) -> bytes:
    import tensorflow as tf

    lite = tf.compat.v1.lite
    converter = lite.TFLiteConverter(frozen.graph.as_graph_def(), frozen.inputs, frozen.outputs)
    converter.inference_type = converter.inference_input_type = converter.inference_output_type = tf.int8
    converter.quantized_input_stats = dict.fromkeys(converter.get_input_arrays(), (0.0, 1.0))
    converter.default_ranges_stats = (-6, 6)
    converter.allow_custom_ops = True
    return converter.convert()


def _calibrated(frozen: Any) -> bytes:
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: _samples(frozen)
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return converter.convert()


def _samples(frozen: Any) -> Iterator[list[Any]]:
    import numpy as np

    generator = np.random.default_rng(SEED)
    for _ in range(2):
        yield [generator.uniform(-1, 1, x.shape).astype("float32") for x in frozen.inputs]


def _read(content: bytes, name: str) -> LayerGraph:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.tflite"
        path.write_bytes(content)
        return read_graph(path, name)


def write(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` in one step: nobody sees half a file."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="ascii", newline="\n")
    part.replace(path)


def main(name: str, folder: str, classes: str = "") -> None:
    """Write the trace of the network ``name`` into ``folder``; ``classes``, where given, in place of its own."""
    definition = definitions()[name]
    if classes:
        build = partial(definition.build, classes=int(classes))
        definition = replace(definition, name=f"{name}_classes{classes}", build=build)
    write(Path(folder) / f"{definition.name}.json", to_json(trace(definition)))


if __name__ == "__main__":
    main(*sys.argv[1:])
