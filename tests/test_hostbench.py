"""The host's bench without an interpreter: what it would measure, and the part file that it writes."""

import csv

from calibration.harness import handover, hostbench
from calibration.harness.handover import HandOvers, Measured
from calibration.harness.measure import host_part_text, measure_command
from calibration.harness.options import MeasureOptions
from calibration.harness.tflite_writer import model_bytes
from calibration.measurements import read_measurements
from hwmodels.host import load_host

MODELS = ("fc5_n500_in64_out10", "conv5x3x3_f102_64x64")


def test_host_only_lists_what_it_would_do(tmp_path):
    result = measure_command(MeasureOptions(output=tmp_path / "mine.csv", models=MODELS, host_only=True, dry_run=True))
    assert len(result["jobs"]) == 2 + len(MODELS)
    assert result["host_part"] == str(tmp_path / "mine.host.toml")
    assert list(tmp_path.iterdir()) == []


def test_measured_figures_make_a_part_file(tmp_path):
    path = tmp_path / "own.toml"
    figures = [
        hostbench.Figure("conv_ns_per_mac", 0.02, 0.01, 0.03, "a test"),
        hostbench.Figure("op_ns", 80, 80, 80, "a test"),
    ]
    path.write_text(host_part_text("own", figures, "raspberry-pi-4"))
    host = load_host(str(path))
    assert (host.conv_ns_per_mac, host.op_ns) == (0.02, 80)
    assert host.buses == load_host("raspberry-pi-4").buses
    assert host.quantities["conv_ns_per_mac"].range == (0.01, 0.03)


class StandIn:
    """An interpreter that does nothing: the bench's own code can be tested without the package."""

    def __init__(self, *_, **__):
        self.shape = (1, 8)

    def get_input_details(self):
        import numpy as np

        return [{"index": 0, "shape": self.shape, "dtype": np.int8}]

    def get_output_details(self):
        return [{"index": 1}]

    def set_tensor(self, index, values): ...

    def get_tensor(self, index): ...

    def invoke(self): ...


def test_host_only_writes_rows_and_a_part(tmp_path, monkeypatch):
    monkeypatch.setattr(hostbench, "make_interpreter", StandIn)
    monkeypatch.setattr("calibration.harness.measure.make_interpreter", StandIn)
    monkeypatch.setattr(hostbench, "BENCH_S", 0.001)
    monkeypatch.setattr(hostbench, "quartile_ns", lambda call, seconds=0.0: float(bool(call() is None)) * 1000)
    monkeypatch.setattr("calibration.harness.gil.mean_ms", lambda call: 1.0)
    monkeypatch.setattr(hostbench, "serial_share", lambda work: 0.1)
    idle = Measured(2, 0.0, 0.9, 0.01, HandOvers((20_000, 30_000, 40_000), 3))
    monkeypatch.setattr(handover, "measured_passes", lambda: [idle])
    path = tmp_path / "mine.csv"
    options = MeasureOptions(output=path, models=MODELS[:1], host_only=True, repetitions=1)
    result = measure_command(options)
    assert {row.metric for row in read_measurements(path)} == {"gil_invoke_latency_ms", "invoke_latency_ms"}
    measured = load_host(result["host_part"]).quantities
    assert measured["switch_ns"].status == "measured"
    assert (measured["lock_wake_ns"].status, measured["lock_wake_ns"].value) == ("measured", 30_000)
    assert measure_command(options)["rows"] == 0
    with path.open() as file:
        assert {row["link"] for row in csv.DictReader(file)} == {"none"}


def test_one_operator_files_have_the_work_they_are_divided_by():
    for series in hostbench.SERIES:
        for graph in series.graphs:
            assert series.work(graph) > 0
            assert len(graph.layers) == 1
            model_bytes(graph)


def test_an_arg_max_reads_what_it_is_divided_by_and_writes_one_number_a_position():
    series = next(series for series in hostbench.SERIES if series.key == "argmax_ns_per_element")
    graph = series.graphs[0]
    assert series.work(graph) == 129 * 129 * 21
    assert (graph.outputs[0].dtype, graph.outputs[0].shape) == ("int64", (1, 129, 129))
    assert not series.delegated


def test_a_busy_machine_measures_no_two_threads(monkeypatch):
    monkeypatch.setattr(hostbench, "make_interpreter", StandIn)
    monkeypatch.setattr(hostbench, "quartile_ns", lambda call, seconds=0.0: 1000.0)
    monkeypatch.setattr(hostbench, "serial_share", lambda work: 0.1)
    keys = {}
    for busy in (True, False):
        monkeypatch.setattr(hostbench, "is_busy", lambda busy=busy: busy)
        keys[busy] = {figure.key for figure in hostbench.measure_host()}
    assert "thread_efficiency" in keys[False] - keys[True]
    assert keys[True] <= keys[False]
