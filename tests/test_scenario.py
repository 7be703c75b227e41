"""Scenarios: an option is declared once, and a wrong value is one line that names it."""

from __future__ import annotations

from dataclasses import fields

import pytest

from hwmodels.errors import InputError
from sim.scenario import Scenario, flag, frame_size, name_and_count, option_defaults, option_fields, parse_models

NET = "mobilenet_v1_0.25_128"


def test_options_are_all_fields_but_networks_and_numbers_in_their_order():
    assert ["models", *option_fields(), "numbers"] == [field.name for field in fields(Scenario)]


def test_defaults_of_the_options_make_the_default_scenario():
    assert Scenario(models=NET).options() == {"models": NET} | option_defaults()
    assert Scenario(models=NET) == Scenario(models=NET, **option_defaults())


def test_options_give_the_scenario_back():
    scenario = Scenario(models=NET, threads=3, preprocess="resize", arrivals="poisson:10")
    assert Scenario(**scenario.options()) == scenario


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("a", [("a", 0)]),
        ("a:2", [("a", 2)]),
        ("a:2,b:1", [("a", 2), ("b", 1)]),
        (" a , b:3 ", [("a", 1), ("b", 3)]),
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
    ("threads", 0), ("threads", 5000), ("accelerators", -1), ("num_threads", 0), ("cores", -1), ("cores", 5000),
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
    assert flag(option_fields()[name]) in text
    assert str(value) in text
    assert "\n" not in text


CHOICES = [(name, spec.metadata["choices"]) for name, spec in option_fields().items() if "choices" in spec.metadata]


@pytest.mark.parametrize(("name", "choices"), CHOICES)
def test_a_choice_lists_what_there_is(name, choices):
    assert len(choices) > 1
    with pytest.raises(InputError, match=".*".join(choices)):
        Scenario(models=NET, **{name: "?"})


RANGES = [(name, *spec.metadata["range"]) for name, spec in option_fields().items() if "range" in spec.metadata]


@pytest.mark.parametrize(("name", "least", "most"), RANGES)
def test_the_ends_of_a_range_are_in_it_and_what_lies_beyond_is_not(name, least, most):
    for value in (least, most):
        assert getattr(Scenario(models=NET, **{name: value}), name) == value
    for value in (least - 1, most * 2 + 1):
        with pytest.raises(InputError, match=flag(option_fields()[name])):
            Scenario(models=NET, **{name: value})
