"""Profiles: reading them, and what a bad file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwmodels.dpu.board import Work, closed_loop_ips, load_board
from hwmodels.errors import InputError
from hwmodels.networks.readers import is_profile
from hwmodels.profile import Profile, ProfileStage, load_profile, profile_names, read_profiles
from hwmodels.stages import AcceleratorStage, CpuStage
from sim.machine.memory import layered, replay

HEADER = "name,resource,time_ns,time_ms,bytes\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_stages_of_a_profile(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        HEADER + "net,cpu,,0.5,\nnet,accelerator,1000000,,\nnet,memory,,2,8000\nnet,cpu,7,,\nother,accelerator,1,,\n",
    )
    profile = load_profile(f"profile:{path}#net")
    assert (profile.host_ns, profile.held_ns, profile.memory_share) == (500_007, 3_000_000, pytest.approx(2 / 3))
    stages = profile.stage_times().stages
    assert [type(stage) for stage in stages] == [CpuStage, AcceleratorStage, CpuStage]
    assert profile.stage_times().invoke_ns == 3_500_007
    assert is_profile(f"profile:{path}#net") and not is_profile("mobilenet_v1_1.0_224")


def test_scaled_to_another_board() -> None:
    """A shipped profile carried to three cores by its clocks: replay and closed form agree."""
    board, one_core = load_board("zcu102"), load_board("kv260")
    profile = load_profile("profile:dpu_kv260#tf_resnetv1_50_imagenet_224_224_6.97G")
    carried = profile.scaled(board.host_factor, one_core.clock_hz / board.clock_hz)
    work = Work(carried.host_ns / 1e9, carried.held_ns / 1e9, carried.memory_share)
    threads = [layered(carried.stage_times(), 40, seed) for seed in range(8)]
    assert closed_loop_ips(work, board, 8) == pytest.approx(replay(threads, board, 8, 400).ips, rel=0.015)


def test_layers_add_up_exactly() -> None:
    profile = Profile("x", (ProfileStage("accelerator", 1003), ProfileStage("memory", 777, 5001)))
    for layers in (1, 2, 7, 50):
        (stage,) = layered(profile.stage_times(), layers, seed=layers).stages
        assert isinstance(stage, AcceleratorStage)
        assert (stage.held_ns, len(stage.steps)) == (1780, 2 * layers)
        assert sum(step.streamed_bytes for step in stage.steps) == 5001


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("resource,time_ns\ncpu,1\n", "no column name"),
        ("name,resource\nx,cpu\n", "no column of times"),
        (HEADER, "no rows"),
        (HEADER + "x,gpu,1,,\n", "resource"),
        (HEADER + "x,cpu,1,1,\n", "exactly one"),
        (HEADER + "x,cpu,,,\n", "exactly one"),
        (HEADER + "x,cpu,-1,,\n", "time_ns"),
        (HEADER + "x,cpu,nan,,\n", "time_ns"),
        (HEADER + "x,accelerator,soon,,\n", "soon"),
        (HEADER + "x,memory,5,,\n", "bytes"),
        (HEADER + "x,cpu,5,,\n", "no accelerator time"),
        (HEADER + ",cpu,5,,\n", "name"),
    ],
)
def test_bad_files_are_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_profiles(path)
    message = str(caught.value)
    assert told in message and str(path) in message and "\n" not in message


def test_a_wrong_name_gets_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"did you mean 'tf_vgg16_imagenet_224_224_30\.96G'"):
        load_profile("profile:dpu_kv260#tf_vgg16_imagenet_224_224_30.9G")
    with pytest.raises(InputError, match="no such file"):
        load_profile("profile:nowhere.csv#x")
    with pytest.raises(InputError, match=r"FILE\.csv#NAME"):
        load_profile("profile:")


def test_binary_and_directory(tmp_path: Path) -> None:
    binary = tmp_path / "b.csv"
    binary.write_bytes(b"\xff\xfe\x00name")
    for path in (binary, tmp_path):
        with pytest.raises(InputError):
            read_profiles(path)


def test_shipped_profiles_are_whole() -> None:
    assert profile_names() == ["dpu_kv260", "dpu_ultra96"]
    profiles = read_profiles(Path(__file__).parent.parent / "traces" / "profiles" / "dpu_kv260.csv")
    assert len(profiles) > 200
    assert all(profile.held_ns > 0 for profile in profiles.values())
