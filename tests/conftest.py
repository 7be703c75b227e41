"""Shared fixtures: hand-made stage times, and the folder of real model files where there is one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwmodels.stages import StageTimes
from sim.scenario import Scenario
from sim.setup import Setup, build

HERE = Path(__file__).parent


def shared_folder() -> Path:
    return Path(os.environ.get("EDGETPUSIM_SHARED", HERE.parent.parent / "shared"))


@pytest.fixture(autouse=True, scope="session")
def no_networks_of_the_user_s_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What somebody added to the zoo on this machine has no part in a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGETPUSIM_DATA", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture
def shared_models() -> Path:
    folder = shared_folder() / "models"
    if not folder.is_dir():
        pytest.skip("no folder of real model files here")
    return folder


@pytest.fixture
def hand_setup() -> Callable[..., Setup]:
    """A set-up whose stage times are given by hand: ``hand_setup([network, ...], threads=..., ...)``."""

    def make(networks: list[StageTimes], thread_models: list[int] | None = None, **options: Any) -> Setup:
        models = ["conv5x3x3_f32_64x64", "conv5x3x3_f42_64x64"][: len(networks)]
        options = {"mode": "processes", "cores": 4, **options}
        setup = build(Scenario(models=",".join(models), **options))
        count = len(setup.accelerators)
        return replace(
            setup,
            host=replace(setup.host, switch_ns=0, lock_wake_ns=0, gil_share=1.0),
            stage_times=tuple((one,) * count for one in networks),
            models=tuple(one.name for one in networks),
            thread_models=tuple(thread_models or setup.thread_models),
        )

    return make


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The folder of a study on a tiny grid, and what it found."""
    for extra in ("polars", "sklearn", "altair", "vl_convert"):
        pytest.importorskip(extra)
    from tiny_study import GRID

    from sim.study.characterisation import study

    folder = tmp_path_factory.mktemp("study")
    return folder, study(folder, (GRID,), 1, "tiny_study:twice_the_bound")
