"""Search random scenarios for wrong answers: print what was claimed, tried and found, and save what failed.

    python tests/benchmarks/search.py [--scenarios 2000] [--seed 1] [--first 0] [--processes 2] [--output failures.jsonl]

Every scenario is run. Every change of which its answer says that it helps or does not is run as well, and all laws of
``laws.py`` that need no second run are tried. Scenario NUMBER of a seed is always the same one, so that a search ended
by Ctrl-C, which prints what it has seen, goes on with ``--first``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import signal
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TextIO

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from claims import Tried, claims, tried
from laws import LAWS, answer, broken, estimated, has_one_network
from scenarios import Tally, plain, seeded

TWO_RUNS = (
    "change_nothing",
    "mean_the_same",
    "does_not_matter",
    "every_accelerator",
    "both_counts",
    "scale_the_answer",
    "changes_little",
)
SINGLE = [law for law in LAWS if not law.name.endswith(TWO_RUNS)]


@dataclass
class Found:
    """What one scenario showed."""

    number: int
    options: dict[str, Any]
    drawn: int
    refused: list[str]
    tried: list[Tried] = field(default_factory=list)
    spoke: list[str] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)
    crash: str = ""
    null_gain: str = ""
    estimate: tuple[bool, float] | None = None

    def failures(self) -> Iterator[dict[str, Any]]:
        """Rows for the file of failures."""
        same = {"number": self.number, "options": self.options}
        if self.crash:
            yield {"kind": "crash", "what": self.crash, **same}
        for law, why in self.broken.items():
            yield {"kind": "law", "what": law, "why": why, **same}
        for one in self.tried:
            if one.is_contradicted:
                words = "helps" if one.claim.helps else "does not help"
                what = f"{one.claim.change} {words}"
                yield {
                    "kind": one.claim.where,
                    "what": what,
                    "gain": one.gain,
                    "change": dict(one.claim.options),
                    **same,
                }


def look_at(seed: int, number: int) -> Found:
    """Draw one scenario and try everything on it."""
    tally = Tally()
    scenario = next(seeded(f"{seed}/{number}", tally))
    found = Found(number, plain(scenario), tally.drawn, list(tally.refused.elements()))
    try:
        summary = answer(scenario)
        found.tried = [tried(scenario, summary, claim) for claim in claims(scenario, summary)]
        for law in SINGLE:
            if law.applies(scenario):
                found.spoke.append(law.name)
                found.broken |= {law.name: why} if (why := broken(law, scenario)) else {}
        if summary["speedup_vs_one_thread"] is None:
            found.null_gain = summary["baseline_reason"]
        ratio = estimated(scenario)["throughput_ips"] / summary["throughput_ips"]
        found.estimate = has_one_network(scenario) and scenario.mode != "coexec", ratio
    except Exception as error:
        found.crash = repr(error)
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def claims_table(all_found: Sequence[Found]) -> str:
    """Claims by who says so and what is said: how many are contradicted when the change is tried."""
    groups: dict[tuple[str, str, str], list[Tried]] = defaultdict(list)
    for found in all_found:
        for one in found.tried:
            words = "helps" if one.claim.helps else "does not help"
            groups[one.claim.where, one.claim.change, words].append(one)
            groups[one.claim.where, "all", "claims"].append(one)
    return table(("where", "change", "said", "times", "refused", "contradicted", "share", "worst gain"), _lines(groups))


def _lines(groups: Mapping[tuple[str, str, str], Sequence[Tried]]) -> Iterator[Sequence[object]]:
    for key in sorted(groups):
        ran = [one for one in groups[key] if one.gain is not None]
        wrong = [one.gain for one in ran if one.is_contradicted and one.gain is not None]
        worst = f"{max(wrong, key=lambda gain: abs(gain - 1)):.3f}" if wrong else ""
        yield (
            *key,
            len(groups[key]),
            len(groups[key]) - len(ran),
            len(wrong),
            f"{len(wrong) / max(1, len(ran)):.1%}",
            worst,
        )


def laws_table(all_found: Sequence[Found]) -> str:
    """How often each law spoke and was broken."""
    spoke = Counter(law for found in all_found for law in found.spoke)
    failed = Counter(law for found in all_found for law in found.broken)
    return table(("law", "spoke", "broken"), [(law, many, failed[law]) for law, many in sorted(spoke.items())])


def estimates_table(all_found: Sequence[Found]) -> str:
    """How far the estimate's rate lies from the run's."""
    rows = []
    for name, single in (("one network", True), ("mixes and coexecution", False)):
        off = sorted(abs(f.estimate[1] - 1) for f in all_found if f.estimate and f.estimate[0] is single)
        low = sum(f.estimate[1] < 1 - 0.001 for f in all_found if f.estimate and f.estimate[0] is single)
        if off:
            shares = [f"{off[int(share * (len(off) - 1))]:.2%}" for share in (0.5, 0.95, 1)]
            rows.append((name, len(off), f"{sum(off) / len(off):.2%}", *shares, low))
    return table(("estimate / run - 1", "n", "mean", "median", "95 %", "worst", "below the run by 0.1 %"), rows)


def reasons_table(all_found: Sequence[Found]) -> str:
    """Refusals and gains that are null, with their reasons."""
    drawn, null = sum(found.drawn for found in all_found), [found.null_gain for found in all_found if found.null_gain]
    refused = Counter(reason for found in all_found for reason in found.refused)
    rows: list[Sequence[object]] = [("refused: all", refused.total(), f"{refused.total() / drawn:.1%}")]
    rows += [(f"refused: {reason}", many, f"{many / drawn:.1%}") for reason, many in refused.most_common(12)]
    rows += [("gain is null: all", len(null), f"{len(null) / len(all_found):.1%}")]
    rows += [(f"gain is null: {reason}", n, f"{n / len(all_found):.1%}") for reason, n in Counter(null).most_common(12)]
    return table(("no answer", "times", "share"), rows)


def search(numbers: range, seed: int, processes: int, file: TextIO) -> list[Found]:
    """Look at the scenarios, a line of progress now and then; failures go to the file as they come."""
    every: list[Found] = []
    with multiprocessing.Pool(processes, _leave_ctrl_c) as pool, suppress(KeyboardInterrupt):
        for found in pool.imap(partial(look_at, seed), numbers, chunksize=1):
            every.append(found)
            file.writelines(json.dumps(row) + "\n" for row in found.failures())
            file.flush()
            if len(every) % 20 == 0:
                print(f"{len(every)} of {len(numbers)}", file=sys.stderr, flush=True)
    return every


def _leave_ctrl_c() -> None:
    """Ctrl-C is the parent's alone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def main() -> None:
    """Search and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--output", type=Path, default=Path("failures.jsonl"))
    args = parser.parse_args()
    with args.output.open("w", encoding="utf-8") as file:
        found = search(range(args.first, args.first + args.scenarios), args.seed, args.processes, file)
    crashes = [one.crash for one in found if one.crash]
    print(f"{len(found)} scenarios, {len(crashes)} ended in an error that is no message\n")
    print(claims_table(found), laws_table(found), estimates_table(found), reasons_table(found), sep="\n")


if __name__ == "__main__":
    main()
