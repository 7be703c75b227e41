"""The heap of many accelerators chooses as a look at all of them does."""

from __future__ import annotations

import random

import pytest
from engines import built, totals
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import run
from sim.machine.accelerator import RankedAccelerator
from sim.machine.policies import DISPATCHES, MANY
from sim.machine.ranking import Ranking


class Caller:
    """A thread of one of two networks, one of which is faster on some accelerators."""

    def __init__(self, model, times):
        self.model, self.stage_times = model, times


class Times:
    def __init__(self, token, invoke_ns):
        self.token, self.invoke_ns = token, invoke_ns


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["least_loaded", "affinity"]), st.integers(2, 9), st.randoms(use_true_random=False))
def test_it_takes_the_one_that_is_least_of_all(dispatch, count, stream):
    policy, devices = DISPATCHES[dispatch], [RankedAccelerator(number, 0, None, None, 0) for number in range(count)]
    callers = [Caller(m, [Times("ab"[m], stream.choice([3, 5])) for _ in devices]) for m in (0, 1)]
    ranking, busy = Ranking(policy.order, devices), []
    for request in range(300):  # long enough for every heap to be made anew
        caller = stream.choice(callers)
        found = ranking.choose(devices, caller)
        assert found is policy.choose(devices, caller)
        found.in_use, found.chosen_for, found.token = found.in_use + 1, request, caller.stage_times[0].token
        busy.append(found)
        while busy and stream.random() < 0.6:
            busy.pop(stream.randrange(len(busy))).in_use -= 1
        assert all(len(heap) <= 4 * count for _, heap in ranking.heaps.values()), "memory stays flat"


@pytest.mark.parametrize("dispatch", ["least_loaded", "affinity"])
def test_a_machine_of_many_accelerators_does_the_same_as_without_it(dispatch):
    """The same function as one's own policy, of which no order is known, looks at all accelerators."""
    stream = random.Random(21)
    for _ in range(8):
        count = stream.choice([MANY, MANY + 5])
        chosen = {
            "models": stream.choice(["mobilenet_v2_1.0_224", "mobilenet_v1_0.25_128:20,inception_v1_224:30",
                                     "mobilenet_v1_0.25_128+mobilenet_v2_1.0_224"]),
            "size": stream.choice(["coral", f"coral:{count - 9},large:9"]), "link": stream.choice(["pcie", "usb3"]),
            "accelerators": count, "inferences": 600, "cores": stream.choice([4, 64]),
        }  # fmt: skip
        if ":" not in chosen["models"]:
            chosen["threads"] = stream.choice([20, 50])
        if stream.random() < 0.5 and "+" not in chosen["models"]:
            chosen |= {"arrivals": "poisson:4000", "seed": 3}
        known, own = (built(**chosen, dispatch=name) for name in (dispatch, f"sim.machine.policies:{dispatch}"))
        assert totals(run(known)) == totals(run(own))
