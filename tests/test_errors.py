"""One error, one line: what a wrong input's message holds, and that it survives SimPy, pickling and terminals."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import LONGEST, InputError, either, nearest, reason

VALUE = InputError.value("--link", "usb4", "pcie or usb3", "did you mean 'usb3'?")
PROBLEM = InputError.problem("polars", "is not installed", "run pip install polars")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (VALUE, "--link must be pcie or usb3, not 'usb4'; did you mean 'usb3'?"),
        (InputError.value("here", 0, "1 to 3"), "here must be 1 to 3, not 0"),
        (InputError.value("here", "", "a name"), "here must be a name, not ''"),
        (InputError.value("here", None, "a name"), "here must be a name, not None"),
        (InputError.value("here", [1, 2], "one number"), "here must be one number, not [1, 2]"),
        (InputError.value("here", 16**5000, "1"), "here must be 1, not a number of thousands of digits"),
        (PROBLEM, "polars is not installed: run pip install polars"),
        (InputError.problem("here", "is empty"), "here is empty"),
        (InputError.problem("here", "is wrong", hint="did you mean 'there'?"), "here is wrong; did you mean 'there'?"),
    ],
)
def test_a_message_is_a_sentence_of_where_what_came_what_is_allowed_and_a_hint(error, text):
    assert str(error) == text


def test_it_is_a_value_error():
    with pytest.raises(ValueError, match="polars is not installed"):
        raise PROBLEM


@pytest.mark.parametrize("error", [VALUE, PROBLEM])
def test_it_is_rebuilt_from_its_arguments_as_simpy_does_and_crosses_processes(error):
    for again in (type(error)(*error.args), pickle.loads(pickle.dumps(error))):
        assert again.args == error.args
        assert str(again) == str(error)


def test_a_simulated_process_that_fails_hands_it_on():
    import simpy

    def broken(env):
        yield env.timeout(1)
        raise InputError.value("here", 1, "2")

    env = simpy.Environment()
    env.process(broken(env))
    with pytest.raises(InputError, match="here must be 2, not 1"):
        env.run()


@pytest.mark.parametrize("make", [InputError.value, InputError.problem])
def test_long_input_is_cut(make):
    text = str(make("x" * 10_000, "y" * 10_000, "this"))
    assert len(text) < 3 * LONGEST
    assert text.count("...") == 2


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.text(max_size=60), min_size=4, max_size=4), st.sampled_from(["value", "problem"]))
def test_nothing_in_a_message_breaks_the_line_or_steers_a_terminal(fields, form):
    """Whatever holds a user's text: an option's value stands in what is allowed as well."""
    text = str(InputError(*fields, form))
    assert len(text.splitlines()) <= 1
    assert all(char.isprintable() for char in text)


@pytest.mark.parametrize(
    ("names", "text"),
    [(["a"], "a"), (["a", "b"], "a or b"), (("a", "b", "c"), "a, b or c"), ({"a": 1, "b": 2}, "a or b")],
)
def test_names_are_listed_as_a_sentence_does(names, text):
    assert either(names) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (FileNotFoundError(2, "No such file or directory", "x"), "no such file or directory"),
        (OSError("broken"), "broken"),
        (OSError(), "OSError"),
        (ValueError("Not a number"), "Not a number"),
    ],
)
def test_a_reason_is_the_systems_or_the_errors_own(error, text):
    assert reason(error) == text


@pytest.mark.parametrize(
    ("got", "names", "hint"),
    [
        ("usb33", ["usb2", "usb3", "pcie"], "did you mean 'usb3'?"),
        ("CORAL", ["small", "coral", "large"], "did you mean 'coral'?"),
        ("Raspberry", ["raspberry-pi-4"], "did you mean 'raspberry-pi-4'?"),
        ("MobileDet", ["mobilefacenet_112", "ssdlite_mobiledet_cpu_320", "ssdlite_mobiledet_320"],
         "did you mean 'ssdlite_mobiledet_320'?"),
        ("mobilenet face", ["mobilenet_v1", "ssd_mobilenet_v2_face_320"], "did you mean 'ssd_mobilenet_v2_face_320'?"),
        ("zzz", ["usb2", "usb3"], ""),
        ("", ["usb2"], ""),
        ("x", [], ""),
    ],
)  # fmt: skip
def test_the_nearest_name_is_offered_whatever_its_case(got, names, hint):
    assert nearest(got, names) == hint
