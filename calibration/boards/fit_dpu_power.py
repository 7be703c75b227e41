"""Fit the powers of the DPU; ``python -m calibration.boards.fit_dpu_power`` prints numbers and errors.

Rails (``datasets/boards/dpu_power_by_size.csv``, ZCU102, one core of four sizes, and idle): a base, so much for each
operation that a cycle can do, an energy for each multiply-accumulate and each byte, and an amount while it runs. Rates
are those measured: 500 inferences in the run's time, which no source states, but which makes all times right. Plug
(``dpu_power_threads.csv``): the watts with one thread, and what each further inference a second adds.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from calibration.solver import Parameter, Solution, solve
from calibration.tables import FOLDER, read_table
from hwmodels.executable import Executable
from hwmodels.families import compile_graph, load_accelerator
from hwmodels.networks.zoo import load_network

__all__ = ["NUMBERS", "Rails", "fit_rails", "left_out", "main", "plug_series", "rails"]

#: Workload of the table -> network; the others' layers are not known.
WORKLOADS = {"ResNet-50": "resnet_50_v1_224", "DenseNet-201": "densenet_201_224", "VGG-16": "vgg_16_cifar_32"}
PLUGGED = {"GoogLeNetv1": "googlenet_224", "ResNet-50": "resnet_50_v1_224"}
PLATFORMS = {"Ultra96-DPU": "dpu-b1600", "ZCU104-DPU": "dpu-b4096"}
IMAGES = 500
NUMBERS = ("base_w", "idle_w_per_op", "energy_mac_pj", "energy_memory_pj_per_byte", "power_active_w")
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rails:
    """One reading of the rails: what the numbers multiply, and the watts."""

    size: str
    workload: str
    factors: tuple[float, ...]
    watts: float


def moved_bytes(executable: Executable) -> int:
    """Bytes to and from memory in an inference."""
    return sum(segment.streamed_bytes for segment in executable.accelerator_segments)


def rails() -> list[Rails]:
    """Return the readings of workloads whose layers are known, and those at rest."""
    found = []
    for _, cells in read_table(FOLDER / "boards" / "dpu_power_by_size.csv")[1]:
        part = load_accelerator(f"dpu-{cells['dpu_arch'].lower()}")
        ops, watts = 2.0 * part.peak_macs_per_cycle, float(cells["rails_total_w"])
        if cells["workload"] in WORKLOADS:
            executable = compile_graph(load_network(WORKLOADS[cells["workload"]]), part)
            ips = IMAGES / float(cells["runtime_s"])
            done = (ips * executable.macs * 1e-12, ips * moved_bytes(executable) * 1e-12, 1.0)
            found.append(Rails(cells["dpu_arch"], cells["workload"], (1.0, ops, *done), watts))
        elif not cells["runtime_s"]:
            found.append(Rails(cells["dpu_arch"], "", (1.0, ops, 0.0, 0.0, 0.0), watts))
    return found


def fit_rails(chosen: Sequence[Rails]) -> Solution:
    """Fit the numbers of least squared relative error.

    A standard error is the solution's times the root of its residual variance: nothing is believed of the scatter.
    """
    factors = np.array([[f / one.watts for f in one.factors] for one in chosen])
    sizes = 1 / np.linalg.norm(factors, axis=0)
    parameters = [Parameter(name, 0.0, size=float(size)) for name, size in zip(NUMBERS, sizes, strict=True)]
    return solve(lambda x: np.asarray(factors @ x - 1, dtype=np.float64), parameters)


def rail_errors(chosen: Sequence[Rails], numbers: Numbers) -> list[float]:
    """Return the relative error of each reading."""
    return [float(np.dot(one.factors, numbers)) / one.watts - 1 for one in chosen]


def left_out(chosen: Sequence[Rails], group_of: Callable[[Rails], str]) -> list[float]:
    """Return the error of each running reading, predicted with numbers fitted without its group."""
    found: list[float] = []
    for group in sorted({group_of(one) for one in chosen if one.workload}):
        numbers = fit_rails([one for one in chosen if not one.workload or group_of(one) != group]).x
        found += rail_errors([one for one in chosen if one.workload and group_of(one) == group], numbers)
    return found


@dataclass(frozen=True, slots=True)
class Plug:
    """One reading at the plug: threads over latency, and the watts of the whole board."""

    threads: int
    ips: float
    watts: float


def plug_series() -> Iterator[tuple[str, str, Executable, list[Plug]]]:
    """Yield platform, network, executable and readings of each series whose layers are known.

    Rates are threads over latency: the stated ones contradict their own latency with one thread.
    """
    series: dict[tuple[str, str], list[Plug]] = defaultdict(list)
    for _, cells in read_table(FOLDER / "boards" / "dpu_power_threads.csv")[1]:
        if cells["model"] in PLUGGED and float(cells["ops_kept_percent"]) == 100:
            ips = float(cells["threads"]) / float(cells["latency_system_ms"]) * 1e3
            row = Plug(int(cells["threads"]), ips, float(cells["power_full_w"]))
            series[cells["platform"], cells["model"]].append(row)
    for (platform, model), rows in series.items():
        network = PLUGGED[model]
        yield platform, network, compile_graph(load_network(network), load_accelerator(PLATFORMS[platform])), rows


def plug_errors(rows: Sequence[Plug], joules: float) -> list[float]:
    """Return the errors of the watts with more threads, from those with one and an energy for each inference more."""
    first = min(rows, key=lambda row: row.threads)
    return [(first.watts + joules * (row.ips - first.ips)) / row.watts - 1 for row in rows if row is not first]


def main() -> None:
    """Fit, and print numbers with standard errors, and errors inside and held out."""
    chosen = rails()
    fitted = fit_rails(chosen)
    numbers = fitted.x
    print("rails of ZCU102")
    for name, errors in (
        ("fit", rail_errors(chosen, numbers)),
        ("a network left out", left_out(chosen, lambda one: one.workload)),
        ("a size left out", left_out(chosen, lambda one: one.size)),
    ):
        sizes = [abs(error) for error in errors]
        print(f"  {name:24} n {len(sizes):3}  mean {100 * fmean(sizes):4.1f} %  worst {100 * max(sizes):4.1f} %")
    for key, value, error in zip(NUMBERS, numbers, fitted.std_errors * fitted.residual_variance**0.5, strict=True):
        print(f"  {key} = {value:.4g} +- {error:.2g}")
    print("plug")
    rows_of = list(plug_series())
    beyond = [beyond_rails_pj(executable, rows, numbers) for _, _, executable, rows in rows_of]
    shared_pj = float(np.median(beyond))
    for (platform, network, executable, rows), own_pj in zip(rows_of, beyond, strict=True):
        joules = inference_j(executable, numbers, shared_pj)
        worst = max(abs(error) for error in plug_errors(rows, joules))
        words = f"{own_pj:.0f} pJ a byte beyond the rails; {1e3 * joules:.0f} mJ an inference by the median"
        print(f"  {platform} {network}: {words}, worst error {100 * worst:.1f} %")


def inference_j(executable: Executable, numbers: Numbers, beyond_pj: float) -> float:
    """Energy of an inference at the plug (J): multiply-accumulates, bytes, and what the rails do not show of those."""
    return float(executable.macs * numbers[2] + moved_bytes(executable) * (numbers[3] + beyond_pj)) * 1e-12


def beyond_rails_pj(executable: Executable, rows: Sequence[Plug], numbers: Numbers) -> float:
    """Energy of a byte beyond the rails (pJ), from the slope of watts over inferences per second."""
    joules = float(np.polyfit([row.ips for row in rows], [row.watts for row in rows], 1)[0])
    return (joules - inference_j(executable, numbers, 0.0)) / moved_bytes(executable) * 1e12


if __name__ == "__main__":
    main()
