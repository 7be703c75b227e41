"""Backends without a driver, a device or an interpreter, and pycoral as Google wrote it."""

import importlib

import pytest

from calibration.harness.backends import Device, PycoralBackend, RealClock, find_backend, named_devices, usb_link
from calibration.harness.jobs import Job, run_job
from calibration.harness.measure import measure_command
from calibration.harness.microbench import micro_network
from calibration.harness.options import MeasureOptions
from calibration.harness.tflite_writer import model_bytes
from calibration.measurements import read_measurements
from hwmodels.errors import InputError

MODELS = ("fc5_n500_in64_out10", "conv5x3x3_f102_64x64")
FAKE = {"fake_device": True, "time_scale": 0, "repetitions": 20, "warm_up": 2}


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "mine.csv"
    measure_command(MeasureOptions(output=path, models=MODELS, **FAKE, threads=3))
    return {(row.model, row.metric, row.mode, row.threads, row.accelerators): row for row in read_measurements(path)}


def one_line(error):
    return "\n" not in str(error.value)


def test_without_driver_there_is_one_line(monkeypatch, tmp_path):
    import ctypes

    monkeypatch.setattr("calibration.harness.backends.interpreter_module", lambda: object())
    monkeypatch.setattr(
        "calibration.harness.backends.PycoralBackend", lambda frame: importlib.import_module("no_such_module_")
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda name: (_ for _ in ()).throw(OSError(name)))
    with pytest.raises(InputError, match="libedgetpu") as error:
        find_backend()
    assert one_line(error)


def test_without_device_there_is_one_line():
    with pytest.raises(InputError, match="an Edge TPU was not found") as error:
        named_devices([])
    assert one_line(error)


def test_devices_are_numbered_by_kind(monkeypatch):
    monkeypatch.setattr("calibration.harness.backends.usb_link", lambda: "usb3")
    assert named_devices(["usb", "pci", "usb"]) == [
        Device("usb:0", "usb3"),
        Device("pci:0", "pcie"),
        Device("usb:1", "usb3"),
    ]


def test_the_speed_of_a_stick_tells_usb3_from_usb2(tmp_path):
    assert usb_link(tmp_path) == ""
    for name, vendor, speed in (("1-1", "1d6b", "480"), ("2-1", "18d1", "5000")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "idVendor").write_text(vendor + "\n")
        (tmp_path / name / "speed").write_text(speed + "\n")
    assert usb_link(tmp_path) == "usb3"
    (tmp_path / "2-1" / "speed").write_text("480\n")
    assert usb_link(tmp_path) == "usb2"


def test_pycoral_is_used_as_google_wrote_it(monkeypatch, tmp_path):
    """A stand-in for Google's package: the harness finds its devices, versions and interpreters."""
    import types

    import numpy as np

    class Interpreter:
        def allocate_tensors(self):
            self.calls = 0

        def get_input_details(self):
            return [{"index": 0, "shape": np.array([1, 64]), "dtype": np.int8, "name": "x"}]

        def get_output_details(self):
            return [{"index": 1, "quantization": (0.5, 0)}]

        def set_tensor(self, index, values):
            assert values.shape == (1, 64)

        def get_tensor(self, index):
            return np.zeros((1, 10), np.int8)

        def invoke(self):
            self.calls += 1

    edgetpu = types.SimpleNamespace(
        list_edge_tpus=lambda: [{"type": "usb", "path": ""}],
        get_runtime_version=lambda: "BuildLabel(test)",
        make_interpreter=lambda path, device: Interpreter(),
    )
    original = importlib.import_module
    monkeypatch.setattr(
        importlib,
        "import_module",
        lambda name, package=None: edgetpu if name == "pycoral.utils.edgetpu" else original(name),
    )
    backend = find_backend()
    assert isinstance(backend, PycoralBackend)
    assert isinstance(backend.clock, RealClock)
    device = backend.devices()[0]
    model = tmp_path / "net_edgetpu.tflite"
    model.write_bytes(model_bytes(micro_network(MODELS[0])))
    rows = run_job(
        Job("single", (str(model),), "invoke_latency_ms"), backend, [device], MeasureOptions(repetitions=3, warm_up=1)
    )
    assert rows[0].model == "net"
    assert rows[-1].metric == "host_cpu_time_per_invoke_ms"
    assert rows[0].model_file == "net_edgetpu.tflite"
    assert "BuildLabel(test)" in rows[0].conditions
    backend.open(str(model), device).postprocess()
    with pytest.raises(InputError, match="compiled"):
        backend.open("missing.tflite", device)
