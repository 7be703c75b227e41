"""Print how far the engine lies from an independent model of the same machine on random scenarios.

    python tests/benchmarks/agreement_table.py [SCENARIOS] [SEED]

Two tables: relative differences in rate and mean latency, all and by mode; and every scenario beyond half a per cent,
with the reason where a tie decides: the answer moves as far when its stage times move by 0.2 %.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from agreement import NEAR, Difference, difference, draws, reason
from scenarios import Tally, plain

from sim import Scenario

HEAD = "| scenarios | n | mean | median | 95 % | worst | over 0.5 % |\n| --- | --- | --- | --- | --- | --- | --- |"


def row(name: str, values: Sequence[float]) -> str:
    """One line of the table: sizes of differences, in per cent."""
    ranks = sorted(abs(value) for value in values)
    at = [sum(ranks) / len(ranks), *(ranks[int(share * (len(ranks) - 1))] for share in (0.5, 0.95, 1))]
    over = sum(value > NEAR for value in ranks)
    return f"| {name} | {len(ranks)} | " + " | ".join(f"{value:.4%}" for value in at) + f" | {over} |"


def table(found: Sequence[tuple[Scenario, Difference]]) -> str:
    """Differences of all scenarios, and by mode."""
    lines = [
        HEAD,
        row("throughput", [d.throughput for _, d in found]),
        row("mean latency", [d.latency for _, d in found]),
    ]
    modes = sorted({scenario.mode for scenario, _ in found})
    lines += [row(f"the larger of both, {mode}", [d.worst for s, d in found if s.mode == mode]) for mode in modes]
    return "\n".join(lines)


def main(many: int = 300, seed: int = 2) -> int:
    """Compare, print, and return how many differ without a reason."""
    found, unexplained = [], 0
    for number, scenario in enumerate(islice(draws(seed, Tally()), many), 1):
        found.append((scenario, difference(scenario)))
        if number % 25 == 0:
            print(f"{number} of {many}", file=sys.stderr, flush=True)
    print(table(found))
    for scenario, apart in found:
        if apart.worst > NEAR:
            why = reason(scenario, apart)
            unexplained += not why
            words = f"{apart.throughput:+.2%} rate, {apart.latency:+.2%} latency"
            print(f"\n{words} ({why or 'NO REASON'}): {plain(scenario)}")
    return unexplained


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:]))))
