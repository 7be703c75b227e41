"""Predict one measurement row from the models: which set-up a row describes, and which of its numbers was measured.

Single-inference figures come from the closed form of :mod:`hwmodels.timing` (the simulator takes the same time for one
inference alone); throughput of several threads and power come from the simulator.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import TypeVar

from calibration.corrections import corrected, host_part_of
from calibration.data import FOLDER, Row, read_table
from calibration.harness.microbench import micro_network
from hwmodels.accelerator import Accelerator, load_accelerator
from hwmodels.compiler import cocompile, compile_graph, on_chip_bytes
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.graph import LayerGraph
from hwmodels.host import Host, load_host
from hwmodels.link import Link, channel, load_link
from hwmodels.parts import Part, part_names
from hwmodels.timing import StageTimes, TpuStage, stage_times
from hwmodels.zoo import canonical_name, load_network

__all__ = ["Conditions", "Parts", "Skip", "conditions", "network_of", "predict", "times_of"]

P = TypeVar("P", bound=Part)
DEFAULTS = {"link": "usb3", "host_id": "x86-desktop", "clock_id": "max"}
KEPT = re.compile(r"max_detections?[_=](\d+)")  # said by the files of N. Tsukamoto
PART_ONLY = re.compile(r"only the TPU custom op is timed|TPU part only")
FRAME = (1280, 720)  # the camera frame that --preprocess resize assumes


class Skip(Exception):  # noqa: N818 (an outcome, not an error)
    """A row that cannot be predicted, and why."""


@dataclass(frozen=True)
class Parts:
    """The part files that predictions use; ``changes`` replaces numbers, by (kind, part name).

    Attributes
    ----------
    accelerator_name
        All measurements are of one chip.
    changes
        ``{(kind, part name): {key: value}}``: what a fit found, or a what-if.
    """

    accelerator_name: str = "coral"
    changes: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)

    def accelerator(self) -> Accelerator:
        """The accelerator of all measurements."""
        return self._changed("accelerator", load_accelerator(self.accelerator_name))

    def host(self, name: str) -> Host:
        """A host by the name in a row's ``host_id``."""
        return self._changed("host", load_host(name))

    def link(self, name: str) -> Link:
        """A link by the name in a row's ``link``."""
        return self._changed("link", load_link(name))

    def _changed(self, kind: str, part: P) -> P:
        changes = self.changes.get((kind, part.name))
        # mypy: changes are names of numbers of this kind of part
        return replace(part, **changes) if changes else part  # type: ignore[arg-type]


@dataclass(frozen=True)
class Conditions:
    """What a row says about its set-up, defaults filled in; ``assumed`` names the columns that were empty.

    Attributes
    ----------
    link, host, clock
        As the row says, or the default.
    compiler
        Generation, by the source.
    kernels, num_threads
        Of the interpreter, for CPU operators.
    """

    link: str
    host: str
    clock: str
    compiler: str
    kernels: str
    num_threads: int
    assumed: tuple[str, ...]


@cache
def source_table() -> dict[str, dict[str, str]]:
    """What is known of each source besides its rows: compiler generation, CPU kernels, from ``sources.csv``."""
    _, records = read_table(FOLDER / "sources.csv")
    return {record["source_id"]: record for _, record in records}


def conditions(row: Row) -> Conditions:
    """Return a row's set-up; what it does not state takes the documented default and is named in ``assumed``."""
    source = source_table().get(row.source_id, {})
    clock_matters = row.link not in ("none", "pcie")
    wanted = [key for key in DEFAULTS if not getattr(row, key) and (key != "clock_id" or clock_matters)]
    values = {key: getattr(row, key) or default for key, default in DEFAULTS.items()}
    if row.link == "none":
        values["host_id"] = host_part_of(row) or values["host_id"]
    elif "(32bit)" in row.host and f"{values['host_id']}-32bit" in part_names("host"):
        values["host_id"] += "-32bit"
    clock = "max" if values["link"] in ("none", "pcie") else found_clock(row) or values["clock_id"]
    return Conditions(
        values["link"], values["host_id"], clock,
        source.get("compiler") or "2021", source.get("kernels") or "builtin",
        row.threads if row.device == "cpu" or row.link == "none" else 1, tuple(wanted),
    )  # fmt: skip


def found_clock(row: Row) -> str:
    """Return the clock that a source's figures show where its label says another (``clocks.csv``), or nothing."""
    _, records = read_table(FOLDER / "clocks.csv")
    wanted = ((r["clock"], r["source_id"], r["host_id"]) for _, r in records)
    return next((c for c, source, host in wanted if source == row.source_id and fnmatchcase(row.host_id, host)), "")


def name_candidates(row: Row, model: str) -> list[str]:
    """Names under which a row's network may be known: with its input size, by its file, as written."""
    file = row.model_file.rsplit("/", 1)[-1].removesuffix(".tflite").removesuffix("_edgetpu")
    sizes = [f"{row.input_h}x{row.input_w}", row.input_h] if row.input_h else []
    names = [f"{base}_{size}" for base in (model, file) for size in sizes if base]
    return [*names, model, file] if "+" not in row.model else [model]


@lru_cache(maxsize=4096)
def network_named(candidates: tuple[str, ...]) -> LayerGraph | None:
    """Return the first network that one of the names leads to, or None."""
    for name in candidates:
        try:
            if name and "/" not in name:
                return micro_network(name) if name.startswith("micro_") else load_network(name)
        except InputError:
            continue
    return None


def network_of(row: Row, model: str = "") -> LayerGraph:
    """Return a row's network, its post-processing as the conditions say.

    Raises :class:`Skip` where it is neither in the zoo nor generated.

    Parameters
    ----------
    row
        Its model, file and input size give the names that are tried.
    model
        One of several, where the row is of a pair.
    """
    names = name_candidates(row, model or corrected(row).model)
    graph = None
    if "no postprocess" in row.conditions:
        graph = network_named(tuple(f"{name}_no_postprocess" for name in names))
    graph = graph or network_named(tuple(names))
    if graph is None:
        raise Skip("network not in the zoo" if row.model else "no network")
    kept = detections_kept(row)
    graph = graph if kept is None else keeping(graph, kept)
    return per_tensor(graph) if is_per_tensor(row) else graph


def is_known(row: Row) -> bool:
    """Whether every network of a row is in the zoo or generated."""
    return all(network_named(tuple(name_candidates(row, model))) for model in row.model.split("+"))


def is_per_tensor(row: Row) -> bool:
    """Whether a row's network is one of the uint8 files of 2019 and 2020: one scale a tensor, none a channel."""
    later = ("int8", "efficientdet", "spaghettinet")
    compiler = source_table().get(row.source_id, {}).get("compiler")
    return compiler == "2020" and not any(word in row.model for word in later)


@lru_cache(maxsize=512)
def per_tensor(graph: LayerGraph) -> LayerGraph:
    """Return the network with uint8 filters, which carry no scale for each channel."""
    layers = tuple(
        replace(layer, weights=tuple(replace(w, dtype="uint8") if w.dtype == "int8" else w for w in layer.weights))
        for layer in graph.layers
    )
    return replace(graph, layers=layers)


def detections_kept(row: Row) -> int | None:
    """How many detections the row's post-processing kept, where the source or ``networks.csv`` says it."""
    said = KEPT.search(f"{row.conditions} {row.citation}")
    if said:
        return int(said[1])
    _, records = read_table(FOLDER / "networks.csv")
    return next((int(r["kept"]) for _, r in records if fnmatchcase(row.model, r["model"])), None)


@lru_cache(maxsize=256)
def keeping(graph: LayerGraph, kept: int) -> LayerGraph:
    """Return a detection network whose post-processing keeps so many detections."""
    layers = tuple(
        replace(layer, outputs=tuple(replace(t, shape=(1, kept, *t.shape[2:])) for t in layer.outputs))
        if layer.op == "TFLite_Detection_PostProcess" else layer
        for layer in graph.layers
    )  # fmt: skip
    return replace(graph, layers=layers)


def canonical(row: Row) -> str:
    """Canonical name(s) of a row's network: the zoo's where it is known, else as written."""
    names = []
    for model in row.model.split("+"):
        graph = network_named(tuple(name_candidates(row, model)))
        names.append(graph.name if graph else canonical_name(model))
    return "+".join(names)


def executable_of(row: Row, parts: Parts, model: str = "") -> Executable:
    """Compile a row's network as its source's compiler would; for CPU rows every layer is on the host."""
    graph, setup = network_of(row, model), conditions(row)
    if setup.link == "none":
        plans = tuple(LayerPlan(layer, "CPU only") for layer in graph.layers)
        return Executable(graph.name, graph, (Segment("cpu", plans),), token="")
    return compile_graph(graph, parts.accelerator(), setup.compiler)


def times_of(executable: Executable, row: Row, parts: Parts) -> StageTimes:
    """Stage times of an executable on a row's host, link and clock; the accelerator's alone where those were timed."""
    setup, accelerator = conditions(row), parts.accelerator()
    try:
        host = parts.host(setup.host)
        link = parts.link("usb3" if setup.link == "none" else setup.link)
        clock_hz = accelerator.at_clock(setup.clock, link.root)
    except InputError as error:
        raise Skip(str(error)) from None
    times = stage_times(executable, channel(link, host), host, clock_hz, setup.kernels, max(1, setup.num_threads))
    return accelerator_part(times) if PART_ONLY.search(row.conditions) else times


def accelerator_part(times: StageTimes) -> StageTimes:
    """Stage times without the operators on the CPU."""
    return replace(times, stages=tuple(stage for stage in times.stages if isinstance(stage, TpuStage)))


def invoke_ms(row: Row, parts: Parts) -> float:
    """One inference alone, parameters cached (ms)."""
    if row.mode == "pipeline":
        return pipeline_figure(row, parts)
    if row.mode == "cpu_tpu_coexec" or (max(row.threads, row.accelerators) > 1 and conditions(row).link != "none"):
        return simulated(row, parts, "invoke_ms")
    executable = executable_of(row, parts)
    return (times_of(executable, row, parts).invoke_ns + api_ns(row, executable.graph)) / 1e6


@cache
def _api_copies() -> dict[tuple[str, str], tuple[float, float]]:
    _, records = read_table(FOLDER / "api_copies.csv")
    keys = ("input_ns_per_byte", "output_ns_per_element")
    return {(r["source_id"], r["host_id"]): (float(r[keys[0]]), float(r[keys[1]])) for _, r in records}


def api_ns(row: Row, graph: LayerGraph) -> float:
    """What an old API does with a CPU row's tensors inside the timed call (``api_copies.csv``), in ns.

    With an accelerator these copies are part of what the host's link numbers were fitted to.
    """
    if row.link != "none":
        return 0.0
    per_byte, per_element = _api_copies().get((row.source_id, row.host_id), (0.0, 0.0))
    read, written = sum(t.n_bytes for t in graph.inputs), sum(t.n_elements for t in graph.outputs)
    return read * per_byte + written * per_element


def first_ms(row: Row, parts: Parts) -> float:
    """The first inference after the network was loaded: parameters are sent, result memory is touched first (ms)."""
    return times_of(executable_of(row, parts), row, parts).cold_invoke_ns / 1e6


def load_ms(row: Row, parts: Parts) -> float:
    """Sending all cached parameters (ms)."""
    return times_of(executable_of(row, parts), row, parts).load_ns / 1e6


def pair_ms(row: Row, parts: Parts) -> float:
    """One invoke of each of two networks that alternate on one accelerator (ms)."""
    models = row.model.split("+")
    if len(models) < 2:
        raise Skip("not a pair of networks")
    if row.mode == "cocompiled":
        graphs = [network_of(row, model) for model in models]
        both = cocompile(graphs, parts.accelerator(), conditions(row).compiler)
        return sum(times_of(executable, row, parts).invoke_ns for executable in both) / 1e6
    alone = [times_of(executable_of(row, parts, model), row, parts) for model in models]
    return sum(times.first_invoke_ns for times in alone) / 1e6


def image_ms(row: Row, parts: Parts) -> float:
    """A frame in memory resized, one inference, the result decoded (ms)."""
    from hwmodels.host import frame_ns, postprocess_ns

    executable = executable_of(row, parts)
    host = parts.host(conditions(row).host)
    extra = frame_ns(executable.graph, host, *FRAME) + postprocess_ns(executable.graph, host)
    return (times_of(executable, row, parts).invoke_ns + extra) / 1e6


def throughput_fps(row: Row, parts: Parts) -> float:
    """Inferences per second: of one thread from the closed form, else from the simulator."""
    if row.metric == "system_throughput_fps":
        return 1e3 / image_ms(row, parts)
    if row.mode == "pipeline":
        return 1e3 / pipeline_figure(row, parts)
    if max(row.threads, row.accelerators) > 1:
        return several_fps(row, parts)
    return 1e3 / invoke_ms(row, parts)


def several_fps(row: Row, parts: Parts) -> float:
    """Inferences per second of several accelerators, on the row's host or on one fitted to a series' first row."""
    from calibration.series import is_of_series, series_fps

    return series_fps(row, parts) if is_of_series(row) else simulated(row, parts, "throughput_ips")


def on_chip(row: Row, parts: Parts) -> float:
    """Parameter memory in use (bytes)."""
    return float(sum(on_chip_bytes(executable) for executable in _byte_executables(row, parts)))


def off_chip(row: Row, parts: Parts) -> float:
    """Parameter bytes that stream, each layer counted once."""
    plans = [plan for executable in _byte_executables(row, parts) for plan in executable.plans]
    return float(sum(plan.blob_bytes for plan in plans if not plan.cached and not plan.reason))


def all_parameters(row: Row, parts: Parts) -> float:
    """Parameter bytes as they are sent (bytes)."""
    return float(sum(plan.blob_bytes for e in _byte_executables(row, parts) for plan in e.plans if not plan.reason))


def _byte_executables(row: Row, parts: Parts) -> list[Executable]:
    if row.mode == "pipeline":
        return segments_of(row, parts)
    if "+" in row.model and row.mode == "cocompiled":
        graphs = [network_of(row, model) for model in row.model.split("+")]
        return cocompile(graphs, parts.accelerator(), conditions(row).compiler)
    compiler = conditions(row).compiler
    return [compile_graph(network_of(row, model), parts.accelerator(), compiler) for model in row.model.split("+")]


def segments_of(row: Row, parts: Parts) -> list[Executable]:
    """The segments of a pipeline, cut as it was logged, else by the compiler's rule."""
    from calibration.pipelines import pipeline_segments

    return pipeline_segments(row, parts)


def pipeline_figure(row: Row, parts: Parts) -> float:
    """Time of an inference in a pipeline (ms)."""
    from calibration.pipelines import pipeline_ms

    return pipeline_ms(row, parts)


def host_cpu_ms(row: Row, parts: Parts) -> float:
    """CPU time of the calling thread in one invoke (ms)."""
    times = times_of(executable_of(row, parts), row, parts)
    stages = [stage for stage in times.stages if isinstance(stage, TpuStage)]
    return (times.python_ns + sum(stage.driver_ns + stage.copy_ns for stage in stages)) / 1e6


def preprocess_ms(row: Row, parts: Parts) -> float:
    """A frame resized and cast to the network's input (ms)."""
    from hwmodels.host import frame_ns

    return frame_ns(network_of(row), parts.host(conditions(row).host), *FRAME) / 1e6


def postprocess_ms(row: Row, parts: Parts) -> float:
    """The result dequantised and decoded (ms)."""
    from hwmodels.host import postprocess_ns

    return postprocess_ns(network_of(row), parts.host(conditions(row).host)) / 1e6


def simulated(row: Row, parts: Parts, key: str) -> float:
    """A figure of a scenario with several threads, accelerators or segments, from the simulator."""
    from calibration.scenarios import simulated_figure

    return simulated_figure(row, parts, key)


def power_figure(row: Row, parts: Parts) -> float:
    """Power in W or energy of an inference in mJ, as the meter of that source saw it."""
    from calibration.energy import metered

    return metered(row, parts)


def gil_figure(row: Row, parts: Parts) -> float:
    """Time of an invoke beside busy Python threads (ms)."""
    from calibration.gilrows import gil_ms

    return gil_ms(row, parts)


Predictor = Callable[[Row, Parts], float]

#: Which function predicts a metric; what is not here is skipped.
PREDICTORS: dict[str, Predictor] = {
    "invoke_latency_ms": invoke_ms, "invoke_latency_p50_ms": invoke_ms, "time_per_inference_ms": invoke_ms,
    "coexec_tpu_latency_ms": invoke_ms, "coexec_cpu_latency_ms": invoke_ms,
    "first_inference_ms": first_ms, "param_load_ms": load_ms,
    "alternating_pair_latency_ms": pair_ms,
    "image_to_result_latency_ms": image_ms, "image_latency_ms": image_ms, "system_latency_ms": image_ms,
    "detection_latency_ms": image_ms,
    "throughput_fps": throughput_fps, "throughput_max_fps": throughput_fps, "system_throughput_fps": throughput_fps,
    "power_full_w": power_figure, "power_w": power_figure, "power_idle_w": power_figure,
    "energy_mj": power_figure, "energy_above_idle_mj": power_figure,
    "param_on_chip_bytes": on_chip, "param_off_chip_bytes": off_chip, "param_bytes": all_parameters,
    "host_cpu_time_per_invoke_ms": host_cpu_ms, "host_preprocess_ms": preprocess_ms,
    "host_postprocess_ms": postprocess_ms, "gil_invoke_latency_ms": gil_figure,
}  # fmt: skip


def predict(row: Row, parts: Parts) -> float:
    """Return the model's figure for a row, in the row's unit.

    Raises :class:`Skip` with the reason where the metric or the network is not modelled.

    Parameters
    ----------
    row
        One measurement.
    parts
        Part files, changed or as shipped.

    Returns
    -------
    float
        In the unit of the row's metric.
    """
    if row.metric not in PREDICTORS:
        raise Skip(f"metric {row.metric} is not modelled")
    return PREDICTORS[row.metric](row, parts)
