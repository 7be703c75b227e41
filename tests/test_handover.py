"""Hand-overs of a lock, read off a log."""

from __future__ import annotations

import pytest
from virtual_files import LITERT, NEEDS_LINUX, NO_LITERT

from calibration.harness.handover import hand_overs, measure_hand_over
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


@NEEDS_LINUX
def test_a_host_s_wake_up_is_measured():
    pytest.importorskip(LITERT, reason=NO_LITERT)
    (figure,) = measure_hand_over(0.2)
    assert figure.key == "lock_wake_ns"
    assert 500 < figure.low <= figure.value <= figure.high
