"""From a measurement row to its set-up: host, link, clock and compiler, its network, executable and stage times.

What a row does not state takes the documented default. Predictions of every metric begin here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from typing import TypeVar

from calibration.corrections import corrected, host_part_of, true_host
from calibration.harness.microbench import named_network
from calibration.kept import cache_holding, kept_bytes
from calibration.measurements import Measurement
from calibration.shipped import source_table
from calibration.tables import shipped_table
from hwmodels.cpu import CUSTOM_DETECTION
from hwmodels.edgetpu.accelerator import EdgeTpu, load_accelerator
from hwmodels.edgetpu.compiler import cocompile, compile_graph
from hwmodels.errors import InputError
from hwmodels.executable import Executable, LayerPlan, Segment
from hwmodels.host import Host, load_host
from hwmodels.link import Link, channel, load_link
from hwmodels.networks.graph import Layer, LayerGraph
from hwmodels.networks.zoo import canonical_name
from hwmodels.parts import Part, part_names
from hwmodels.quantities import Given
from hwmodels.stages import StageTimes
from hwmodels.timing import stage_times

__all__ = [
    "Conditions", "Parts", "Skip", "accelerator_part", "api_ns", "canonical", "conditions_of", "executable_of",
    "is_known", "keeping", "network_named", "network_of", "per_tensor", "programs", "times_of",
]  # fmt: skip

P = TypeVar("P", bound=Part)
DEFAULTS = {"link": "usb3", "host_id": "x86-desktop", "clock_id": "max"}


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
    changes: Mapping[tuple[str, str], Mapping[str, Given]] = field(default_factory=dict)

    def accelerator(self) -> EdgeTpu:
        """The accelerator of all measurements."""
        return self._changed("accelerator", load_accelerator(self.accelerator_name))

    def host(self, name: str) -> Host:
        """A host by the name in a row's ``host_id``."""
        return self._changed("host", load_host(name))

    def link(self, name: str) -> Link:
        """A link by the name in a row's ``link``; any will do where nothing is sent (``none``)."""
        return self._changed("link", load_link(DEFAULTS["link"] if name == "none" else name))

    def _changed(self, kind: str, part: P) -> P:
        return part.with_numbers(self.changes.get((kind, part.name), {}), "a fit")


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


def conditions_of(row: Measurement) -> Conditions:
    """Return what a row was measured under; what it does not state takes the default and is named in ``assumed``."""
    source = source_table().get(row.source_id, {})
    stated = {key: getattr(row, key) or source.get(key, "") for key in DEFAULTS}
    values = {key: stated[key] or default for key, default in DEFAULTS.items()}
    two_clocks = has_two_clocks(values["link"])
    wanted = [key for key in DEFAULTS if not stated[key] and (key != "clock_id" or two_clocks)]
    clock = (found_clock(row) or values["clock_id"]) if two_clocks else "max"
    return Conditions(
        values["link"], _host(row) or values["host_id"], clock,
        row.compiler or source.get("compiler") or "2021", row.kernels or source.get("kernels") or "builtin",
        row.threads if row.device == "cpu" or row.link == "none" else 1, tuple(wanted),
    )  # fmt: skip


def _host(row: Measurement) -> str:
    """The host part of a row, by word size; for a CPU row by what ran on it too, empty where it names no host."""
    if row.link == "none":
        return host_part_of(row)
    host = true_host(row) or source_table().get(row.source_id, {}).get("host_id") or DEFAULTS["host_id"]
    return f"{host}-32bit" if row.word_size == "32" and f"{host}-32bit" in part_names("host") else host


@cache
def has_two_clocks(link: str) -> bool:
    """Whether an accelerator may run at either clock over a link; on the CPU alone (``none``) it has none."""
    return link != "none" and bool(load_link(link).std_clock)


def found_clock(row: Measurement) -> str:
    """Return the clock that a source's figures show where its label says another (``clocks.csv``), or nothing."""
    found = (cells for cells in shipped_table("clocks") if cells["source_id"] == row.source_id)
    return next((cells["clock"] for cells in found if fnmatchcase(row.host_id, cells["host_id"])), "")


def name_candidates(row: Measurement, model: str) -> list[str]:
    """Names under which a row's network may be known: with its input size, by its file, as written.

    A corrected name, or one of a pair's, counts alone: the file is named as the source has it.
    """
    if model != row.model or "+" in model:
        return [model]
    file = row.model_file.rsplit("/", 1)[-1].removesuffix(".tflite").removesuffix("_edgetpu")
    sizes = [f"{row.input_h}x{row.input_w}", row.input_h] if row.input_h else []
    names = [f"{base}_{size}" for base in (model, file) for size in sizes if base]
    return [*names, model, file]


@lru_cache(maxsize=4096)
def network_named(candidates: tuple[str, ...]) -> LayerGraph | None:
    """Return the first network that one of the names leads to, or None."""
    for name in candidates:
        try:
            if name and "/" not in name:
                return named_network(name)
        except InputError:
            continue
    return None


def network_of(row: Measurement, model: str = "") -> LayerGraph:
    """Return a row's network, its post-processing as the row says.

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
    if row.postprocess == "none":
        graph = network_named(tuple(f"{name}_no_postprocess" for name in names))
    graph = graph or network_named(tuple(names))
    if graph is None:
        raise Skip("network not in the zoo" if row.model else "no network")
    kept = detections_kept(row)
    graph = graph if kept is None else keeping(graph, kept)
    return per_tensor(graph) if is_per_tensor(row) else graph


def is_known(row: Measurement) -> bool:
    """Whether every network of a row is in the zoo or generated."""
    return all(network_named(tuple(name_candidates(row, model))) for model in row.model.split("+"))


def is_per_tensor(row: Measurement) -> bool:
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


def detections_kept(row: Measurement) -> int | None:
    """How many detections the row's post-processing kept, where the source or ``networks.csv`` says it."""
    if row.detections is not None:
        return row.detections
    found = (cells for cells in shipped_table("networks") if fnmatchcase(row.model, cells["model"]))
    return next((int(cells["kept"]) for cells in found), None)


@lru_cache(maxsize=256)
def keeping(graph: LayerGraph, kept: int) -> LayerGraph:
    """Return a detection network whose post-processing keeps so many detections."""
    layers = (_keeping(layer, kept) if layer.op == CUSTOM_DETECTION else layer for layer in graph.layers)
    return replace(graph, layers=tuple(layers))


def _keeping(layer: Layer, kept: int) -> Layer:
    """Boxes, classes and scores hold a line for each detection; their number has none."""
    shapes = ((1, kept, *t.shape[2:]) if len(t.shape) > 1 else t.shape for t in layer.outputs)
    return replace(layer, outputs=tuple(replace(t, shape=s) for t, s in zip(layer.outputs, shapes, strict=True)))


def canonical(row: Measurement) -> str:
    """Canonical name(s) of a row's network: the zoo's where it is known, else as written."""
    names = []
    for model in row.model.split("+"):
        graph = network_named(tuple(name_candidates(row, model)))
        names.append(graph.name if graph else canonical_name(model))
    return "+".join(names)


def executable_of(row: Measurement, parts: Parts, model: str = "") -> Executable:
    """Compile a row's network as its source's compiler would; for CPU rows every layer is on the host."""
    graph, conditions = network_of(row, model), conditions_of(row)
    if conditions.link == "none":
        plans = tuple(LayerPlan(layer, "CPU only") for layer in graph.layers)
        return Executable(graph.name, graph, (Segment("cpu", plans),), token="")
    kept, accelerator = kept_bytes(row), parts.accelerator()
    part = accelerator if kept is None else cache_holding(graph, kept, accelerator)
    return compile_graph(graph, part, conditions.compiler)


def times_of(executable: Executable, row: Measurement, parts: Parts) -> StageTimes:
    """Stage times of an executable on a row's host, link and clock; the accelerator's alone where those were timed."""
    conditions, accelerator = conditions_of(row), parts.accelerator()
    try:
        host = parts.host(conditions.host)
        link = parts.link(conditions.link)
        clock_hz = accelerator.at_clock(conditions.clock, link)
    except InputError as error:
        raise Skip(str(error)) from None
    threads = max(1, conditions.num_threads)
    times = stage_times(executable, channel(link, host), host, clock_hz, conditions.kernels, threads)
    return accelerator_part(times) if row.timed == "accelerator" else times


def accelerator_part(times: StageTimes) -> StageTimes:
    """Stage times without the operators on the CPU."""
    return replace(times, stages=times.accelerator_stages)


@cache
def _api_copies() -> dict[tuple[str, str], tuple[float, float]]:
    keys = ("input_ns_per_byte", "output_ns_per_element")
    cells = shipped_table("api_copies")
    return {(c["source_id"], c["host_id"]): (float(c[keys[0]]), float(c[keys[1]])) for c in cells}


def api_ns(row: Measurement, graph: LayerGraph) -> float:
    """What an old API does with a CPU row's tensors inside the timed call (``api_copies.csv``), in ns.

    With an accelerator these copies are part of what the host's link numbers were fitted to.
    """
    if row.link != "none":
        return 0.0
    per_byte, per_element = _api_copies().get((row.source_id, row.host_id), (0.0, 0.0))
    read, written = sum(t.n_bytes for t in graph.inputs), sum(t.n_elements for t in graph.outputs)
    return read * per_byte + written * per_element


def programs(row: Measurement, parts: Parts) -> list[tuple[Executable, bool]]:
    """What one measured time consists of: executables, and whether their parameters are on the chip already."""
    if row.metric != "alternating_pair_latency_ms":
        return [(executable_of(row, parts), row.metric != "first_inference_ms")]
    models = row.model.split("+")
    if row.mode == "cocompiled":
        graphs = [network_of(row, model) for model in models]
        return [(e, True) for e in cocompile(graphs, parts.accelerator(), conditions_of(row).compiler)]
    return [(executable_of(row, parts, model), False) for model in models]
