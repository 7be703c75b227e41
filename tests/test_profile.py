"""Profiles: reading them, what a bad file says, and their replay with contention for memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import simpy

from hwmodels.board import Work, closed_loop_ips, fair_rates, load_board, spread_ips, stretches
from hwmodels.errors import InputError
from hwmodels.profile import Profile, ProfileStage, is_profile, load_profile, profile_names, read_profiles
from hwmodels.timing import CpuStage, StageTimes, TpuStage
from sim.memory import SharedMemory, layered, replay

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
    assert [type(stage) for stage in stages] == [CpuStage, TpuStage, CpuStage]
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
        assert isinstance(stage, TpuStage)
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
    with pytest.raises(InputError, match="No such file"):
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


def test_fair_rates_share_what_slow_ports_leave() -> None:
    assert fair_rates([10, 10, 2], 12) == [5, 5, 2]
    assert fair_rates([3, 4], 100) == [3, 4]
    assert fair_rates([], 5) == []


def test_memory_shares_and_conserves() -> None:
    env = simpy.Environment()
    memory = SharedMemory(env, 10.0)
    ends = {}

    def mover(name: str, after_ns: int, n_bytes: int, limit: float):  # type: ignore[no-untyped-def]
        yield env.timeout(after_ns)
        yield from memory.move(n_bytes, limit)
        ends[name] = env.now / 1e9

    env.process(mover("a", 0, 80, 8.0))
    env.process(mover("b", 5_000_000_000, 20, 8.0))
    env.run()
    # a alone: 40 bytes in 5 s; then 5 bytes/s each: b ends after 4 s with a at 60; a goes on at 8 bytes/s
    assert ends == {"b": pytest.approx(9.0, abs=1e-6), "a": pytest.approx(11.5, abs=1e-6)}
    assert memory.moved_bytes == 100 and not memory.active


def networks(work: Work, board_port: float, threads: int) -> list[StageTimes]:
    """The same work as 40 uneven layers, another mix for every thread."""
    held_ns, memory_ns = round(work.accelerator_s * 1e9), round(work.accelerator_s * work.memory_share * 1e9)
    memory = ProfileStage("memory", memory_ns, round(memory_ns * board_port / 1e9))
    host = ProfileStage("cpu", round(work.host_s * 1e9))
    profile = Profile("net", (host, ProfileStage("accelerator", held_ns - memory_ns), memory))
    return [layered(profile.stage_times(), 40, seed) for seed in range(threads)]


@pytest.mark.parametrize("name", ["kv260", "zcu104", "zcu102"])
@pytest.mark.parametrize("share", [0.3, 0.666, 0.9])
@pytest.mark.parametrize("threads", [1, 3, 4, 8])
def test_closed_form_equals_the_replay(name: str, share: float, threads: int) -> None:
    """Mean field against events, host work light: within 1.5 %, in a closed loop and with a fixed share a thread."""
    board, work = load_board(name), Work(0.0007, 0.01, share)
    times = networks(work, board.port_bytes_per_s, threads)
    steady = replay(times, board, threads, 240)
    assert closed_loop_ips(work, board, threads) == pytest.approx(steady.ips, rel=0.015)
    spread = replay(times, board, threads, 240, spread=True)
    assert spread_ips(work, board, threads) == pytest.approx(spread.ips, rel=0.015)
    assert all(0 < busy <= 1 for busy in steady.core_busy[: min(threads, board.accelerators)])


def test_gain_never_exceeds_the_cpus() -> None:
    """One core, four CPUs, nearly all time on the host: threads gain up to four, never more."""
    board, work = load_board("kv260"), Work(0.1, 0.001, 0.5)
    profile = networks(work, board.port_bytes_per_s, 1)[0]
    one = replay(profile, board, 1, 40).ips
    gains = [replay(profile, board, threads, 80).ips / one for threads in (2, 4, 8)]
    assert gains == [pytest.approx(2, rel=0.03), pytest.approx(4, rel=0.03), pytest.approx(4, rel=0.03)]
    assert max(gains) <= 4.05


def test_stretches_grow_with_cores_and_share() -> None:
    board = load_board("zcu102")
    rows = [sum(stretches(share, board, [1, 1, 1])) for share in (0.0, 0.2, 0.5, 0.8)]
    assert rows == sorted(rows) and rows[0] == 3
    assert stretches(0.5, load_board("kv260"), [1.0]) == [1.0]
    alone = stretches(0.5, board, [0, 0, 1])
    assert alone[2] > 1.0 == alone[0]


def test_boards_by_name() -> None:
    assert load_board("ZCU102 (0432055-05)").accelerators == 3
    with pytest.raises(InputError, match="zcu102"):
        load_board("zcu103x")
    with pytest.raises(InputError):
        load_board("kv260", cores=99)
