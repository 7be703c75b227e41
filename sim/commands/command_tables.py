"""What a person sees of the design space's commands on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["print_advice", "print_estimate", "print_points", "print_study"]

MOST_POINTS = 40


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(
            column, justify="left" if i == 0 else "right", no_wrap=i > 0 and column != "why", overflow="fold"
        )
    return table


def _title(scenario: Mapping[str, Any]) -> str:
    return f"{scenario['models']} on {scenario['size']} over {scenario['link']}, host {scenario['host']}"


def print_estimate(summary: Mapping[str, Any]) -> None:
    """Print an estimate: throughput, latency, energy, use of everything, what bounds it."""
    console = Console(highlight=False)
    low, high = summary["interval90"]["throughput_ips"]
    table = _table(f"{_title(summary['scenario'])} (closed form, {summary['method']})", "", "", "")
    table.show_header = False
    rows = [
        ("throughput", f"{summary['throughput_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        ("latency, mean", f"{summary['latency_ms']['mean']:.3f} ms", ""),
        ("energy per inference", f"{summary['energy_mj_per_inference']:.2f} mJ", "whole system"),
        ("", f"{summary['energy_accelerator_mj_per_inference']:.2f} mJ", "accelerators alone"),
        ("power", f"{summary['power_w']['total']:.2f} W", f"accelerators {summary['power_w']['accelerators']:.2f} W"),
        ("gain over one thread", f"{summary['speedup_vs_one_thread']:.2f} x", "throughput"),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if "throughput_std_ips" in summary:
        console.print(f"corrected; standard deviation {summary['throughput_std_ips']:.2f} /s")
    used = ", ".join(f"{name} {share:.0%}" for name, share in summary["utilisation"].items())
    console.print(f"utilisation: {used}\n\n{summary['bottleneck_text']}")


def print_advice(found: Mapping[str, Any], limited: bool) -> None:
    """Print the ranked steps, and the cheapest set-up under limits."""
    console, now = Console(highlight=False), found["now"]
    console.print(
        f"{_title(now['scenario'])}: {now['throughput_ips']:.1f} /s, p95 {now['latency_ms']['p95']:.2f} ms, "
        f"{now['energy_mj_per_inference']:.2f} mJ. {now['bottleneck_text']}\n"
    )
    table = _table("", "next step", "gain", "/s", "p95 ms", "mJ", "why")
    table.columns[-1].justify = "left"
    for step in found["steps"]:
        table.add_row(
            step["change"], f"{step['gain']:.2f} x", f"{step['throughput_ips']:.1f}", f"{step['p95_ms']:.2f}",
            f"{step['energy_mj_per_inference']:.2f}", step["why"],
        )  # fmt: skip
    console.print(table)
    if limited:
        console.print(_cheapest(found["cheapest"]))


def _cheapest(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "\nNo set-up that was tried meets these limits."
    changes = ", ".join(f"{key} {value}" for key, value in row["change"].items()) or "no change"
    return (
        f"\nCheapest under the limits (relative cost {row['relative_cost']:.2f}): {changes}: "
        f"{row['throughput_ips']:.1f} /s, p95 {row['latency_ms']['p95']:.2f} ms, {row['power_w']['total']:.2f} W."
    )


def print_points(points: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of a results file, the columns that matter most."""
    console = Console(highlight=False)
    columns = {
        "models": "network", "size": "size", "host": "host", "link": "link", "threads": "threads",
        "accelerators": "acc.", "throughput_ips": "/s", "latency_ms_p95": "p95 ms", "power_w_total": "W",
        "energy_mj_per_inference": "mJ",
    }  # fmt: skip
    plain = list(columns)[:6]
    same = [key for key in plain if len({row.get(key) for row in points}) == 1]
    columns = {key: words for key, words in columns.items() if key not in same}
    fixed = ", ".join(f"{key} {_cell(points[0].get(key))}" for key in same)
    console.print(f"{len(points)} point{'' if len(points) == 1 else 's'}" + (f": {fixed}" if fixed else ""))
    table = _table("", *columns.values())
    for row in points[:MOST_POINTS]:
        table.add_row(*(_cell(row.get(key)) for key in columns))
    console.print(table)
    if len(points) > MOST_POINTS:
        console.print(f"... and {len(points) - MOST_POINTS} more: --json has them all")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


SHOWN = ("coverage", "largest_gain", "size_shift", "estimator")


def print_study(found: Mapping[str, Any], output: Path) -> None:
    """Print the findings that matter most and where the rest is."""
    console = Console(highlight=False)
    for finding in found["findings"]:
        if finding["id"] in SHOWN and "processes" not in finding["text"] and "no preprocessing" not in finding["text"]:
            console.print(finding["text"], soft_wrap=True)
    seconds = found["seconds"]
    console.print(f"\n{seconds['cpu']:.0f} CPU-seconds. Everything else: {output}/findings.md and {output}/report.html")
