"""Python threads side by side: what the bench would measure."""

import sys
import threading

from calibration.harness.gil import measure_gil, serial_share


def test_two_threads_that_only_wait_overlap_all_of_it():
    assert serial_share(lambda: threading.Event().wait(0.05)) < 0.9


def test_the_switch_interval_is_left_as_it_was():
    before = sys.getswitchinterval()
    found = measure_gil(lambda: threading.Event().wait(0.001), intervals_ms=(2,))
    assert sys.getswitchinterval() == before
    assert found[0] >= 1
    assert found[2] >= 1
