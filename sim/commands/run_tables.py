"""What a person sees on the terminal: rich tables of the same dictionaries that ``--json`` prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from sim.answer import Results
from sim.commands.compile_output import print_layers
from sim.commands.tables import new_table as _table
from sim.machine.states import BREAKDOWN, TRAITS
from sim.scenario import place

__all__ = ["gain_rows", "print_comparison", "print_network", "print_run", "print_zoo"]

BAR = 30
STACK = 64
COLOURS = {state.name.lower(): TRAITS[state].colour for state in BREAKDOWN}


def print_run(results: Results) -> None:
    """Print a run: throughput, latency, energy, where the time goes, and what limits it."""
    console, s = Console(highlight=False), results.summary
    scenario = s["scenario"]
    title = f"{scenario['models']} on {place(scenario)}"
    low, high = s["interval90"]["throughput_ips"]
    table = _table(title, "", "", "")
    table.show_header = False
    rows = [
        ("threads x accelerators", f"{scenario['threads']} x {len(results.setup.powered)}", ""),
        ("throughput", f"{s['throughput_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        *_latency_rows(s),
        *_camera_rows(s),
        *_lock_rows(s),
        *_deadline_rows(s),
        ("energy per inference", f"{s['energy_mj_per_inference']:.2f} mJ", "whole system"),
        ("", f"{s['energy_accelerator_mj_per_inference']:.2f} mJ", "accelerators alone"),
        ("power", f"{s['power_w']['total']:.2f} W", f"accelerators {s['power_w']['accelerators']:.2f} W"),
        *gain_rows(s),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    _print_models(console, s["models"])
    _print_shares(console, s)
    console.print(f"\nLimited by the [bold]{s['bottleneck']}[/bold]. {s['bottleneck_text']}")
    for warning in s["warnings"]:
        console.print(f"[yellow]note:[/yellow] {warning}")


def gain_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of the gains over one thread on one accelerator, or why there are none."""
    if s["speedup_vs_one_thread"] is None:
        return [("gain over one thread", "none", s["baseline_reason"])]
    return [
        ("gain over one thread", f"{s['speedup_vs_one_thread']:.2f} x", "throughput"),
        ("", f"{s['energy_gain_vs_one_thread']:.2f} x", "less energy per inference"),
    ]


def _latency_rows(s: dict[str, Any]) -> list[tuple[str, str, str]]:
    latency, invoke = s["latency_ms"], s["invoke_ms"]
    tail = f"p50 {latency['p50']:.3f}, p95 {latency['p95']:.3f}, p99 {latency['p99']:.3f}"
    return [
        ("latency, mean", f"{latency['mean']:.3f} ms", tail),
        ("invoke, mean", f"{invoke['mean']:.3f} ms", f"max {invoke['max']:.3f}"),
    ]


def _camera_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What becomes of the frames of cameras."""
    if "age_ms" not in s:
        return []
    age = s["age_ms"]
    tail = f"p50 {age['p50']:.3f}, p95 {age['p95']:.3f}, p99 {age['p99']:.3f}"
    return [
        ("frames skipped", f"{s['skipped_share']:.2%}", f"cameras {s['scenario']['cameras']}"),
        ("age of a result", f"{age['mean']:.3f} ms", tail),
    ]


def _lock_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Both ends of a lock's fairness, where threads share an accelerator."""
    ends = s.get("lock_ends")
    if ends is None:
        return []
    (low, high), (least, most) = ends["throughput_ips"], ends["latency_p99_ms"]
    return [("mutex or fair lock", f"{low:.1f} to {high:.1f} /s", f"p99 {least:.3f} to {most:.3f} ms")]


def _deadline_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    missed = s.get("missed_share")
    return [] if missed is None else [("missed", f"{missed:.2%}", f"deadline {s['scenario']['deadline_ms']:g} ms")]


def _print_models(console: Console, models: Mapping[str, Mapping[str, Any]]) -> None:
    """One line for each network of a mix."""
    if len(models) < 2:
        return
    table = _table("\nnetworks", "network", "threads", "/s", "p50 ms", "p95 ms")
    for name, row in models.items():
        latency = row["latency_ms"]
        table.add_row(
            name, str(row["threads"]), f"{row['throughput_ips']:.1f}", f"{latency['p50']:.2f}", f"{latency['p95']:.2f}"
        )
    console.print(table)


def _print_shares(console: Console, s: dict[str, Any]) -> None:
    """One bar of the whole latency, then a line for each part of it."""
    parts = {name: ms for name, ms in s["time_breakdown_ms"].items() if ms > 0}
    whole = sum(parts.values()) or 1
    console.print(f"\nwhere an average request's {whole:.3f} ms go")
    block = "#" if console.options.ascii_only else "█"  # an encoding without box lines has no blocks either
    if console.color_system:
        console.print(_stacked(parts, whole, block))
    table = _table("", "", "ms", "", "")
    table.show_header = False
    table.columns[3].justify = "left"
    for name, ms in parts.items():
        bar = f"[{COLOURS[name]}]{_blocks(BAR * ms / whole, block)}[/]"
        table.add_row(f"[{COLOURS[name]}]{block}[/] {name.replace('_', ' ')}", f"{ms:.3f}", f"{ms / whole:.0%}", bar)
    console.print(table)
    used = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in s["utilisation"].items())
    console.print(f"utilisation: {used}")


def _stacked(parts: dict[str, float], whole: float, block: str) -> str:
    """The parts side by side in one bar, each in its colour; ends are rounded so that the bar keeps its length."""
    done, at, bar = 0.0, 0, ""
    for name, ms in parts.items():
        done += ms
        end = round(STACK * done / whole)
        bar += f"[{COLOURS[name]}]{block * (end - at)}[/]"
        at = end
    return bar


def _blocks(cells: float, block: str) -> str:
    """A bar of so many cells, to an eighth of one where there are such characters."""
    if block == "#":
        return block * max(1, round(cells))
    eighths = max(1, round(8 * cells))
    return block * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.3f} MB" if n_bytes >= 1e6 else f"{n_bytes / 1e3:.1f} kB"


def print_comparison(setups: Sequence[str], found: Mapping[str, Any]) -> None:
    """Print set-ups side by side: a line for each figure that differs, and why below it."""
    console = Console(highlight=False)
    table = _table(found["setups"][0]["scenario"]["models"], "", *(text or "as it is" for text in setups))
    for row in found["differences"]:
        if not row["key"].startswith("scenario."):
            table.add_row(row["key"], *(_short(value) for value in row["values"]))
    console.print(table)
    for row in found["differences"]:
        if not row["key"].startswith("scenario."):
            console.print(f"{row['key']}: {row['why']}")
    if not any(not row["key"].startswith("scenario.") for row in found["differences"]):
        console.print("no figure differs by more than 1 %")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def print_zoo(rows: list[dict[str, Any]]) -> None:
    """Print the list of networks and of the families generated by name."""
    from hwmodels.networks.generated import FAMILIES

    console = Console(highlight=False)
    table = _table(f"{len(rows)} networks", "name", "task", "input", "M MACs", "M parameters", "ops", "CPU ops")
    for row in rows:
        table.add_row(
            row["name"], row["task"], "x".join(map(str, row["input"])), f"{row['macs'] / 1e6:.1f}",
            f"{row['parameters'] / 1e6:.2f}", str(row["ops"]), str(row["cpu_ops_on_coral"]),
        )  # fmt: skip
    console.print(table)
    console.print("\ngenerated by name: " + ", ".join(FAMILIES), soft_wrap=True)
    sizes = "a listed network at another resolution, a multiple of 32 away: yolov5s_256, mobilenet_v2_1.0_320x448"
    console.print(sizes, soft_wrap=True)
    console.print(
        "a detector with other classes or boxes kept: efficientdet_lite0_320_classes3_boxes10", soft_wrap=True
    )


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
    print_layers(console, details["layers"])
    for op in details["cpu_ops"]:
        console.print(f"CPU: {op['index']} {op['op']}: {op['reason']}")
