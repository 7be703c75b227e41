"""What ``compile`` shows: totals that add up."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from hwmodels.executable import MORE_THAN_ONE_SUBGRAPH
from hwmodels.networks.zoo import load_network
from sim.commands.compile_output import print_compile, print_set
from sim.commands.compile_report import compile_report, many_report, set_report

NETWORKS = ["mobilenet_v2_1.0_224", "inception_v3_299", "ssd_mobilenet_v2_coco_300", "vgg_16_224"]


@pytest.fixture(scope="module", params=NETWORKS)
def report(request):
    return compile_report(request.param)


def test_every_operator_is_on_one_side(report):
    assert report["ops_tpu"] + report["ops_cpu"] == report["ops_total"] == len(report["layers"])
    assert len(report["cpu_ops"]) == report["ops_cpu"]
    assert {row["index"] for row in report["cpu_ops"]} == {r["index"] for r in report["layers"] if r["device"] == "cpu"}
    assert all(row["reason"] for row in report["cpu_ops"])


def test_totals_are_those_of_the_network(report):
    graph = load_network(report["model"])
    assert report["macs"] == sum(row["macs"] for row in report["layers"]) == graph.macs
    assert report["parameter_bytes"] == sum(row["parameter_bytes"] for row in report["layers"]) == graph.parameter_bytes


def test_memory_is_used_or_free(report):
    assert report["on_chip_bytes"] >= 0
    assert report["on_chip_free_bytes"] >= 0
    if report["off_chip_bytes"] == 0:
        assert all(row["cached"] for row in report["layers"] if row["device"] == "tpu")
    else:
        assert not all(row["cached"] for row in report["layers"] if row["device"] == "tpu")


def test_utilisation_of_the_array_is_a_share(report):
    assert all(0 <= row["utilisation"] <= 1.0 for row in report["layers"])


@pytest.mark.parametrize("segments", [2, 3])
def test_segments_add_up(segments):
    whole = compile_report(NETWORKS[0])
    parts = compile_report(NETWORKS[0], num_segments=segments)["segments"]
    assert len(parts) == segments
    for key in ("macs", "parameter_bytes"):
        assert sum(part[key] for part in parts) == whole[key]
    assert sum(part["ops"] for part in parts) == whole["ops_total"]
    assert all(part["compute_ms"] > 0 for part in parts)


def test_an_old_compiler_and_another_size_change_what_they_should():
    new, old = compile_report("vgg_16_224"), compile_report("vgg_16_224", compiler="2020")
    assert new["macs"] == old["macs"]
    large = compile_report("vgg_16_224", "large")
    assert large["off_chip_bytes"] <= new["off_chip_bytes"]
    assert large["size"] == "large"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("no_such_network",), "zoo list"),
        (("vgg_16_224", "korall"), "did you mean 'coral'"),
        (("vgg_16_224", "coral", "1999"), "2020, 2021"),
        (("vgg_16_224", "coral", "2021", 0), "num-segments"),
        (("vgg_16_224", "coral", "2021", 2, "middle"), "profiled"),
    ],
)
def test_wrong_questions_are_one_line(arguments, words):
    with pytest.raises(InputError, match=words) as error:
        compile_report(*arguments)
    assert "\n" not in str(error.value)


# The zoo


@pytest.fixture(autouse=True)
def shipped_only(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGETPUSIM_DATA", str(tmp_path))


def test_what_fails_first_takes_along_what_follows():
    report = compile_report("yolov8s_640")
    first = report["first_unmapped"]
    assert first["reason"].startswith("Operation is otherwise supported")
    alone = [op for op in report["cpu_ops"] if op["reason"] != MORE_THAN_ONE_SUBGRAPH]
    assert first["index"] == alone[0]["index"]
    assert first["taken_along"] == report["ops_cpu"] - len(alone)
    assert 18 <= report["ops_cpu"] <= 26  # compiled files of YOLOv8 at 320 to 640
    assert compile_report("mobilenet_v1_1.0_224")["first_unmapped"] is None


def test_the_interval_holds_what_is_expected_and_what_a_log_shows():
    """compiler_logs.csv: YOLOv5s at 320 streams 378 757 B (15) or 445 051 B (16)."""
    report = compile_report("yolov5s_320")
    low, high = report["streamed_interval90_bytes"]
    assert low <= report["streamed_bytes"] <= 378_757 < 445_051 <= high
    least, most = report["capacity_interval90_bytes"]
    assert least <= report["capacity_bytes"] <= most
    assert report["on_chip_bytes"] + report["on_chip_free_bytes"] == report["capacity_bytes"]


@pytest.mark.parametrize(("size", "warns"), [(320, False), (352, True), (384, False), (480, True), (512, False)])
def test_yolo_v5_may_be_refused_where_it_was(size, warns):
    """Logs: 352 and 480 were refused, their neighbours compiled."""
    notes = compile_report(f"yolov5s_{size}")["notes"]
    assert any("may refuse" in note for note in notes) == warns


def test_a_set_shares_the_memory_of_one():
    names = ["densenet_121_224", "inception_v3_299"]
    together, apart = (set_report(names, "coral", "16", cocompile=flag)["models"] for flag in (True, False))
    kept = sum(one["on_chip_bytes"] for one in together)
    assert kept < min(one["capacity_bytes"] for one in apart)
    assert len({one["on_chip_free_bytes"] for one in together}) == 1
    assert [one["on_chip_bytes"] < two["on_chip_bytes"] for one, two in zip(together, apart, strict=True)] == [
        True,
        True,
    ]
    assert apart[0] == compile_report(names[0])


def test_the_terminal_shows_the_words_of_the_compiler_s_log(capsys):
    print_compile(compile_report("yolov5s_352"))
    print_set(set_report(["mobilenet_v1_1.0_224", "inception_v3_299"], "coral", "16", cocompile=True))
    shown = capsys.readouterr().out
    for words in (
        "On-chip memory used for caching model parameters: 7.0", "Number of Edge TPU subgraphs: 1",
        "Mapped to Edge TPU", "First operator that is not mapped", "may refuse", "compiled together",
    ):  # fmt: skip
        assert words in shown


def test_several_subgraphs_leave_only_what_fails_by_itself():
    one, many = compile_report("yolov8s_640"), many_report("yolov8s_640")
    assert {op["reason"] for op in many["cpu_ops"]}.isdisjoint({MORE_THAN_ONE_SUBGRAPH})
    alone = [op["index"] for op in one["cpu_ops"] if op["reason"] != MORE_THAN_ONE_SUBGRAPH]
    assert set(alone) <= {op["index"] for op in many["cpu_ops"]} < {op["index"] for op in one["cpu_ops"]}
    assert many["subgraphs"] > 1
    assert many_report("mobilenet_v1_1.0_224") == compile_report("mobilenet_v1_1.0_224")
    with pytest.raises(InputError, match="cannot act"):
        many_report("mobilenet_v1_1.0_224", "dpu-b4096")


def test_another_family_is_not_called_an_edge_tpu(capsys):
    print_compile(compile_report("mobilenet_v1_1.0_224", "dpu-b4096"))
    shown = capsys.readouterr().out
    assert "Mapped to accelerator" in shown
    assert "Edge TPU" not in shown
    assert "Over the link" not in shown  # its programs and maps lie in the memory that it shares with the host


@pytest.mark.parametrize("name", ["lenet_5_28", "inception_v3_299", "efficientdet_lite0_320"])
def test_long_networks_are_summed_up_and_all_layers_are_an_option_away(capsys, monkeypatch, name):
    monkeypatch.setenv("COLUMNS", "200")
    report = compile_report(name)
    layers = report["layers"]

    def shown(every_layer):
        print_compile(report, every_layer)
        out = capsys.readouterr().out
        return out, [int(line.split("│")[1]) for line in out.splitlines() if line.count("│") == 7]

    text, few = shown(every_layer=False)
    assert shown(every_layer=True)[1] == [layer["index"] for layer in layers]
    cycles = {layer["index"]: layer["cycles"] for layer in layers}
    assert ("--layers shows all" in text) == (len(few) < len(layers))
    assert len(few) == min(12, len(layers)) and few == sorted(few)
    assert min(cycles[i] for i in few) >= max((cycles[i] for i in cycles if i not in few), default=0)
