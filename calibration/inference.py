"""One inference alone, or two networks in turn, in closed form: times of an invoke, of its host work, of a frame."""

from __future__ import annotations

from calibration.measurements import Measurement
from calibration.setups import Parts, Skip, api_ns, conditions_of, executable_of, network_of, programs, times_of
from hwmodels.cpu import frame_ns, postprocess_ns
from hwmodels.edgetpu.compiler import cocompile

__all__ = [
    "alone_ms",
    "first_ms",
    "host_cpu_ms",
    "image_ms",
    "load_ms",
    "member_ms",
    "pair_ms",
    "postprocess_ms",
    "preprocess_ms",
]

FRAME = (1280, 720)  # the camera frame that --preprocess resize assumes


def alone_ms(row: Measurement, parts: Parts) -> float:
    """One inference, parameters cached (ms)."""
    executable = executable_of(row, parts)
    return (times_of(executable, row, parts).invoke_ns + api_ns(row, executable.graph)) / 1e6


def first_ms(row: Measurement, parts: Parts) -> float:
    """The first inference after the network was loaded: parameters are sent, result memory is touched first (ms)."""
    return times_of(executable_of(row, parts), row, parts).cold_invoke_ns / 1e6


def load_ms(row: Measurement, parts: Parts) -> float:
    """Sending all cached parameters (ms)."""
    return times_of(executable_of(row, parts), row, parts).load_ns / 1e6


def pair_ms(row: Measurement, parts: Parts) -> float:
    """One invoke of each of two networks that alternate on one accelerator (ms)."""
    if "+" not in row.model:
        raise Skip("not a pair of networks")
    both = [(times_of(executable, row, parts), is_loaded) for executable, is_loaded in programs(row, parts)]
    return sum(times.invoke_ns if is_loaded else times.first_invoke_ns for times, is_loaded in both) / 1e6


def member_ms(row: Measurement, parts: Parts) -> float:
    """One invoke of a network that shares its parameter memory with others, run many times in a row (ms)."""
    models = row.compiled_with.split("+")
    if row.model not in models:
        raise Skip("its set is not stated (column compiled_with)")
    graphs = [network_of(row, model) for model in models]
    together = cocompile(graphs, parts.accelerator(), conditions_of(row).compiler)
    return times_of(together[models.index(row.model)], row, parts).invoke_ns / 1e6


def image_ms(row: Measurement, parts: Parts) -> float:
    """A frame in memory resized, one inference, the result decoded (ms)."""
    executable = executable_of(row, parts)
    host = parts.host(conditions_of(row).host)
    extra = frame_ns(executable.graph, host, *FRAME) + postprocess_ns(executable.graph, host)
    return (times_of(executable, row, parts).invoke_ns + extra) / 1e6


def host_cpu_ms(row: Measurement, parts: Parts) -> float:
    """CPU time of the calling thread in one invoke (ms), operators on the CPU included."""
    times = times_of(executable_of(row, parts), row, parts)
    return (times.python_ns + times.ops_ns + times.total("driver_ns") + times.total("copy_ns")) / 1e6


def preprocess_ms(row: Measurement, parts: Parts) -> float:
    """A frame resized and cast to the network's input (ms)."""
    return frame_ns(network_of(row), parts.host(conditions_of(row).host), *FRAME) / 1e6


def postprocess_ms(row: Measurement, parts: Parts) -> float:
    """The result dequantised and decoded (ms)."""
    return postprocess_ns(network_of(row), parts.host(conditions_of(row).host)) / 1e6
