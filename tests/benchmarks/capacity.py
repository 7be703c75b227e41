"""``capacity`` against M/D/1 in random scenarios: ``python tests/benchmarks/capacity.py [COUNT [INFERENCES]]``.

Without INFERENCES runs are as long as a user's.

One thread on one accelerator, requests at random, a limit of 2.5 to 8 service times for the 99th percentile. For each
scenario it prints how far the highest rate is from the one at which one request in a hundred takes longer by theory
(C. D. Crommelin, 1932), and whether it is just valid: a run at the rate, with the seed that the answer names, keeps the
limit, and 1 % more does not. 50 scenarios take some minutes.
"""

from __future__ import annotations

import math
import sys
from random import Random

from sim import Scenario, simulate
from sim.advice import Limits
from sim.study.capacity import capacity

NETWORKS = ("mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "inception_v1_224", "ssdlite_mobiledet_320", "lenet_5_28")
HOSTS = ("raspberry-pi-4", "raspberry-pi-5", "x86-desktop", "mini-pc-n100", "raspberry-pi-3b")
CLOSE = 0.03


def share_above(wait: float, service: float, load: float) -> float:
    """P(W > wait) in M/D/1."""
    steps = int(wait // service)
    terms = [(k - wait / service) * load for k in range(steps + 1)]
    return 1 - (1 - load) * sum(x**k / math.factorial(k) * math.exp(-x) for k, x in enumerate(terms))


def md1_load(times: float) -> float:
    """The load at which one in a hundred requests takes longer than so many services."""
    low, high = 1e-6, 1 - 1e-6
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if share_above(times - 1, 1, middle) < 0.01 else (low, middle)
    return low


def drawn(random: Random, inferences: int) -> tuple[Scenario, float]:
    """A scenario, and its limit in services."""
    scenario = Scenario(
        models=random.choice(NETWORKS), host=random.choice(HOSTS), seed=random.randrange(1000), inferences=inferences
    )  # fmt: skip
    return scenario, random.uniform(2.5, 8)


def main() -> None:
    """Print a line for each scenario, and how many hold."""
    words = [int(word) for word in sys.argv[1:]]
    count, inferences = (*words, *(50, 0)[len(words) :])
    random, near, just, worst = Random(18), 0, 0, 0.0
    for number in range(count):
        scenario, times = drawn(random, inferences)
        service_ms = simulate(scenario.with_options(inferences=0), compare=False).summary["latency_ms"]["mean"]
        limit = Limits(max_p99_ms=times * service_ms)
        found = capacity(scenario, limit)
        rate, again = found["rate_ips"], scenario.with_options(seed=found["at"]["scenario"]["seed"])
        off = rate * service_ms / 1e3 / md1_load(times) - 1
        kept, broken = (
            limit.broken_by(simulate(again.with_options(arrivals=f"poisson:{rate * more}"), compare=False).summary)
            for more in (1, 1.01)
        )
        is_just = not kept and bool(broken)
        near, just, worst = near + (abs(off) <= CLOSE), just + is_just, max(worst, abs(off))
        print(f"{number + 1}: {scenario.models} on {scenario.host}, {times:.2f} services: {off:+.1%}, "
              f"{'just valid' if is_just else 'NOT just valid'}", flush=True)  # fmt: skip
    print(f"{near} of {count} within {CLOSE:.0%}, the worst {worst:.1%} off, {just} of {count} just valid")


if __name__ == "__main__":
    main()
