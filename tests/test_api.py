"""The package's public functions: networks by graph, name or path, parts by kind and name."""

from __future__ import annotations

import pytest
from layers import chain, conv, dense

from calibration.harness.tflite_writer import model_bytes
from hwmodels import compile_network, load_part
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.errors import InputError
from hwmodels.networks.zoo import load_network


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(model_bytes(chain("mine", conv(8, 3, 4), dense(256, 10))))
    return path


# The package's functions that belong to no single part


def test_a_network_is_compiled_by_graph_name_or_path(file):
    by_path, by_graph = compile_network(file), compile_network(load_network(str(file)))
    assert by_path.token == by_graph.token
    by_part = compile_network("mobilenet_v2_1.0_224", load_accelerator("small"))
    assert by_part.token == compile_network("mobilenet_v2_1.0_224", "small").token


@pytest.mark.parametrize(
    ("kind", "name", "message"),
    [
        ("gpu", "x", "accelerator, link, host"),
        ("link", "usb", "did you mean"),
        ("host", "raspberry-pi-44", "did you mean 'raspberry-pi-4'"),
        ("accelerator", "no/such.toml", "no such file"),
    ],
)
def test_a_wrong_part_is_told_with_what_there_is(kind, name, message):
    with pytest.raises(InputError, match=message):
        load_part(kind, name)


def test_an_unknown_generation_or_size_is_refused():
    with pytest.raises(InputError, match="compiler"):
        compile_network("mobilenet_v2_1.0_224", compiler="1999")
    with pytest.raises(InputError, match="did you mean 'large'"):
        compile_network("mobilenet_v2_1.0_224", "largee")
