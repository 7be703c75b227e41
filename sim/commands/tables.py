"""What a person sees on the terminal: rich tables of the same dictionaries that ``--json`` prints."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from sim.results import Results

__all__ = ["print_compile", "print_network", "print_run", "print_zoo"]

BAR = 30
STACK = 64
#: Okabe and Ito's colours (see sim.views.svg), as in the timeline.
COLOURS = {
    "preprocess": "#F0E442", "wait": "#9a9a9a", "load_parameters": "#CC79A7", "instructions": "#56B4E9",
    "input": "#0072B2", "parameters": "#CC79A7", "compute": "#009E73", "output": "#0072B2", "host_copy": "#7a7a7a",
    "cpu_ops": "#D55E00", "postprocess": "#E69F00", "gil_wait": "#c8c8c8",
}  # fmt: skip


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    return table


def print_run(results: Results) -> None:
    """Print a run: throughput, latency, energy, where the time goes, and what limits it."""
    console, s = Console(highlight=False), results.summary
    scenario = s["scenario"]
    title = f"{scenario['models']} on {scenario['size']} over {scenario['link']}, host {scenario['host']}"
    low, high = s["interval90"]["throughput_ips"]
    table = _table(title, "", "", "")
    table.show_header = False
    rows = [
        ("threads x accelerators", f"{scenario['threads']} x {len(results.setup.accelerators)}", ""),
        ("throughput", f"{s['throughput_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        *_latency_rows(s),
        ("energy per inference", f"{s['energy_mj_per_inference']:.2f} mJ", "whole system"),
        ("", f"{s['energy_accelerator_mj_per_inference']:.2f} mJ", "accelerators alone"),
        ("power", f"{s['power_w']['total']:.2f} W", f"accelerators {s['power_w']['accelerators']:.2f} W"),
        ("gain over one thread", f"{s['speedup_vs_one_thread']:.2f} x", "throughput"),
        ("", f"{s['energy_gain_vs_one_thread']:.2f} x", "less energy per inference"),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    _print_shares(console, s)
    console.print(f"\nLimited by the [bold]{s['bottleneck']}[/bold]. {s['bottleneck_text']}")
    for warning in s["warnings"]:
        console.print(f"[yellow]note:[/yellow] {warning}")


def _latency_rows(s: dict[str, Any]) -> list[tuple[str, str, str]]:
    latency, invoke = s["latency_ms"], s["invoke_ms"]
    tail = f"p50 {latency['p50']:.3f}, p95 {latency['p95']:.3f}, p99 {latency['p99']:.3f}"
    return [
        ("latency, mean", f"{latency['mean']:.3f} ms", tail),
        ("invoke, mean", f"{invoke['mean']:.3f} ms", f"max {invoke['max']:.3f}"),
    ]


def _print_shares(console: Console, s: dict[str, Any]) -> None:
    """One bar of the whole latency, then a line for each part of it."""
    parts = {name: ms for name, ms in s["time_breakdown_ms"].items() if ms > 0}
    whole = sum(parts.values()) or 1
    console.print(f"\nwhere a request's {whole:.3f} ms go, on the mean")
    if console.color_system:
        console.print(_stacked(parts, whole))
    table = _table("", "", "ms", "", "")
    table.show_header = False
    table.columns[3].justify = "left"
    for name, ms in parts.items():
        bar = f"[{COLOURS[name]}]{_blocks(BAR * ms / whole)}[/]"
        table.add_row(f"[{COLOURS[name]}]█[/] {name.replace('_', ' ')}", f"{ms:.3f}", f"{ms / whole:.0%}", bar)
    console.print(table)
    used = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in s["utilisation"].items())
    console.print(f"utilisation: {used}")


def _stacked(parts: dict[str, float], whole: float) -> str:
    """The parts side by side in one bar, each in its colour; ends are rounded so that the bar keeps its length."""
    done, at, bar = 0.0, 0, ""
    for name, ms in parts.items():
        done += ms
        end = round(STACK * done / whole)
        bar += f"[{COLOURS[name]}]{'█' * (end - at)}[/]"
        at = end
    return bar


def _blocks(cells: float) -> str:
    """A bar of so many cells, to an eighth of one."""
    eighths = max(1, round(8 * cells))
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.3f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.1f} kB"


def print_compile(report: dict[str, Any]) -> None:
    """Print what the compiler model does with a network."""
    console = Console(highlight=False)
    table = _table(f"{report['model']} on {report['size']} ({report['source']})", "", "")
    table.show_header = False
    table.add_row("operators on the accelerator", f"{report['ops_tpu']} of {report['ops_total']}")
    table.add_row("MACs", f"{report['macs'] / 1e6:.1f} M")
    for key in ("parameter_bytes", "parameter_blob_bytes", "on_chip_bytes", "off_chip_bytes", "on_chip_free_bytes",
                "instruction_bytes", "input_bytes", "output_bytes", "scratch_bytes"):  # fmt: skip
        table.add_row(key.removesuffix("_bytes").replace("_", " "), _size(report[key]))
    console.print(table)
    _print_segments(console, report.get("segments", []))
    _print_layers(console, report["layers"])
    for op in report["cpu_ops"]:
        console.print(f"CPU: {op['index']} {op['op']}: {op['reason']}")


def _print_segments(console: Console, segments: list[dict[str, Any]]) -> None:
    if not segments:
        return
    table = _table("\nsegments", "segment", "ops", "M MACs", "parameters", "off chip", "compute ms")
    for segment in segments:
        table.add_row(
            segment["model"], str(segment["ops"]), f"{segment['macs'] / 1e6:.1f}", _size(segment["parameter_bytes"]),
            _size(segment["off_chip_bytes"]), f"{segment['compute_ms']:.3f}",
        )  # fmt: skip
    console.print(table)


def _print_layers(console: Console, layers: list[dict[str, Any]]) -> None:
    table = _table("\nlayers", "op", "#", "output", "M MACs", "parameters", "on chip", "k cycles", "array used")
    for layer in layers:
        place = "CPU" if layer["device"] == "cpu" else ("yes" if layer["cached"] else "streamed")
        table.add_row(
            layer["op"], str(layer["index"]), "x".join(map(str, layer["output"])), f"{layer['macs'] / 1e6:.2f}",
            _size(layer["parameter_bytes"]), place if layer["parameter_bytes"] or place == "CPU" else "",
            f"{layer['cycles'] / 1e3:.1f}", f"{layer['utilisation']:.0%}",
        )  # fmt: skip
    console.print(table)


def print_zoo(rows: list[dict[str, Any]]) -> None:
    """Print the list of networks and of the families generated by name."""
    from hwmodels.generated import FAMILIES

    console = Console(highlight=False)
    table = _table(f"{len(rows)} networks", "name", "task", "input", "M MACs", "M parameters", "ops", "CPU ops")
    for row in rows:
        table.add_row(
            row["name"], row["task"], "x".join(map(str, row["input"])), f"{row['macs'] / 1e6:.1f}",
            f"{row['parameters'] / 1e6:.2f}", str(row["ops"]), str(row["cpu_ops_on_coral"]),
        )  # fmt: skip
    console.print(table)
    console.print("\ngenerated by name: " + ", ".join(FAMILIES), soft_wrap=True)


def print_network(details: dict[str, Any]) -> None:
    """Print one network: origin, totals, placement on each size, layers."""
    console = Console(highlight=False)
    for key, value in details.items():
        if key not in ("sizes", "layers", "cpu_ops"):
            console.print(f"{key}: {value}", soft_wrap=True)
    table = _table("\nplacement", "size", "ops on it", "on the CPU", "on chip", "off chip", "instructions", "in", "out")
    for size, row in details["sizes"].items():
        table.add_row(
            size, str(row["ops_tpu"]), str(row["ops_cpu"]),
            *(_size(row[f"{k}_bytes"]) for k in ("on_chip", "off_chip", "instruction", "input", "output")),
        )  # fmt: skip
    console.print(table)
    _print_layers(console, details["layers"])
    for op in details["cpu_ops"]:
        console.print(f"CPU: {op['index']} {op['op']}: {op['reason']}")
