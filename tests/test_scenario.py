"""Scenarios: every option has one default in one place, and every wrong value one line that names its option."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hwmodels.errors import InputError
from sim.defaults import SCENARIO_DEFAULTS
from sim.scenario import MODES, RUNNERS, Scenario, frame_size, name_and_count, parse_models
from sim.setup import build

NET = "mobilenet_v1_0.25_128"


def test_the_two_lists_of_defaults_are_the_same():
    """``sim.defaults`` imports nothing, so that help is instant; the dataclass is what everything else uses."""
    assert {field.name: field.default for field in fields(Scenario) if field.name != "models"} == SCENARIO_DEFAULTS
    assert [field.name for field in fields(Scenario)][1:] == list(SCENARIO_DEFAULTS)


def test_options_give_the_scenario_back():
    scenario = Scenario(models=NET, threads=3, preprocess="resize", arrivals="poisson:10")
    assert Scenario(**scenario.options()) == scenario


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a", [("a", 0)]),
        ("a:2", [("a", 2)]),
        ("a:2,b:1", [("a", 2), ("b", 1)]),
        (" a , b:3 ", [("a", 0), ("b", 3)]),
        ("profile:file.csv#x", [("profile:file.csv#x", 0)]),
        ("profile:file.csv#x:4", [("profile:file.csv#x", 4)]),
        ("C:dir:2", [("C:dir", 2)]),
    ],
)
def test_networks_and_their_threads(text, pairs):
    assert parse_models(text) == pairs


@pytest.mark.parametrize("text", ["", ",", "a,", "a:0", "a:-1", "a:5000"])
def test_networks_that_are_none_are_refused(text):
    with pytest.raises(InputError, match="MODEL"):
        parse_models(text)


def test_a_count_names_what_it_counts():
    with pytest.raises(InputError, match="--size coral:0"):
        name_and_count("--size", "coral:0")


@pytest.mark.parametrize(
    ("text", "size"),
    [("none", None), ("resize", (1280, 720)), ("resize:640x480", (640, 480)), ("resize:1x1", (1, 1))],
)
def test_frames(text, size):
    assert frame_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "crop", "resize:", "resize:640", "resize:0x10", "resize:-1x10", "resize:99999x1", "none:1x1", "resize:axb"],
)
def test_frames_that_are_none_are_refused(text):
    if text == "resize:":
        assert frame_size(text) == (1280, 720)
        return
    with pytest.raises(InputError, match="--preprocess"):
        frame_size(text)


BAD = [
    ("threads", 0), ("threads", 5000), ("accelerators", 0), ("num_threads", 0), ("cores", -1), ("cores", 5000),
    ("busy_python_threads", -1), ("busy_python_threads", 65), ("inferences", -1), ("seed", -1),
    ("background_load", -0.1), ("background_load", 0.96), ("background_load", float("nan")),
    ("switch_interval_ms", 0), ("switch_interval_ms", float("nan")), ("duration_s", -1), ("duration_s", float("inf")),
    ("mode", "thread"), ("runner", "c"), ("jitter", "some"), ("batch", -1), ("num_segments", 17),
    ("arrivals", "sometimes"), ("arrivals", "poisson"), ("arrivals", "closed:3"), ("thermal", "hot"),
    ("cpu_kernels", "mkl"), ("preprocess", "crop"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name} {value}" for name, value in BAD])
def test_a_wrong_value_is_told_by_its_option(name, value):
    with pytest.raises(InputError) as error:
        Scenario(models=NET, **{name: value})
    text = str(error.value)
    assert f"--{name.replace('_', '-')}" in text
    assert "got" in text
    assert "\n" not in text


@pytest.mark.parametrize(("name", "choices"), [("mode", MODES), ("runner", RUNNERS)])
def test_a_choice_lists_what_there_is(name, choices):
    with pytest.raises(InputError, match=", ".join(choices)):
        Scenario(models=NET, **{name: "?"})


# What is checked when parts and networks are loaded

MISFITS = [
    ({"models": "no_such_network"}, "zoo list"),
    ({"size": "korall"}, "did you mean 'coral'"),
    ({"size": "coral:2", "accelerators": 3}, "2, as --size coral:2 says"),
    ({"link": "usb3,pcie"}, "one link, or one for each of 1"),
    ({"link": "usb9"}, "usb2, usb3"),
    ({"host": "toaster"}, "FILE.toml"),
    ({"clock": "std", "link": "pcie"}, "max here"),
    ({"models": f"{NET}:2", "threads": 3}, "2, as MODEL"),
    ({"num_segments": 2}, "only with --mode pipeline"),
    ({"mode": "pipeline", "accelerators": 3, "num_segments": 2}, "a multiple of --num-segments 2"),
    ({"mode": "pipeline", "threads": 2}, "one network and no --threads"),
    ({"mode": "pipeline", "models": f"{NET},{NET}"}, "one network and no --threads"),
    ({"mode": "pipeline", "num_segments": 3, "segmentation": "5"}, "2 layer numbers"),
    ({"mode": "pipeline", "segmentation": "evenly"}, "compiler, profiled"),
    ({"mode": "coexec"}, "one an accelerator, the rest on the CPU"),
    ({"compiler": "2019"}, "2021, 2020"),
    ({"models": f"profile:dpu_kv260#nothing,{NET}"}, "only profiles"),
    ({"models": "profile:dpu_kv260#nothing"}, "NAME"),
]


@pytest.mark.parametrize(("options", "words"), MISFITS, ids=[str(options) for options, _ in MISFITS])
def test_what_does_not_fit_together_is_one_line(options, words):
    with pytest.raises(InputError) as error:
        build(Scenario(**{"models": NET, **options}))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


# What a scenario resolves to


def test_threads_take_the_networks_in_turn():
    other = "mobilenet_v1_0.5_160"
    assert build(Scenario(models=f"{NET},{other}", threads=5)).thread_models == (0, 1, 0, 1, 0)
    assert build(Scenario(models=f"{NET}:1,{other}:2")).thread_models == (0, 1, 1)
    assert build(Scenario(models=NET, threads=3)).thread_models == (0, 0, 0)


def test_sizes_and_links_for_each_accelerator():
    setup = build(Scenario(models=NET, size="coral,small:2", link="usb3,pcie,pcie"))
    assert [part.name for part in setup.accelerators] == ["coral", "small", "small"]
    assert [bus.name for bus in setup.channels] == ["usb3", "pcie", "pcie"]
    assert any("small was never measured" in note for note in setup.warnings)


def test_a_pipeline_has_a_thread_and_an_accelerator_for_each_segment():
    setup = build(Scenario(models=NET, mode="pipeline", num_segments=2, accelerators=4))
    assert setup.pipelines == ((0, 1), (2, 3))
    assert setup.thread_models == (0, 1, 0, 1)
    assert len(setup.accelerators) == 4


def test_threads_beyond_the_accelerators_run_on_the_cpu():
    setup = build(Scenario(models=NET, mode="coexec", threads=3, accelerators=1))
    assert setup.models == (NET, f"{NET} on the CPU")
    assert setup.thread_models == (0, 1, 1)


def test_more_processes_than_accelerators_are_noted():
    notes = build(Scenario(models=NET, mode="processes", threads=2)).warnings
    assert any("belongs to one process" in note for note in notes)
    assert not build(Scenario(models=NET, mode="processes", threads=2, accelerators=2)).warnings
