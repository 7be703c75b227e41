"""How far each cut of a pipeline is from the compiler's: ``python tests/benchmarks/cuts.py [EVERY]``.

All networks of the zoo with at least 4 MB of parameters, 2 to 4 segments, three links. ``EVERY`` takes each n-th of
them. It prints the share of the compiler's rate that profiled cuts reach, the worst ones by name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from statistics import median

from hwmodels.networks.zoo import load_network, names
from sim import Scenario, simulate
from sim.scenario import Scenario as Options

LEAST_BYTES = 4_000_000
LINKS = ("usb3", "usb2", "pcie")


def points() -> Iterator[Options]:
    """Every network, number of segments and link."""
    for name in names():
        graph = load_network(name)
        if graph.parameter_bytes >= LEAST_BYTES and not graph.is_compiled:
            for segments in (2, 3, 4):
                for link in LINKS:
                    yield Scenario(models=name, mode="pipeline", num_segments=segments, link=link)


def rate(scenario: Options, segmentation: str) -> float:
    """Inferences a second with a cut."""
    options = scenario.with_options(segmentation=segmentation)
    return float(simulate(options, compare=False).summary["throughput_ips"])


def main() -> None:
    """Print the table."""
    every = int(sys.argv[1]) if sys.argv[1:] else 1
    start = int(sys.argv[2]) if sys.argv[2:] else 0
    found = []
    for scenario in list(points())[start::every]:
        share = rate(scenario, "profiled") / rate(scenario, "compiler")
        found.append((share, f"{scenario.models}, {scenario.num_segments} segments, {scenario.link}"))
    shares = sorted(found)
    values = [share for share, _ in shares]
    print(f"{len(values)} pipelines; profiled over compiler's: least {values[0]:.3f}, median {median(values):.3f}, "
          f"most {values[-1]:.3f}; below 0.97: {sum(value < 0.97 for value in values)}")  # fmt: skip
    for share, name in shares[:10]:
        print(f"{share:.3f}  {name}")


if __name__ == "__main__":
    main()
