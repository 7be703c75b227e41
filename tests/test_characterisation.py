"""The study on a tiny grid: files that agree, and what stops it."""

from __future__ import annotations

import json

import pytest
from tiny_study import CASES, NETS

from hwmodels.errors import InputError
from sim.study.grid import Grid, network_rows

pl = pytest.importorskip("polars")


def test_the_files_are_there_and_agree(tiny_study):
    folder, found = tiny_study
    frame = pl.read_parquet(folder / "results.parquet")
    assert frame.height == len(NETS) * 3 * (6 + 6 + 2 + 2) == found["points"]
    described = {row["name"] for row in json.loads((folder / "schema.json").read_text())["columns"]}
    assert described == set(frame.columns)
    assert json.loads((folder / "findings.json").read_text())["findings"] == json.loads(json.dumps(found["findings"]))
    assert found["errors"] == 0


def test_a_pattern_that_matches_nothing_is_bad_input():
    from sim.study.characterisation import grid_of

    assert "mobilenet_v1_1.0_224" in grid_of("mobilenet_v1_*").networks
    assert grid_of("efficientdet-lite0").networks == ("efficientdet_lite0_320",)  # as `run` understands it
    with pytest.raises(InputError, match="--models"):
        grid_of("no_such_*")
    with pytest.raises(InputError, match="did you mean 'large'"):
        grid_of("lenet_5_28", "larg")


def test_a_folder_that_cannot_be_written(tmp_path):
    from sim.study.characterisation import study

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        study(tmp_path / "file" / "x", (Grid(("lenet_5_28",), ("coral",), CASES[:1]),), 1)


def test_a_study_that_was_stopped_goes_on(tmp_path, monkeypatch):
    """A machine that fails ends it; what was finished is not simulated again, and the rows are those of one go."""
    pytest.importorskip("sklearn")
    from concurrent.futures import ThreadPoolExecutor

    from sim.study import characterisation

    asked = []

    def rows(network, sizes, cases, engine):
        asked.append(network)
        if network == NETS[2] and len(asked) == 3:
            raise OSError(28, "No space left on device")
        return network_rows(network, sizes, cases, engine)

    monkeypatch.setattr(characterisation, "network_rows", rows)
    kept, grid = tmp_path / "kept", Grid(NETS[:3], ("coral",), CASES[:1])
    kept.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(OSError, match="No space"):
            characterisation.grid_rows(grid, kept, pool)
        frame = characterisation.grid_rows(grid, kept, pool)
    assert asked == [*NETS[:3], NETS[2]]
    assert frame["models"].to_list() == [name for name in NETS[:3] for _ in range(6)]
