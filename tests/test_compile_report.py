"""What ``compile`` and ``zoo`` show: totals that add up, and tables that filter and sort."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from hwmodels.zoo import load_network, names
from sim.commands.compile_report import compile_report
from sim.commands.zoo_report import SIZES, zoo_details, zoo_rows

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
        (("vgg_16_224", "coral", "1999"), "2021, 2020"),
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


@pytest.fixture(scope="module")
def rows():
    return {row["name"]: row for row in zoo_rows()}


def test_every_network_has_a_row(rows):
    assert set(names()) <= set(rows)
    assert list(rows) == sorted(rows)


def test_rows_are_filtered_and_sorted(rows):
    task, family = rows[NETWORKS[2]]["task"], rows[NETWORKS[2]]["family"]
    found = zoo_rows(family=family, task=task, max_parameters=20, sort="macs")
    wanted = [r for r in rows.values() if (r["task"], r["family"]) == (task, family) and r["parameters"] <= 20e6]
    assert found == sorted(wanted, key=lambda row: (row["macs"], row["name"]))
    assert 0 < len(found) < len(rows)


@pytest.mark.parametrize("options", [{"sort": "size"}, {"task": "none"}])
def test_filters_that_match_nothing_list_what_there_is(options):
    with pytest.raises(InputError, match=next(iter(options))):
        zoo_rows(**options)


@pytest.mark.parametrize("name", names()[::60])
def test_the_table_is_what_the_network_says(rows, name):
    graph, details = load_network(name), zoo_details(name)
    assert rows[name]["macs"] == graph.macs == details["macs"]
    assert rows[name]["ops"] == len(graph.layers) == details["ops"] == len(details["layers"])
    assert rows[name]["cpu_ops_on_coral"] == len(details["cpu_ops"])
    assert set(details["sizes"]) == set(SIZES)
