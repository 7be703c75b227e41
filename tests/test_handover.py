"""Hand-overs of a lock, read off a log."""

from __future__ import annotations

import pytest
from virtual_files import LITERT, NEEDS_LINUX, NO_LITERT

from calibration.harness.handover import HandOvers, Measured, hand_over_figures, hand_overs, measured_passes
from sim.virtual.records import PassRecord


def one(tid, asked, held, end):
    return PassRecord(1, tid, 0, 0, asked, held, held, end, end, 0, end - held, False)


def test_only_what_somebody_waited_for_is_a_hand_over():
    """1 lets go while 2 waits and comes back first, then 2 has it; 1 comes later, when nobody waits."""
    passes = [one(1, 0, 0, 100), one(1, 104, 104, 200), one(2, 50, 220, 300), one(1, 400, 400, 500)]
    found = hand_overs(passes)
    assert (found.woken_ns, found.returned, found.return_share) == ((20,), 1, 0.5)


def test_without_waiters_there_is_none():
    assert hand_overs([one(1, 0, 0, 10), one(1, 20, 20, 30)]).return_share == 0


def row(work_ms, idle_us, returned, woken_us=30, held_ms=1.0):
    """100 hand-overs of two threads."""
    found = HandOvers((woken_us * 1000,) * (100 - returned), returned)
    return Measured(2, work_ms, held_ms, idle_us / 1000, found)


def test_waiters_that_stay_tell_the_load_below_which_they_do():
    """The releaser is next in spite of its work: loads of 0.26 and 0.4 stay, 0.58 does not."""
    rows = [row(0, 10, 49, 5), row(0.3, 150, 50, 5), row(0.5, 250, 48, 5), row(0.6, 30, 2, 28), row(0.9, 30, 0, 32)]
    wake, stay = hand_over_figures(rows)
    assert (wake.key, wake.value, wake.low, wake.high) == ("lock_wake_ns", 30_000, 28_000, 32_000)
    assert (stay.key, stay.low, stay.high) == ("stay_load", pytest.approx(0.4), pytest.approx(0.6 / 1.03))
    assert stay.value == pytest.approx((stay.low + stay.high) / 2)


def test_where_none_stays_there_is_no_such_load():
    """The wake-up is then that of threads without work, as always."""
    wake, stay = hand_over_figures([row(0, 10, 49, 20), row(0.3, 30, 0, 28), row(0.9, 30, 20, 32)])
    assert (wake.value, stay.value, stay.high) == (20_000, 0, 0)


@NEEDS_LINUX
def test_a_host_s_hand_over_is_measured():
    pytest.importorskip(LITERT, reason=NO_LITERT)
    rows = measured_passes(0.2, ("short",), (0.3,))
    assert [one.work_ms > 0 for one in rows] == [False, False, True]
    wake, *_ = hand_over_figures([one for one in rows if not one.work_ms])
    assert wake.key == "lock_wake_ns"
    assert 500 < wake.low <= wake.value <= wake.high
    assert rows[-1].load == pytest.approx(rows[-1].work_ms / rows[-1].held_ms, rel=0.7)
