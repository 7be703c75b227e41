"""Files of other chips, operators that nobody knows, and one that the driver refuses: said, never silently priced."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwmodels.errors import InputError
from hwmodels.networks.graph import Layer, LayerGraph
from hwmodels.networks.zoo import load_network
from sim import Scenario, estimate, simulate

pytest.importorskip("flatbuffers")
from calibration.harness import tflite_writer

NET = "mobilenet_v1_0.25_128"


@pytest.fixture
def file_with(tmp_path, monkeypatch):
    """A file of a small network with a custom operator behind it."""

    def made(op: str) -> str:
        monkeypatch.setattr(tflite_writer, "EDGETPU_OP", op)
        monkeypatch.setitem(tflite_writer.WRITTEN, op, tflite_writer.WRITTEN["edgetpu-custom-op"])
        graph = load_network(NET)
        last = graph.layers[-1]
        output = replace(last.output, id=last.output.id + 1)
        layer = Layer(len(graph.layers), op, (last.output,), (output,))
        path = tmp_path / "mine.tflite"
        whole = LayerGraph("mine", (*graph.layers, layer), graph.inputs, (output,))
        tflite_writer.write_model(whole, path, programs={layer.index: b"program"})
        return str(path)

    return made


def test_a_file_for_another_chip_is_refused_by_name(file_with):
    with pytest.raises(InputError, match=r"is compiled for Arm's Ethos-U \(operator ethos-u\): give the plain"):
        estimate(Scenario(models=file_with("ethos-u")))


def test_an_unknown_custom_operator_is_said_and_widens_the_interval(file_with):
    path = file_with("SignalFrontEnd")
    for options in ({}, {"accelerators": 0}):
        answer = simulate(Scenario(models=path, inferences=8, **options), compare=False).summary
        low, high = answer["interval90"]["invoke_mean_ms"]
        assert high / low > 20
        if not options:
            assert any("nobody says what SignalFrontEnd costs on the CPU" in note for note in answer["warnings"])


def test_operators_of_tflite_and_of_detectors_are_known():
    for name in (NET, "ssd_mobilenet_v2_coco_300", "posenet_mobilenet_v1_0.75_353x481"):
        answer = estimate(Scenario(models=name))
        assert not any("nobody says" in note for note in answer["warnings"])
        low, high = answer["interval90"]["invoke_mean_ms"]
        assert high / low < 3


def test_an_lstm_says_that_the_driver_refuses_it_over_usb():
    layer = load_network("mobilenet_v1_0.25_128").layers[0]
    from hwmodels.edgetpu.outlook import operator_notes
    from hwmodels.executable import LayerPlan

    lstm = replace(layer, op="UNIDIRECTIONAL_SEQUENCE_LSTM")
    assert "over USB the driver does not run an LSTM" in operator_notes([LayerPlan(lstm, "")])[0]
    assert operator_notes([LayerPlan(lstm, "not mapped")]) == []
