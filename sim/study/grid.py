"""The points of the study, simulated fast: every network is compiled once for a size, set-ups are built from parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwmodels.timing import CpuStage, StageTimes, StepTime, TpuStage
from sim import results
from sim.bottleneck import bottleneck
from sim.calibrated import outside
from sim.effort import SLICE_NS
from sim.engine import one_thread, run
from sim.interval import Z90, relative_sd
from sim.results import Window
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.stages import stage_columns
from sim.tabular import flat

__all__ = ["CASES", "SIZES", "Case", "Grid", "network_rows", "traits"]

SIZES = ("small", "coral", "large")
EVENTS = 20_000  # a point that finds no period stops after about so many events ...
LEAST, MOST = 128, 256  # ... but within these numbers of inferences
Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A workload on a host: what stays the same while threads and accelerators are varied."""

    name: str
    host: str
    link: str
    mode: str = "threads"
    preprocess: str = "resize"
    threads: tuple[int, ...] = (1, 2, 4)
    accelerators: tuple[int, ...] = (1,)


#: The headline's workload on both hosts whose power was measured, then what the choice of workload changes.
CASES = (
    Case(name="headline", host="dev-board", link="pcie", threads=tuple(range(1, 9)), accelerators=(1, 2, 3, 4)),
    Case(name="headline, Pi 4", host="raspberry-pi-4", link="usb3", threads=(1, 2, 3, 4, 6, 8), accelerators=(1, 2)),
    Case(name="processes", host="dev-board", link="pcie", mode="processes"),
    Case(name="processes, Pi 4", host="raspberry-pi-4", link="usb3", mode="processes"),
    Case(name="no preprocessing", host="dev-board", link="pcie", preprocess="none"),
    Case(name="no preprocessing, Pi 4", host="raspberry-pi-4", link="usb3", preprocess="none"),
)


@dataclass(frozen=True)
class Grid:
    """What a study covers."""

    networks: tuple[str, ...]
    sizes: tuple[str, ...] = SIZES
    cases: tuple[Case, ...] = CASES

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.networks) * len(self.sizes) * sum(len(c.threads) * len(c.accelerators) for c in self.cases)


def network_rows(network: str, sizes: Sequence[str], cases: Sequence[Case]) -> list[Row]:
    """Simulate every point of one network; a point that fails is a row with its ``error``."""
    rows: list[Row] = []
    for size in sizes:
        sd = 0.0
        for case in cases:
            try:
                base = build(_scenario(network, size, case))
                sd = sd or relative_sd(base)
                rows += case_rows(base, case, sd)
            except (OSError, MemoryError):  # the machine failed, not the network: it stays unfinished
                raise
            except Exception as error:  # one network must not end the study
                rows.append({"models": network, "size": size, "case": case.name, "error": str(error)})
    return rows


def _scenario(network: str, size: str, case: Case) -> Scenario:
    return Scenario(
        models=network, size=size, host=case.host, link=case.link, mode=case.mode, preprocess=case.preprocess
    )


def case_rows(base: Setup, case: Case, sd: float) -> Iterator[Row]:
    """Simulate one network on one size in one case: a row for each number of threads and accelerators.

    Yields
    ------
    dict
        One row of the results file for each number of threads and accelerators of the case.
    """
    alone = run(base)
    fixed = {"case": case.name, **traits(base), "error": ""}
    for many in case.accelerators:
        for threads in case.threads:
            used = min(threads, many)  # a bound thread leaves further accelerators idle
            setup = resized(base, threads, used)
            row = point_row(setup, run(_bounded(setup)), alone, base, sd)
            yield fixed | (row if used == many else with_idle(row, setup, resized(base, threads, many)))


def resized(base: Setup, threads: int, accelerators: int) -> Setup:
    """The set-up of one thread and one accelerator with more of both."""
    return replace(
        base,
        scenario=replace(base.scenario, threads=threads, accelerators=accelerators),
        accelerators=base.accelerators * accelerators, channels=base.channels * accelerators,
        clocks_hz=base.clocks_hz * accelerators, executables=tuple(row * accelerators for row in base.executables),
        networks=tuple(row * accelerators for row in base.networks), thread_models=(0,) * threads,
    )  # fmt: skip


def _bounded(setup: Setup) -> Setup:
    """The set-up with a limit on its inferences, its parameters on chip from the start, and fewer steps.

    Steps are merged where their order cannot matter; with one network nothing is sent again after the first inference.
    """
    crowded = len(setup.thread_models) > setup.cores
    times = setup.networks[0][0]
    apart = len(setup.accelerators) == 1 or not setup.channels[0].header_bytes
    loaded = (replace(s, load_bytes=0) if isinstance(s, TpuStage) else s for s in times.stages)
    times = replace(times, stages=tuple(_merged(s) if apart else s for s in loaded))
    most = round(min(MOST, max(LEAST, EVENTS / _events(times, crowded, apart))))
    count = len(setup.accelerators)
    return replace(setup, scenario=replace(setup.scenario, inferences=most), networks=((times,) * count,))


def _events(times: StageTimes, crowded: bool, apart: bool) -> float:
    """About how many events an inference takes: slices of CPU work, and steps on a shared link."""
    slices = sum(s.ops_ns for s in times.stages if isinstance(s, CpuStage)) / SLICE_NS if crowded else 0
    steps = 0 if apart else sum(2 * len(s.steps) for s in times.stages if isinstance(s, TpuStage))
    return 8 + slices + steps


def _merged(stage: TpuStage | CpuStage) -> TpuStage | CpuStage:
    """The stage with its program in two steps, by which of computing and streaming takes longer: the same totals."""
    if not isinstance(stage, TpuStage) or len(stage.steps) < 3:
        return stage
    kinds = (
        [s for s in stage.steps if s.compute_ns >= s.parameters_ns],
        [s for s in stage.steps if s.compute_ns < s.parameters_ns],
    )
    return replace(stage, steps=tuple(_sum(kind) for kind in kinds if kind))


def _sum(steps: Sequence[StepTime]) -> StepTime:
    return StepTime(
        sum(s.compute_ns for s in steps), sum(s.parameters_ns for s in steps), sum(s.streamed_bytes for s in steps)
    )


def point_row(setup: Setup, window: Window, alone: Window, base: Setup, sd: float) -> Row:
    """The row of a simulated point: what ``run --json`` says of it, flat, and the stage columns.

    The interval is that of the network's one-thread uncertainty ``sd`` (relative standard deviation).
    """
    import math

    ips, used = window.throughput_ips, results.utilisation(setup, window)
    power, alone_power = results.power_of(setup, window), results.power_of(one_thread(base), alone)
    energy, accelerator = results.energy_mj(power, ips)
    alone_energy, alone_accelerator = results.energy_mj(alone_power, alone.throughput_ips)
    kind, text = bottleneck(setup, window, used)
    scale = math.exp(Z90 * sd)
    summary = {
        "scenario": setup.scenario.options() | {"cores": setup.cores},
        "throughput_ips": ips,
        "latency_ms": results.merged(window.latency).summary_ms(),
        "invoke_ms": window.invoke.summary_ms(),
        "energy_mj_per_inference": energy,
        "energy_accelerator_mj_per_inference": accelerator,
        "power_w": {
            "total": power.total_w, "accelerators": power.accelerators_w, "links": power.links_w, "host": power.host_w,
        },
        "utilisation": used,
        "time_breakdown_ms": results.breakdown_ms(window),
        "speedup_vs_one_thread": results.ratio(ips, alone.throughput_ips),
        "energy_gain_vs_one_thread": results.ratio(alone_energy, energy),
        "energy_accelerator_gain_vs_one_thread": results.ratio(alone_accelerator, accelerator),
        "bottleneck": kind,
        "bottleneck_text": text,
        "interval90": {"throughput_ips": [ips / scale, ips * scale]},
        "steady": window.periodic or results.is_settled(window),
        "inferences_simulated": window.completions,
        "warnings": [*setup.warnings, *outside(setup)],
        "made_by": results.made_by(setup),
    }  # fmt: skip
    return flat(summary) | stage_columns(setup)


def with_idle(row: Row, busy: Setup, whole: Setup) -> Row:
    """The row of a point whose further accelerators stand idle: the same times, more power at rest."""
    columns, ips = stage_columns(whole), row["throughput_ips"]
    more_w = columns["stage_accelerator_static_w"] - row["stage_accelerator_static_w"]
    share = len(busy.accelerators) / len(whole.accelerators)
    found = row | columns | {"accelerators": len(whole.accelerators)}
    for key in ("power_w_total", "power_w_accelerators"):
        found[key] += more_w
    for key, power in (("energy", "total"), ("energy_accelerator", "accelerators")):
        before = row[f"{key}_mj_per_inference"]
        found[f"{key}_mj_per_inference"] = found[f"power_w_{power}"] / ips * 1e3
        found[f"{key}_gain_vs_one_thread"] *= before / found[f"{key}_mj_per_inference"]
    found["utilisation_accelerator"] *= share
    return found


def traits(base: Setup) -> Row:
    """What in a network may explain its gain: shares of one inference alone, and bytes; see docs/design-space.md."""
    network, times, part = base.executables[0][0], base.networks[0][0], base.accelerators[0]
    layers = network.graph.layers
    macs = sum(layer.macs for layer in layers)
    stages = [s for s in times.stages if isinstance(s, TpuStage)]
    held, compute = sum(s.held_ns for s in stages), sum(s.compute_ns for s in stages)
    inputs = max(1, sum(t.n_bytes for t in network.graph.inputs))
    depthwise = sum(layer.macs for layer in layers if layer.op == "DEPTHWISE_CONV_2D")
    peak = part.peak_macs_per_cycle * base.clocks_hz[0] / 1e9
    return {
        "family": network.graph.meta.get("family", network.name.split("_")[0]),
        "trait_macs": macs, "trait_parameter_bytes": sum(layer.parameter_bytes for layer in layers),
        "trait_host_share": 1 - held / times.latency_ns, "trait_ops_per_input_byte": 2 * macs / inputs,
        "trait_off_chip_bytes": network.total("streamed_bytes"), "trait_depthwise_share": depthwise / max(1, macs),
        "trait_output_bytes": network.total("output_bytes"),
        "trait_mac_utilisation": network.macs / max(1.0, compute * peak),
        "trait_compute_share": compute / max(1, held),
        "trait_cpu_ops": sum(isinstance(s, CpuStage) for s in times.stages),
    }  # fmt: skip
