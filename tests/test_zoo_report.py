"""What ``zoo`` shows: tables that filter and sort, and say what the networks say."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from hwmodels.networks.zoo import load_network, names
from sim.commands.zoo_report import SIZES, zoo_details, zoo_rows

NETWORKS = ["mobilenet_v2_1.0_224", "inception_v3_299", "ssd_mobilenet_v2_coco_300", "vgg_16_224"]


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
