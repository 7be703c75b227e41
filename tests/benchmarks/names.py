"""Which network every name of the measurement files leads to, printed: ``python tests/benchmarks/names.py [--all]``.

Names come from ``tests/names.csv``, and from ``../shared/data/edgetpu`` where that is at hand. A line is the name and
its network, or ``-``. Without ``--all``, names that are a network's own are left out. The last lines count: how many of
the names that mean a network of ours resolve, and how many lead to another network than the one that was read.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from test_naming import expected, measured, networks, resolved


def main(arguments: list[str]) -> None:
    """Print the table and the counts."""
    named = {name for name in networks() if not set("<*") & set(name)} | measured()
    table = {name: resolved(name) for name in sorted(named)}
    for name, network in table.items():
        if "--all" in arguments or name != network:
            print(f"{name} -> {network or '-'}")
    meant = {name: expected(name) for name in table if expected(name)}
    right = sum(table[name] == network for name, network in meant.items())
    wrong = sum(bool(network) and network != expected(name) for name, network in table.items())
    print(
        f"\n{len(table)} names; {right} of {len(meant)} that mean a network of ours resolve ({right / len(meant):.1%})"
    )
    print(f"{wrong} lead to another network than the one they mean")


if __name__ == "__main__":
    main(sys.argv[1:])
