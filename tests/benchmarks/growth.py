"""How costs grow with a set-up's size: ``python tests/benchmarks/growth.py``.

CPU seconds (least of three) for each of several sizes, and the slope of log cost over log size between the first and the
last: 1 is linear. Figures are printed, never asserted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

NETWORK = "mobilenet_v2_1.0_224"
EACH = 24  # inferences of every thread


def cpu_s(work: Callable[[], object], times: int = 3) -> float:
    """CPU seconds, the least of some tries."""
    found = []
    for _ in range(times):
        started = time.process_time()
        work()
        found.append(time.process_time() - started)
    return min(found)


def curve(name: str, sizes: Sequence[int], make: Callable[[int], Callable[[], object]], per: int = 1) -> None:
    """Print what each size costs, for each of its items, and the slope."""
    costs = [cpu_s(make(size)) for size in sizes]
    slope = math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])
    cells = ", ".join(f"{size}: {cost / size / per * 1e6:.1f}" for size, cost in zip(sizes, costs, strict=True))
    print(f"{name}: us for each {cells}; slope {slope:.2f}", flush=True)


def accelerators(engine: str, **options: object) -> Callable[[int], Callable[[], object]]:
    """A run of as many accelerators and threads, each of which makes the same number of inferences."""
    from sim.fast.choice import runner
    from sim.scenario import Scenario
    from sim.setup import build

    def make(count: int) -> Callable[[], object]:
        # A core for each: where threads wait for cores, it is they that a run is long for.
        counts = {"accelerators": count, "threads": count, "cores": count, "inferences": EACH * count}
        setup = build(Scenario(models=NETWORK, **counts, **options))
        return lambda: runner(engine)(setup)

    return make


def layers(what: str) -> Callable[[int], Callable[[], object]]:
    """Compile a network of so many layers, or work out its interval."""
    from hwmodels.cache import forget
    from hwmodels.families import compile_graph, load_accelerator
    from hwmodels.networks.graph import LayerGraph
    from hwmodels.networks.zoo import load_network
    from sim.scenario import Scenario
    from sim.setup import build
    from sim.trust import interval

    base, part = load_network(NETWORK), load_accelerator("coral")

    def make(count: int) -> Callable[[], object]:
        copies = -(-count // len(base.layers))
        chain = [replace(layer, index=i) for i, layer in enumerate((base.layers * copies)[:count])]
        graph = LayerGraph(f"{count} layers", tuple(chain), base.inputs, chain[-1].outputs)

        def compiled() -> object:
            forget()
            return compile_graph(graph, part)

        if what == "compile":
            return compiled
        one = compiled()
        setup = build(Scenario(models=NETWORK))
        from hwmodels.timing import stage_times

        times = stage_times(one, setup.channels[0], setup.host, setup.clocks_hz[0])
        setup = replace(setup, executables=((one,),), stage_times=((times,),))

        def anew() -> object:
            forget()
            return interval.relative_sd(setup)

        return anew

    return make


def main() -> None:
    """Print every curve."""
    many = (16, 64, 256, 1024)
    for engine in ("simpy", "fast"):
        for link in ("usb3", "pcie"):
            curve(f"{engine}, accelerators on {link}, an inference", many, accelerators(engine, link=link), EACH)
        for dispatch in ("round_robin", "least_loaded", "affinity"):
            found = accelerators(engine, link="pcie", dispatch=dispatch)
            curve(f"{engine}, accelerators, {dispatch}, an inference", many, found, EACH)
    for what in ("compile", "interval"):
        curve(f"{what}, a layer", (100, 1_000, 10_000, 100_000), layers(what))


if __name__ == "__main__":
    main()
