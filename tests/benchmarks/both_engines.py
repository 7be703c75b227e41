"""The compiled engine against SimPy on random scenarios, printed: ``python tests/benchmarks/both_engines.py [COUNT]``.

Scenarios are of every kind; those that the compiled engine does not run are counted as fallbacks. Every total of both
windows has to be equal, to the nanosecond. 2,000 scenarios take about half an hour.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from engines import retimed, totals
from scenarios import Tally, plain, seeded

from sim.fast.choice import refusal, runner
from sim.setup import Setup, build

COUNT = 2_000
SEED = "engines"
#: Long runs of SimPy are cut after so many inferences, every other one is not.
MOST = (2_000, 300)


def seconds(engine: str, setup: Setup, most: int) -> tuple[float, dict[str, object]]:
    """CPU seconds of a run, and its totals."""
    started = time.process_time()
    window = runner(engine)(setup, most=most)
    return time.process_time() - started, totals(window)


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else COUNT
    equal = fallbacks = 0
    spent = {"simpy": 0.0, "fast": 0.0}
    runner("fast")
    for number, scenario in enumerate(islice(seeded(SEED, Tally()), count)):
        setup = retimed(build(scenario), lock="fair" if number % 3 == 0 else "mutex")
        if refusal(setup):
            fallbacks += 1
            continue
        found = {engine: seconds(engine, setup, MOST[number % 2]) for engine in spent}
        spent = {engine: total + found[engine][0] for engine, total in spent.items()}
        if found["simpy"][1] == found["fast"][1]:
            equal += 1
        else:
            print("unequal:", plain(setup.scenario), flush=True)
        if equal % 100 == 0:
            print(f"{number + 1} scenarios: {equal} equal, {fallbacks} fallbacks", file=sys.stderr, flush=True)
    compared = count - fallbacks
    print(f"{count} scenarios: {equal} of {compared} equal, {fallbacks} fallbacks to SimPy")
    print(f"CPU-s of the runs: SimPy {spent['simpy']:.1f}, compiled {spent['fast']:.1f}")


if __name__ == "__main__":
    sys.exit(main())
