"""One error, one line: what a wrong input's message holds, and that it survives SimPy, pickling and terminals."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hwmodels.errors import LONGEST, InputError, nearest


def test_a_message_has_where_what_came_what_is_allowed_and_a_hint():
    error = InputError("--link", "usb4", "pcie, usb2, usb3", "did you mean 'usb3'?")
    assert str(error) == "--link; got 'usb4'; pcie, usb2, usb3; did you mean 'usb3'?"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        (("here",), "here"),
        (("here", 3), "here; got 3"),
        (("here", 0), "here; got 0"),
        (("here", ""), "here"),
        (("here", "", "this"), "here; this"),
        (("here", None), "here; got None"),
        (("here", [1, 2], "less"), "here; got [1, 2]; less"),
    ],
)
def test_what_is_not_given_is_not_said(fields, text):
    assert str(InputError(*fields)) == text


def test_it_is_a_value_error():
    with pytest.raises(ValueError, match="here"):
        raise InputError("here")


def test_it_is_rebuilt_from_its_arguments_as_simpy_does():
    error = InputError("a", "b", "c", "d")
    again = type(error)(*error.args)
    assert (again.where, again.got, again.allowed, again.hint) == ("a", "b", "c", "d")
    assert str(again) == str(error)


def test_it_crosses_processes():
    error = pickle.loads(pickle.dumps(InputError("a", "b", "c", "d")))
    assert str(error) == "a; got 'b'; c; d"


def test_a_simulated_process_that_fails_hands_it_on():
    import simpy

    def broken(env):
        yield env.timeout(1)
        raise InputError("here", 1, "2")

    env = simpy.Environment()
    env.process(broken(env))
    with pytest.raises(InputError, match="here; got 1; 2"):
        env.run()


def test_long_input_is_cut():
    text = str(InputError("x" * 10_000, "y" * 10_000))
    assert len(text) < 3 * LONGEST
    assert text.count("...") == 2


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_in_a_message_breaks_the_line_or_steers_a_terminal(where, got):
    text = str(InputError(where, got))
    assert len(text.splitlines()) <= 1
    assert all(char.isprintable() for char in text)


@pytest.mark.parametrize(
    ("got", "names", "hint"),
    [
        ("usb33", ["usb2", "usb3", "pcie"], "did you mean 'usb3'?"),
        ("CORAL", ["small", "coral", "large"], "did you mean 'coral'?"),
        ("Raspberry", ["raspberry-pi-4"], "did you mean 'raspberry-pi-4'?"),
        ("zzz", ["usb2", "usb3"], ""),
        ("", ["usb2"], ""),
        ("x", [], ""),
    ],
)
def test_the_nearest_name_is_offered_whatever_its_case(got, names, hint):
    assert nearest(got, names) == hint
