"""The measured window: counts, rates and states."""

from __future__ import annotations

from hand import accelerator_stage, counts, network, window

from hwmodels.stages import StepTime
from sim.engine import run
from sim.machine.records import Totals
from sim.machine.states import State


def test_a_rate_is_completions_over_the_window():
    assert window().count == 2
    assert window().throughput_ips == 2e6


def test_inferences_of_all_networks_count():
    both = window(latency=[counts(1, 2, 3), counts(), counts(5)])
    assert (both.count, both.throughput_ips) == (4, 4e6)


def test_time_in_a_state_is_that_of_all_components():
    busy = window(threads=[Totals(), Totals()])
    for part, ns in zip((*busy.threads, *busy.accelerators, *busy.links), (3, 4, 50, 600), strict=True):
        part.time_ns[State.WAIT] = ns
    assert busy.state_ns(State.WAIT) == 657
    assert busy.state_ns(State.COMPUTE) == 0


def test_a_window_lasts_a_nanosecond_at_least(hand_setup):
    """Work that takes no time at all has a rate all the same."""
    nothing = accelerator_stage(
        driver_ns=0, latency_ns=0, load_bytes=0, load_ns=0, instructions_ns=0, input_ns=0, output_ns=0, copy_ns=0,
        steps=(StepTime(0, 0, 0),),
    )  # fmt: skip
    found = run(hand_setup([network("a", nothing)], threads=1, arrivals="offline:5"))
    assert (found.start_ns, found.end_ns, found.elapsed_ns, found.count) == (0, 0, 1, 5)
