"""Rows of results: flat by hand, files whole or not at all, and only of this version."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError, need
from sim import Scenario, simulate
from sim.study.results_file import RESULTS_VERSION, check_target, failures, flat, stamp, write_parquet


def test_nested_keys_are_joined_and_pairs_have_two_ends():
    summary = {
        "scenario": {"models": "a", "threads": 2},
        "throughput_ips": 10.0,
        "latency_ms": {"mean": 1.0, "p95": 2.0},
        "interval90": {"throughput_ips": [9.0, 11.0]},
        "warnings": ["one", "two"],
        "wall_s": 99.0,
        "models": {"a": {}},
    }
    assert flat(summary) == {
        "models": "a", "threads": 2, "throughput_ips": 10.0, "latency_ms_mean": 1.0, "latency_ms_p95": 2.0,
        "interval90_throughput_ips_lo": 9.0, "interval90_throughput_ips_hi": 11.0, "warnings": "one; two",
    }  # fmt: skip


def test_a_row_begins_with_the_options_in_their_order():
    summary = simulate(Scenario(models="mobilenet_v1_0.25_128", inferences=20)).summary
    row = flat(summary)
    assert list(row)[: len(summary["scenario"])] == list(summary["scenario"])


def test_a_row_depends_on_nothing_but_its_point():
    scenario = Scenario(models="mobilenet_v1_0.25_128", threads=2, inferences=20)
    assert flat(simulate(scenario).summary) == flat(simulate(scenario).summary)


def test_every_cell_is_a_scalar():
    row = flat(simulate(Scenario(models="mobilenet_v1_0.25_128", threads=2, inferences=20)).summary)
    assert all(isinstance(value, str | int | float | bool) for value in row.values())


def test_the_stamp_says_program_and_meaning():
    assert stamp()["results_version"] == RESULTS_VERSION
    assert stamp()["edgetpusim_version"][0].isdigit()


def test_a_missing_package_is_told_with_its_extra():
    with pytest.raises(InputError, match=r"no_such_package.*pip install 'edgetpusim\[study\]'"):
        need("no_such_package.module", "study")
    assert need("json", "study").dumps({}) == "{}"


def test_a_target_is_a_file_in_a_folder_that_exists(tmp_path):
    check_target(tmp_path / "new.parquet")
    for path in (tmp_path, tmp_path / "no" / "file"):
        with pytest.raises(InputError, match="file in a folder"):
            check_target(path)


# Files (extra ``study``)


@pytest.fixture
def pl():
    return pytest.importorskip("polars")


def test_rows_come_back_with_the_stamp(tmp_path, pl):
    from sim.study.results_file import read_results, write_parquet

    path = tmp_path / "results.parquet"
    write_parquet(path, [{"a": 1, "b": "x"}, {"a": 2, "c": 0.5}])
    frame = read_results(path)
    assert frame.columns == ["a", "b", *stamp(), "c"]
    assert frame.drop(list(stamp())).to_dicts() == [{"a": 1, "b": "x", "c": None}, {"a": 2, "b": None, "c": 0.5}]
    assert list(tmp_path.iterdir()) == [path]


def test_an_old_file_stays_where_a_new_one_cannot_be_written(tmp_path, pl, monkeypatch):
    from sim.study.results_file import read_results, write_parquet

    path = tmp_path / "results.parquet"
    write_parquet(path, [{"a": 1}])

    def full(self, *_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(InputError, match="no space left"):
        write_parquet(path, [{"a": 2}])
    assert read_results(path)["a"].to_list() == [1]
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_results_file_is_told(tmp_path, pl):
    from sim.study.results_file import read_results

    cases = {"none": "no such file", "empty": "truncated", "text": "truncated", "other": "no results of edgetpusim"}
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "text").write_text("not Parquet at all, but long enough to have a footer")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other")
    for name, words in cases.items():
        with pytest.raises(InputError, match=words):
            read_results(tmp_path / name)


@pytest.mark.parametrize(
    "options", [{}, {"inferences": 20}, {"threads": 3, "link": "pcie", "jitter": "measured"}], ids=str
)
def test_a_row_fed_back_is_the_same_scenario(options):
    row = flat(simulate(Scenario(models="mobilenet_v1_0.25_128", **options)).summary)
    again = flat(simulate(Scenario(**{key: row[key] for key in Scenario(models="x").options()})).summary)
    assert again == row
    assert row["inferences"] == options.get("inferences", 0)
    assert row["inferences_simulated"] > 0


@pytest.mark.parametrize("version", [0, RESULTS_VERSION + 1])
def test_another_version_is_refused(tmp_path, pl, version):
    from sim.study.results_file import read_results

    pl.DataFrame({"a": [1], "results_version": [version]}).write_parquet(tmp_path / "r")
    with pytest.raises(InputError, match="run sweep or study again"):
        read_results(tmp_path / "r")


@pytest.mark.parametrize("cut", [1, 8, 100])
def test_a_truncated_file_is_found(tmp_path, pl, cut):
    from sim.study.results_file import read_results, write_parquet

    path = tmp_path / "r"
    write_parquet(path, [{"a": i} for i in range(100)])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(InputError, match=r"truncated|damaged"):
        read_results(path)


def test_the_reasons_of_failed_points_are_told_by_how_often(tmp_path):
    texts = ["", "no room", "", "too slow", "no room"]
    write_parquet(tmp_path / "r.parquet", [{"error": text} for text in texts])
    assert failures(tmp_path / "r.parquet") == [("no room", 2), ("too slow", 1)]
