"""Searching results: limits, best, fronts, and clear refusals."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from sim.study.query import query
from sim.study.results_file import RESULTS_VERSION, write_parquet

pl = pytest.importorskip("polars")


@pytest.fixture
def results(tmp_path):
    """Five points of two networks, one of them an error."""
    rows = [
        ("a", 1, 100.0, 10.0, 3.0, 30.0, ""),
        ("a", 2, 180.0, 11.0, 3.5, 20.0, ""),
        ("a", 4, 180.0, 20.0, 4.0, 22.0, ""),
        ("b", 1, 50.0, 20.0, 2.0, 40.0, ""), ("b", 2, None, None, None, None, "no such network"),
    ]  # fmt: skip
    names = (
        "models",
        "threads",
        "throughput_ips",
        "latency_ms_p95",
        "power_w_total",
        "energy_mj_per_inference",
        "error",
    )
    path = tmp_path / "r.parquet"
    write_parquet(path, [dict(zip(names, row, strict=True)) for row in rows])
    return path


def threads(rows):
    return [(row["models"], row["threads"]) for row in rows]


def test_everything_without_errors(results):
    assert len(query(results)) == 4


def test_limits(results):
    assert threads(query(results, limits={"min_ips": 150})) == [("a", 2), ("a", 4)]
    assert threads(query(results, limits={"min_ips": 60, "max_p95_ms": 15, "max_w": 3.2})) == [("a", 1)]
    assert threads(query(results, limits={"max_mj": 21})) == [("a", 2)]
    assert query(results, limits={"min_ips": 1e6}) == []


def test_best_is_most_of_a_throughput_and_least_of_anything_else(results):
    assert query(results, best="throughput_ips")[0]["throughput_ips"] == 180
    assert threads(query(results, best="power_w_total")) == [("b", 1)]


def test_front(results):
    found = query(results, pareto_keys=("throughput_ips", "energy_mj_per_inference"), model="a")
    assert threads(found) == [("a", 2)]
    both = query(results, pareto_keys=("throughput_ips", "power_w_total"))
    assert threads(both) == [("a", 1), ("a", 2), ("b", 1)]


def test_where(results):
    assert threads(query(results, where={"threads": "4"})) == [("a", 4)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"best": "throughput_ip"}, "did you mean 'throughput_ips'"),
        ({"pareto_keys": ("models",)}, "does not hold numbers"),
        ({"model": "c"}, "a value in the file"),
        ({"where": {"thread": "1"}}, "did you mean 'threads'"),
    ],
)
def test_unknown_names_are_bad_input(results, options, words):
    with pytest.raises(InputError, match=words):
        query(results, **options)


def test_files_that_are_no_results(results, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        query(tmp_path / "none.parquet")
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(results.read_bytes()[:-20])
    with pytest.raises(InputError, match="truncated"):
        query(torn)
    other = tmp_path / "other.parquet"
    pl.read_parquet(results).with_columns(results_version=pl.lit(RESULTS_VERSION + 1)).write_parquet(other)
    with pytest.raises(InputError, match="version"):
        query(other)
    text = tmp_path / "text.parquet"
    text.write_text("hello")
    with pytest.raises(InputError, match="not Parquet"):
        query(text)


def test_names_are_found_as_people_write_them(tmp_path):
    path = tmp_path / "r.parquet"
    names = [("mobilenet_v2_1.0_224", "raspberry-pi-4", "usb3"), ("mobilenet_v2_1.0_224", "x86-xeon", "pcie")]
    rows = [{"models": net, "host": host, "link": link, "throughput_ips": 1.0} for net, host, link in names]
    write_parquet(path, rows)
    assert [row["host"] for row in query(path, model="MobileNet v2", where={"host": "pi4"})] == ["raspberry-pi-4"]
    assert [row["link"] for row in query(path, where={"link": "USB 3.0"})] == ["usb3"]
    with pytest.raises(InputError, match="a value in the file"):
        query(path, where={"host": "pi5"})
