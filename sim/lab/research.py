"""The cells of the notebook for whoever has an estimator of their own."""

from __future__ import annotations

__all__ = ["CELLS"]

INTRODUCTION = """
# Your own estimator against the simulator

**How good is my own formula?** You have an idea of how threads share an accelerator. It gives a throughput from the
times of one inference alone. This notebook holds it against the simulator. It says where the formula is off, and what
limits the set-up there. At the end it holds the simulator against measurements. So you know what the comparison is
worth.

The cells need `pip install edgetpusim`, and no network after that.
"""

SETUP = '''
from itertools import product
from statistics import median

from edgetpusim import Scenario, estimate, simulate, validate

NETWORKS = ("mobilenet_v2_1.0_224", "mobilenet_v1_0.25_128", "efficientnet_edgetpu_s_224", "inception_v3_299")
HOSTS = ("raspberry-pi-4", "x86-desktop")
THREADS = (1, 2, 4)


def options_of(model, host, threads):
    """The options of one point of the grid."""
    return {"models": model, "host": host, "threads": threads, "accelerators": 1, "preprocess": "resize"}


def stages_of(options):
    """What one inference alone shows, in ns: how long it takes, and how long it holds the accelerator."""
    alone = simulate(Scenario(**(options | {"threads": 1}))).summary
    alone_ns = 1e6 * alone["latency_ms"]["mean"]
    return {"stage_alone_ns": alone_ns, "stage_held_ns": alone_ns * alone["utilisation"]["accelerator"]}
'''

PREDICTION = """
## Predict

Below is a formula to begin with: threads never wait, or the accelerator never rests. **Before you run it**: for which
network will it be off most, and on which host?
"""

GUESS = 'prediction = ""  # a network and a host'

FORMULA = '''
def throughput(options, stages):
    """Your formula: inferences a second from a row's options and the times of one inference alone."""
    at_most = options["threads"] / stages["stage_alone_ns"]
    full = options["accelerators"] / stages["stage_held_ns"]
    return 1e9 * min(at_most, full)
'''

COMPARE = """
rows = []
for model, host, threads in product(NETWORKS, HOSTS, THREADS):
    options = options_of(model, host, threads)
    found = simulate(Scenario(**options)).summary
    ours = estimate(Scenario(**options))["throughput_ips"]
    yours = throughput(options, stages_of(options))
    rows.append({
        "options": options, "simulated": found["throughput_ips"], "yours": yours, "ours": ours,
        "error": yours / found["throughput_ips"] - 1, "limit": found["bottleneck_text"],
    })
    print(f"{model:28} {host:15} {threads} threads: simulated {found['throughput_ips']:7.1f}, yours {yours:7.1f}, "
          f"closed form {ours:7.1f}")
"""

ERRORS = """
errors = sorted(abs(row["error"]) for row in rows)
closed = sorted(abs(row["ours"] / row["simulated"] - 1) for row in rows)
print(f"yours: median error {median(errors):.1%}, worst {errors[-1]:.1%}")
print(f"the closed form that comes with the simulator: median error {median(closed):.1%}, worst {closed[-1]:.1%}")
for row in sorted(rows, key=lambda row: -abs(row["error"]))[:3]:
    where = row["options"]
    print(f"{row['error']:+.1%} {where['models']}, {where['host']}, {where['threads']} threads. {row['limit']}")
"""

BEYOND = """
## What one inference alone does not know

Two networks in turn evict each other's parameters. Another Python thread may hold the lock. Several accelerators share
a bus. Try the formula there, and add what it lacks.
"""

MIXED = """
options = options_of("mobilenet_v2_1.0_224,mobilenet_v1_1.0_224", "raspberry-pi-4", 2)
mixed = simulate(Scenario(**options)).summary
first, second = (stages_of(options | {"models": model}) for model in options["models"].split(","))
mean = {key: (first[key] + second[key]) / 2 for key in first}
print(f"simulated {mixed['throughput_ips']:.0f}, yours {throughput(options, mean):.0f} inferences a second")
print(mixed["bottleneck_text"])
"""

WHOLE_STUDY = """
## Over a whole study

A study simulates a grid of networks, sizes and set-ups. It shows your errors in the same tables and figures as those of
its own closed forms. It needs `pip install 'edgetpusim[study,estimator]'`.
Python must be able to import your module, so the cell writes `mine.py`. Then, in a terminal in the same folder:

    PYTHONPATH=. edgetpusim study -o study/ --estimator mine:throughput

There `stages` has more columns than here: the time of every kind of work of one inference.
"""

WRITE = f"""
from pathlib import Path

module = '''{FORMULA}'''
Path("mine.py").write_text(module)
"""

REALITY = """
## What is the simulator worth?

An estimator that meets the simulator is as good as the simulator at best. `validate` predicts measured rows from the
files of the parts, and says how far off each one is. The command `edgetpusim-calibrate datasets list` names more sets.
"""

VALIDATE = """
report = validate(["n4hy_dual_pcie"])
for group in report["summary"]:
    print(f"{group['group']:45} {group['n']:3} rows, mean error {group['mape']:.1%}")
"""

CELLS = (
    ("markdown", INTRODUCTION), ("code", SETUP), ("markdown", PREDICTION), ("code", GUESS), ("code", FORMULA),
    ("code", COMPARE), ("code", ERRORS), ("markdown", BEYOND), ("code", MIXED), ("markdown", WHOLE_STUDY),
    ("code", WRITE), ("markdown", REALITY), ("code", VALIDATE),
)  # fmt: skip
