"""The largest gains of threads on one accelerator, printed: ``python tests/benchmarks/gains.py [HOST...]``.

The networks of the zoo that could gain most, with a frame to resize, on 4 and on 8 threads. The first gain is that of a
lock that changes hands in no time, as this simulator once assumed; then those of a mutex and of a fair lock.
"""

from __future__ import annotations

import sys

from hwmodels.errors import InputError
from hwmodels.networks.zoo import names
from sim import Scenario
from sim.closed_form.lines import expected_ips
from sim.engine import run
from sim.setup import build

HOSTS = ("raspberry-pi-4", "x86-epyc-litert")
THREADS = (4, 8)
KINDS = {"no cost": {"numbers": {"host.lock_wake_ns": 0}}, "mutex": {}, "fair": {"lock": "fair"}}


def gains(network: str, host: str, threads: int) -> tuple[float, ...]:
    """Gains over one thread, by kind of lock."""
    scenario = Scenario(models=network, host=host, preprocess="resize")
    alone = run(build(scenario)).throughput_ips
    return tuple(
        run(build(scenario.with_options(threads=threads, **kind))).throughput_ips / alone for kind in KINDS.values()
    )


def candidates(host: str, threads: int, most: int = 4) -> list[str]:
    """The networks that could gain most: by the closed form, which a run without a cost of the lock comes near."""
    found = {}
    for name in names():
        try:
            setup = build(Scenario(models=name, host=host, preprocess="resize", threads=threads, **KINDS["no cost"]))
        except InputError:
            continue
        found[name] = expected_ips(setup) * setup.stage_times[0][0].latency_ns / 1e9
    return sorted(found, key=lambda name: -found[name])[:most]


def table(host: str, threads: int) -> list[str]:
    """The largest gains without a cost, one line each."""
    return [_line(host, threads, name, gains(name, host, threads)) for name in candidates(host, threads)]


def _line(host: str, threads: int, name: str, values: tuple[float, ...]) -> str:
    return f"{host:18s} {threads} {name:40s}" + "".join(f"{value:10.2f}" for value in values)


if __name__ == "__main__":
    print(f"{'host':18s} n {'network':40s}" + "".join(f"{kind:>10s}" for kind in KINDS))
    for where in sys.argv[1:] or HOSTS:
        for count in THREADS:
            print(*table(where, count), sep="\n", flush=True)
