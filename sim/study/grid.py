"""The points of the study, simulated fast: every network is compiled once for a size, set-ups are built from parts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hwmodels.cache import remembered, still
from hwmodels.stages import AcceleratorStage, StageTimes, StepTime
from sim.answer import answer, figures
from sim.closed_form.baseline import Baseline, baseline
from sim.closed_form.columns import stage_columns
from sim.engine import Runner, run
from sim.fast.choice import SIMPY, runner
from sim.machine.host import SLICE_NS
from sim.scenario import Scenario
from sim.setup import Setup, build
from sim.study.results_file import flat
from sim.trust.interval import Z90, relative_sd
from sim.window import Window

__all__ = ["CASES", "PLANS", "SIZES", "Case", "Grid", "Plan", "network_rows", "traits"]

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


def _on_board(name: str, host: str, threads: tuple[int, ...], accelerators: tuple[int, ...] = (1,)) -> Case:
    """A board whose compiled program copies inputs in and decodes results: that work is part of its inferences."""
    return Case(
        name=name, host=host, link="memory", preprocess="none", threads=threads, accelerators=accelerators
    )  # fmt: skip


#: Boards with one core, and the larger one with up to three on its memory.
BOARD_CASES = (
    _on_board("one core, KV260", "kv260", tuple(range(1, 9))),
    _on_board("one core, Ultra96", "ultra96", (1, 2, 4, 8)),
    _on_board("one to three cores", "zcu102", (1, 8), (1, 2, 3)),
)


@dataclass(frozen=True)
class Plan:
    """What the study of a family of accelerators covers: sizes, cases, and the size that others compare with."""

    sizes: tuple[str, ...]
    cases: tuple[Case, ...]
    reference: str
    note: str


EDGETPU_NOTE = (
    "Edge TPU: coral is sold. Power of the hosts was measured; small and large never were: their figures are "
    "extrapolations."
)
DPU_NOTE = (
    "DPU: every size can be built. B4096 on the KV260 was fitted to measurements; other sizes and boards were held "
    "against them. An argmax, non-maximum suppression and the like run on the board's own cores and count."
)
#: Plans by the name of the family.
PLANS = {
    "edgetpu": Plan(SIZES, CASES, "coral", EDGETPU_NOTE),
    "dpu": Plan(("dpu-b512", "dpu-b1024", "dpu-b4096"), BOARD_CASES, "dpu-b1024", DPU_NOTE),
}


@dataclass(frozen=True)
class Grid:
    """What a study covers."""

    networks: tuple[str, ...]
    sizes: tuple[str, ...] = SIZES
    cases: tuple[Case, ...] = CASES
    reference: str = "coral"
    family: str = "edgetpu"

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.networks) * len(self.sizes) * sum(len(c.threads) * len(c.accelerators) for c in self.cases)


@still()
def network_rows(network: str, sizes: Sequence[str], cases: Sequence[Case], engine: str = SIMPY) -> list[Row]:
    """Simulate every point of one network; a point that fails is a row with its ``error``."""
    rows: list[Row] = []
    for size in sizes:
        sd = 0.0
        for case in cases:
            try:
                base = build(_scenario(network, size, case))
                sd = sd or relative_sd(base)
                rows += case_rows(base, case, sd, runner(engine))
            except (OSError, MemoryError):  # the machine failed, not the network: it stays unfinished
                raise
            except Exception as error:  # one network must not end the study
                rows.append({"models": network, "size": size, "case": case.name, "error": str(error)})
    return rows


def _scenario(network: str, size: str, case: Case) -> Scenario:
    return Scenario(
        models=network, size=size, host=case.host, link=case.link, mode=case.mode, preprocess=case.preprocess
    )


def case_rows(base: Setup, case: Case, sd: float, by: Runner = run) -> Iterator[Row]:
    """Simulate one network on one size in one case: a row for each number of threads and accelerators.

    A number of accelerators that the board's chip has no room for is left out.

    Yields
    ------
    dict
        One row of the results file for each number of threads and accelerators of the case.
    """
    fixed, one = {"case": case.name, **traits(base), "error": ""}, baseline(base, [1.0])
    rows: dict[tuple[int, int], Row] = {}
    for many in case.accelerators:
        if replace(base, accelerators=base.accelerators * many).no_room:
            continue
        for threads in case.threads:
            used = min(threads, many)  # a bound thread leaves further accelerators idle
            setup = resized(base, threads, used)
            if (threads, used) not in rows:
                rows[threads, used] = point_row(setup, by(bounded(setup), most=_most(setup)), sd, one)
            row = rows[threads, used]
            yield fixed | (row if used == many else with_idle(row, setup, resized(base, threads, many)))


def resized(base: Setup, threads: int, accelerators: int) -> Setup:
    """The set-up of one thread and one accelerator with more of both."""
    line = base.channels[0]
    is_joined = line.memory_bytes_per_s or base.host.bus(line.host_row)[1].lane_generation
    if accelerators > 1 and is_joined:  # each has a port of its own, or they share a lane
        return build(replace(base.scenario, threads=threads, accelerators=accelerators))
    return replace(
        base,
        scenario=replace(base.scenario, threads=threads, accelerators=accelerators),
        accelerators=base.accelerators * accelerators, channels=base.channels * accelerators,
        clocks_hz=base.clocks_hz * accelerators, executables=tuple(row * accelerators for row in base.executables),
        stage_times=tuple(row * accelerators for row in base.stage_times), thread_models=(0,) * threads,
    )  # fmt: skip


def bounded(setup: Setup) -> Setup:
    """The set-up with its parameters on chip from the start, and fewer steps.

    Steps are merged where their order cannot matter; with one network nothing is sent again after the first inference.
    """
    times = setup.stage_times[0][0]
    apart = not setup.bus_of[0].is_shared
    if setup.bus_of[0].is_memory:  # nothing is cached, and ports differ
        return setup
    return replace(setup, stage_times=((_bounded_times(times, apart),) * len(setup.accelerators),))


@remembered(64)  # the points of a case have them in common
def _bounded_times(times: StageTimes, apart: bool) -> StageTimes:
    return times.with_passes(lambda stage: replace(_merged(stage) if apart else stage, load_bytes=0))


def _most(setup: Setup) -> int:
    """Inferences after which a point's run ends where it has not become steady before."""
    times, apart = setup.stage_times[0][0], not setup.bus_of[0].is_shared
    return round(min(MOST, max(LEAST, EVENTS / _events(times, setup.is_crowded, apart))))


def _events(times: StageTimes, crowded: bool, apart: bool) -> float:
    """About how many events an inference takes: slices of CPU work, and steps on a shared link."""
    slices = times.ops_ns / SLICE_NS if crowded else 0
    steps = 0 if apart else sum(2 * len(stage.steps) for stage in times.accelerator_stages)
    return 8 + slices + steps


def _merged(stage: AcceleratorStage) -> AcceleratorStage:
    """The stage with its program in two steps, by which of computing and streaming takes longer: the same totals."""
    if len(stage.steps) < 3:
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


def point_row(setup: Setup, window: Window, sd: float, one: Baseline | None = None) -> Row:
    """The row of a simulated point: what ``run --json`` says of it, flat, and the stage columns.

    The interval is that of the network's one-thread uncertainty ``sd`` (relative standard deviation). ``one`` is what
    its gains compare with, where many points have that in common.
    """
    found, scale = figures(setup, window), math.exp(Z90 * sd)
    summary = answer(setup, found, one=one)
    ips = window.throughput_ips
    more = {"interval90": {"throughput_ips": [ips / scale, ips * scale]}, "engine": window.engine}
    left_out = ("simulated_s", "throughput_ci95_ips", "baseline_reason")
    kept = {key: value for key, value in summary.items() if key not in left_out}
    return flat(kept | more) | stage_columns(setup)


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
    network, times, part = base.executables[0][0], base.stage_times[0][0], base.accelerators[0]
    layers = network.graph.layers
    macs = sum(layer.macs for layer in layers)
    held, compute = times.total("held_ns"), times.total("compute_ns")
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
        "trait_cpu_ops": len(times.stages) - len(times.accelerator_stages),
    }  # fmt: skip
