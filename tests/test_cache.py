"""Results are remembered by the identity of large values, and by the value of small ones."""

from __future__ import annotations

import gc
import weakref

import pytest

from hwmodels.cache import ByIdentity, for_each, forget, read_once, remembered, still
from hwmodels.link import load_link


class Thing:
    """Equal to every other thing."""

    def __eq__(self, other):
        return isinstance(other, Thing)

    def __hash__(self):
        return 1


def counted(maxsize):
    """A remembered function, and the arguments with which it was really called."""
    calls = []

    @remembered(maxsize)
    def function(thing, number=0):
        """Itself."""
        calls.append((thing, number))
        return len(calls)

    return function, calls


def test_two_equal_things_are_two_and_two_equal_numbers_are_one():
    function, calls = counted(8)
    one, other = Thing(), Thing()
    assert [function(one, 10**9), function(one, 10**9), function(other, 10**9), function(one, 5)] == [1, 1, 2, 3]
    assert len(calls) == 3


def test_the_oldest_result_is_forgotten_first_and_lets_go_of_its_argument():
    function, calls = counted(2)
    first = Thing()
    gone = weakref.ref(first)
    function(first)
    function("b")
    assert function(first) == 1, "it is the youngest now"
    function("c")
    assert function(first) == 1
    calls.clear()
    function("b")
    assert calls == [("b", 0)], "it was the oldest"
    function("d")
    del first
    calls.clear()
    gc.collect()
    assert gone() is None


def test_a_key_keeps_its_object_alive():
    one, other = Thing(), Thing()
    assert ByIdentity(one) == ByIdentity(one)
    assert ByIdentity(one) != ByIdentity(other)
    assert ByIdentity(one) != one
    assert len({ByIdentity(one), ByIdentity(one), ByIdentity(other)}) == 2


def test_a_function_is_called_once_for_items_that_are_one_object():
    one, other, calls = Thing(), Thing(), []
    found = for_each(lambda thing: calls.append(thing) or len(calls), [one, other, one, one])
    assert found == (1, 2, 1, 1)
    assert [id(thing) for thing in calls] == [id(one), id(other)]


def test_all_is_forgotten_where_it_is_more_than_so_many_results():
    function, calls = counted(8)
    forget()
    function(1), function(2)
    forget(beyond=10**9)
    assert (function(1), len(calls)) == (1, 2), "still remembered"
    forget(beyond=1)
    assert (function(1), len(calls)) == (3, 3), "asked anew"


@read_once
def text_of(path):
    """What a file holds."""
    return path.read_text()


def test_a_file_is_read_once_while_files_are_still_and_anew_after_it(tmp_path):
    file, other = tmp_path / "one", tmp_path / "other"
    file.write_text("1"), other.write_text("0")
    with still():
        with still():
            seen = [text_of(file)]
        file.write_text("2")
        seen += [text_of(file), text_of(other)]
    assert (seen, text_of(file)) == (["1", "1", "0"], "2")
    file.write_text("3")
    assert text_of(file) == "3", "nothing is known outside of a block"


def test_what_failed_is_tried_again_and_ends_the_block(tmp_path):
    file = tmp_path / "one"
    with pytest.raises(FileNotFoundError), still():
        text_of(file)
    file.write_text("1")
    with still():
        assert text_of(file) == "1"


def test_a_part_file_that_changes_between_two_blocks_is_another_part(tmp_path):
    file = tmp_path / "slow.toml"
    rates = []
    for value in ("1e8", "2e8"):
        number = f'{{ value = {value}, status = "assumed", source = "a test" }}'
        file.write_text(f'kind = "link"\nname = "slow"\nbase = "usb3"\nout_bytes_per_s = {number}\n')
        with still():
            rates += [load_link(str(file)).out_bytes_per_s, load_link(str(file)).out_bytes_per_s]
    assert rates == [1e8, 1e8, 2e8, 2e8]
