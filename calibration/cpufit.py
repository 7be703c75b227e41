"""Fit what CPU operators cost on a host, from whole networks timed on its CPU.

A network's time is a sum: every constant of the host's part file times the work of its kind, convolutions divided by
the threads' speed-up. A few networks cannot tell a dozen constants apart, so their ratios start from those of TFLite's
built-in int8 kernels (measured one operator at a time) and leave them only as far as the rows demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from calibration.parttext import with_quantities
from calibration.solver import Array, Parameter, Search, Solution, solve
from hwmodels.cache import remembered
from hwmodels.cpu import cpu_op_ns, cpu_operator
from hwmodels.files import write_text
from hwmodels.host import Host, load_host
from hwmodels.networks.graph import LayerGraph
from hwmodels.quantities import Quantity

__all__ = [
    "RATIOS", "TENSORFLOW", "CpuFit", "CpuSample", "Ranges", "fit_cpu", "leave_one_out", "predicted_ns", "update_part",
]  # fmt: skip

Ratios = dict[str, tuple[float, float]]
Ranges = Mapping[str, tuple[float, float]]
#: Constants fitted, their ratio to a 3x3 convolution's ns per MAC, and how far it may stray (sd of its logarithm):
#: TFLite's built-in int8 kernels.
RATIOS: Ratios = {
    "conv_ns_per_mac": (1, 0.15),
    "pointwise_ns_per_mac": (1, 0.3),
    "conv_ns_per_element": (30, 0.7),
    "depthwise_ns_per_mac": (5, 0.7),
    "dense_ns_per_mac": (3, 0.7),
    "pool_ns_per_tap": (8, 1),
    "elementwise_ns_per_element": (30, 1),
    "activation_ns_per_element": (30, 1),
    "softmax_ns_per_element": (100, 1),
    "move_ns_per_byte": (5, 1),
    "resize_ns_per_element": (110, 1),
    "argmax_ns_per_element": (50, 1),
    "anchor_ns": (100, 1),
    "overlap_ns": (330, 0.7),
    "keypoint_ns": (50, 1),
    "op_ns": (20000, 1),
}
#: TensorFlow's float kernels with fake quantisation: bias, ReLU6 and fake quantisation for every value written (34,
#: half of it for each value read or written), four graph nodes to be dispatched for every TFLite operator.
TENSORFLOW: Ratios = RATIOS | {
    "pointwise_ns_per_mac": (0.95, 0.3),
    "conv_ns_per_element": (17, 0.7),
    "depthwise_ns_per_mac": (11, 0.7),
    "pool_ns_per_tap": (7.4, 1),
    "softmax_ns_per_element": (160, 1),
    "move_ns_per_byte": (21, 1),
    "op_ns": (156_000, 1),
}
SPREAD = 0.08  # relative: scatter of a row about the model
EFFICIENCY = (0.8, 1.0)  # thread efficiency expected, and sd of its log-odds

SEARCH = Search(tolerance=1e-8, inflate=False)


@dataclass(frozen=True)
class CpuSample:
    """One network timed on a CPU: time in ns with ``num_threads`` interpreter threads.

    ``minus`` is a network whose time was subtracted (the same one without its post-processing, for instance).
    """

    graph: LayerGraph
    ns: float
    num_threads: int = 1
    minus: LayerGraph | None = None


@dataclass(frozen=True)
class CpuFit:
    """Fitted constants by key, and one standard error of each (same unit)."""

    values: dict[str, float]
    std_errors: dict[str, float]


@cache
def _unit_hosts() -> dict[str, Host]:
    nothing = load_host("x86-xeon").with_numbers({"cached_weight_bytes": 0, **dict.fromkeys(RATIOS, 1e-9)})
    return {key: nothing.with_numbers({key: 1e3}) for key in RATIOS}


@remembered(4096)
def _work(graph: LayerGraph, threaded: bool) -> Array:
    """Work of each kind, of the ops that use threads or of those that do not (op_ns: every operator, not threaded)."""
    hosts = _unit_hosts()
    layers = [layer for layer in graph.layers if cpu_operator(layer.op).threaded == threaded]
    sums = [sum(cpu_op_ns(layer, hosts[name]) for layer in layers) / 1e3 for name in RATIOS if name != "op_ns"]
    return np.array([*sums, 0.0 if threaded else float(len(graph.layers))])


@dataclass(frozen=True)
class _Table:
    """The samples as numbers: work that threads share, work that they do not, threads, and times."""

    threaded: Array
    alone: Array
    threads: Array
    ns: Array

    def predict(self, logs: Array, efficiency: float) -> Array:
        """Times (ns) of the samples with these logarithms of constants and this thread efficiency."""
        speedup = 1 + (self.threads - 1) * efficiency
        return np.asarray((self.threaded @ np.exp(logs)) / speedup + self.alone @ np.exp(logs))


def _table(samples: Sequence[CpuSample]) -> _Table:
    wide, alone = (np.array([_sample_work(sample, threaded) for sample in samples]) for threaded in (True, False))
    threads = np.array([float(sample.num_threads) for sample in samples])
    return _Table(wide, alone, threads, np.array([sample.ns for sample in samples]))


def _sample_work(sample: CpuSample, threaded: bool) -> Array:
    work = _work(sample.graph, threaded)
    return work - _work(sample.minus, threaded) if sample.minus else work


def fit_cpu(samples: Sequence[CpuSample], ratios: Ratios = RATIOS, ranges: Ranges | None = None) -> CpuFit:
    """Fit a host's CPU constants: least squares in the logarithm of the times, with the ratios as priors.

    Needs SciPy. The standard errors come from the curvature at the optimum, priors included.

    Parameters
    ----------
    samples
        Networks with their times on one host's CPU.
    ratios
        Those of the kernels that ran.
    ranges
        Constants whose lowest and highest plausible value (ns) is known by itself, as plain code costs the same beside
        any kernels; half a width away from the middle counts as one standard error.
    """
    table = _table(samples)
    own = [(number, *ranges[key]) for number, key in enumerate(ratios) if ranges and key in ranges]
    priors = np.log([ratio for ratio, _ in ratios.values()])
    widths = np.array([width for _, width in ratios.values()])

    def residuals(point: Array) -> Array:
        """Misses of samples and ratios, each in its spread."""
        logs, scale, odds = point[:-2], point[-2], point[-1]
        misses = np.log(table.predict(logs, _share(odds)) / table.ns) / SPREAD
        strays = (logs - scale - priors) / widths
        for number, low, high in own:
            strays[number] = (2 * logs[number] - np.log(low * high)) / np.log(high / low)
        return np.concatenate([misses, strays])

    start = float(np.log(np.median(table.ns / np.maximum(1, table.threaded[:, :2].sum(axis=1)))))
    expected = float(np.log(EFFICIENCY[0] / (1 - EFFICIENCY[0])))
    parameters = [Parameter(key, start + float(prior)) for key, prior in zip(ratios, priors, strict=True)]
    parameters += [Parameter("scale", start), Parameter("odds", expected, prior=(expected, EFFICIENCY[1]))]
    return _result(solve(residuals, parameters, SEARCH))


def _share(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def _result(found: Solution) -> CpuFit:
    relative = dict(zip(found.values, map(float, found.std_errors), strict=True))
    values = {key: float(np.exp(found.values[key])) for key in RATIOS}
    errors = {key: values[key] * relative[key] for key in RATIOS}
    efficiency = _share(found.values["odds"])
    values["thread_efficiency"] = efficiency
    errors["thread_efficiency"] = efficiency * (1 - efficiency) * relative["odds"]
    return CpuFit(values, errors)


def predicted_ns(fit: CpuFit, samples: Sequence[CpuSample]) -> Array:
    """Return the fitted time of every sample in ns."""
    logs = np.log([fit.values[key] for key in RATIOS])
    return _table(samples).predict(logs, fit.values["thread_efficiency"])


def leave_one_out(samples: Sequence[CpuSample], ratios: Ratios = RATIOS, ranges: Ranges | None = None) -> Array:
    """Return the relative error of every sample when its network (at any number of threads) is left out of the fit."""
    names = [sample.graph.name for sample in samples]
    errors = np.zeros(len(samples))
    for name in sorted(set(names)):
        rest = [sample for sample in samples if sample.graph.name != name]
        tested = [sample for sample in samples if sample.graph.name == name]
        predicted = predicted_ns(fit_cpu(rest, ratios, ranges), tested)
        errors[[found == name for found in names]] = predicted / np.array([sample.ns for sample in tested]) - 1
    return errors


def update_part(path: Path, fit: CpuFit, source: str, keys: Iterable[str] = ()) -> None:
    """Write fitted constants into a host's part file, replacing those of their keys (all, or only ``keys``)."""
    found = {key: Quantity(fit.values[key], "fitted", source, fit.std_errors[key]) for key in keys or fit.values}
    write_text(path, with_quantities(path.read_text(encoding="utf-8"), found, digits=3, error_digits=2))
