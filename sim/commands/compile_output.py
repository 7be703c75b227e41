"""``compile`` on the terminal: in the words and units of the compiler's log, so that both can be laid side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from sim.commands.tables import Rows, new_console, note, say

__all__ = ["print_compile", "print_layers", "print_set"]

MOST_LAYERS = 12  # of a network, unless all are asked for
#: What the log calls the accelerator; those of other families have no such log.
DEVICES = {"edgetpu": "Edge TPU"}


def print_compile(report: dict[str, Any], every_layer: bool = False) -> None:
    """Print what the compiler model does with a network: its busiest layers, or every one."""
    console = new_console()
    _print_network(console, report)
    _print_segments(console, report.get("segments", []))
    print_layers(console, report["layers"], every_layer)


def print_set(report: dict[str, Any]) -> None:
    """Print what it does with several networks, and who gets how much of the parameter memory."""
    console = new_console()
    title = "compiled together: one parameter memory" if report["cocompiled"] else "compiled one by one"
    shares = Rows(title, "network", "cached", "streamed", "share of its parameters on the chip")
    for one in report["models"]:
        on, off = one["on_chip_bytes"], one["off_chip_bytes"]
        shares.add(one["model"], _size(on), _size(off), f"{on / (on + off):.0%}" if on + off else "")
    shares.show(console)
    for one in report["models"]:
        console.print()
        _print_network(console, one)


def _print_network(console: Console, report: dict[str, Any]) -> None:
    say(console, f"{report['model']} on {report['size']} ({report['source']})", "italic")
    for name, value in _facts(report):
        say(console, f"{name}: {value}")
    _operators(report).show(console)
    first = report["first_unmapped"]
    if first:
        taken = f" It takes {first['taken_along']} along that follow it." if first["taken_along"] else ""
        say(console, f"First operator that is not mapped: {first['index']} {first['op']}: {first['reason']}.{taken}")
    for text in report["notes"]:
        note(console, text)


def _facts(report: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "On-chip memory used for caching model parameters", _size(report["on_chip_bytes"])
    yield "On-chip memory remaining for caching model parameters", _size(report["on_chip_free_bytes"])
    yield "Off-chip memory used for streaming uncached model parameters", _streamed(report)
    yield f"Number of {_device(report)} subgraphs", str(report["subgraphs"])
    yield "Total number of operations", str(report["ops_total"])
    yield "MACs", f"{report['macs'] / 1e6:.1f} M"
    sent = ("instruction_bytes", "input_bytes", "output_bytes", "scratch_bytes")
    each = [f"{key.removesuffix('_bytes')} {_size(report[key])}" for key in sent if report[key]]
    if each:
        yield "Over the link in every inference", ", ".join(each)


def _device(report: dict[str, Any]) -> str:
    return DEVICES.get(report["family"], "accelerator")


def _streamed(report: dict[str, Any]) -> str:
    low, high = report.get("streamed_interval90_bytes", (0, 0))
    interval = f" (90 %: {_size(low)} to {_size(high)})" if high > low else ""
    return _size(report["off_chip_bytes"]) + interval


def _operators(report: dict[str, Any]) -> Rows:
    found = Rows("", "Operator", "Count", "Status", prose=[2])
    reasons = {op["index"]: op["reason"] for op in report["cpu_ops"]}
    mapped = f"Mapped to {_device(report)}"
    counts = Counter((layer["op"], reasons.get(layer["index"], mapped)) for layer in report["layers"])
    for (op, status), count in sorted(counts.items()):
        found.add(op, str(count), status)
    return found


def _size(n_bytes: float) -> str:
    """Bytes as the compiler's log writes them."""
    for unit in ("B", "KiB"):
        if abs(n_bytes) < 1024:
            return f"{n_bytes:.2f}{unit}"
        n_bytes /= 1024
    return f"{n_bytes:.2f}MiB"


def _print_segments(console: Console, segments: list[dict[str, Any]]) -> None:
    if not segments:
        return
    found = Rows("\nsegments", "segment", "ops", "M MACs", "parameters", "off chip", "compute ms")
    for segment in segments:
        found.add(
            segment["model"], str(segment["ops"]), f"{segment['macs'] / 1e6:.1f}", _size(segment["parameter_bytes"]),
            _size(segment["off_chip_bytes"]), f"{segment['compute_ms']:.3f}",
        )  # fmt: skip
    found.show(console)


def print_layers(console: Console, layers: list[dict[str, Any]], every_layer: bool = False) -> None:
    """Print where layers run, and what they take: the busiest ones of a long network, or every one."""
    shown = layers if every_layer or len(layers) <= MOST_LAYERS else _busiest(layers)
    found = Rows(_layers_title(layers, shown), "op", "#", "output", "M MACs", "KiB", "kept", "k cycles", "array")
    for layer in shown:
        found.add(
            layer["op"], str(layer["index"]), "x".join(map(str, layer["output"])), f"{layer['macs'] / 1e6:.1f}",
            f"{layer['parameter_bytes'] / 1024:.1f}" if layer["parameter_bytes"] else "", _kept(layer),
            f"{layer['cycles'] / 1e3:.1f}", f"{layer['utilisation']:.0%}",
        )  # fmt: skip
    found.show(console)


def _busiest(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The layers of most cycles, in the network's order."""
    busiest = sorted(layers, key=lambda layer: (-layer["cycles"], layer["index"]))[:MOST_LAYERS]
    return sorted(busiest, key=lambda layer: int(layer["index"]))


def _layers_title(layers: list[dict[str, Any]], shown: list[dict[str, Any]]) -> str:
    """How many layers there are, and what share of the cycles those shown take."""
    if len(shown) == len(layers):
        return "\nlayers"
    share = sum(layer["cycles"] for layer in shown) / max(1, sum(layer["cycles"] for layer in layers))
    sent = sum(bool(layer["streamed_bytes"]) for layer in layers)
    streaming = f", parameters of {sent} sent with every inference" if sent else ""
    words = f"{len(layers)} layers{streaming}; the {len(shown)} busiest take {share:.0%} of the cycles"
    return f"\n{words} (--layers shows all)"


def _kept(layer: dict[str, Any]) -> str:
    """Where a layer's parameters are: on the chip, or sent in every inference."""
    if layer["device"] == "cpu":
        return "CPU"
    if layer["streamed_bytes"]:
        return "sent"
    return "yes" if layer["parameter_bytes"] else ""
