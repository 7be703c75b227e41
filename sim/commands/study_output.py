"""What a person sees of the design space's commands on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from sim.commands.run_tables import gain_rows
from sim.scenario import place

__all__ = ["print_advice", "print_capacity", "print_estimate", "print_points", "print_study"]

MOST_POINTS = 40


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(
            column, justify="left" if i == 0 else "right", no_wrap=i > 0 and column != "why", overflow="fold"
        )
    return table


def _title(scenario: Mapping[str, Any]) -> str:
    return f"{scenario['models']} on {place(scenario)}"


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
        *gain_rows(summary),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    if "throughput_std_ips" in summary:
        console.print(f"corrected; standard deviation {summary['throughput_std_ips']:.2f} /s")
    used = ", ".join(f"{name} {share:.0%}" for name, share in summary["utilisation"].items())
    console.print(f"utilisation: {used}\n\n{summary['bottleneck_text']}")
    for warning in summary["warnings"]:
        console.print(f"[yellow]note:[/yellow] {warning}")


def print_advice(found: Mapping[str, Any], limited: bool, currency: str = "") -> None:
    """Print the ranked steps, and the cheapest set-up under limits, at prices in ``currency`` where there are."""
    console, now = Console(highlight=False), found["now"]
    waited = now.get("age_ms", now["latency_ms"])  # with cameras it is the age of results that counts
    console.print(
        f"{_title(now['scenario'])}: {now['throughput_ips']:.1f} /s, p95 {waited['p95']:.2f} ms, "
        f"{now['energy_mj_per_inference']:.2f} mJ. {now['bottleneck_text']}\n"
    )
    priced = any("price" in step for step in found["steps"])
    table = _table("", "next step", "gain", "/s", "p95 ms", "mJ", *(["price", "a year"] if priced else []), "why")
    table.columns[-1].justify = "left"
    for step in found["steps"]:
        money = [_money(step["price"]), _money(step["money_per_year"])] if priced else []
        table.add_row(
            step["change"], f"{step['gain']:.2f} x", f"{step['throughput_ips']:.1f}", f"{step['p95_ms']:.2f}",
            f"{step['energy_mj_per_inference']:.2f}", *money, step["why"],
        )  # fmt: skip
    console.print(table)
    if priced:
        console.print(f"\nPrices in {currency or 'units'}: what has to be bought, and a year of all its power.")
    if found["judged_by"] == "work":
        console.print("\nGain: work done in a second; every inference counts as long as it takes alone here and now.")
    if limited:
        console.print(_within(found, currency))
    steps = (note for step in found["steps"] if step["gain"] > 1 for note in step["notes"])
    best = (found["cheapest"] or found["nearest"] or {"notes": []})["notes"]
    for note in dict.fromkeys([*found["notes"], *steps, *best]):
        console.print(f"[yellow]note:[/yellow] {note}")


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _within(found: Mapping[str, Any], currency: str) -> str:
    """What meets the limits, or what misses them least."""
    if found["already_met"]:
        met = "\nThe set-up as it is meets these limits already."
        return met if not found["cheapest"]["change"] else f"{met}{_cheapest(found['cheapest'], currency)}"
    if found["cheapest"]:
        return _cheapest(found["cheapest"], currency)
    if found["nearest"] is None:
        return "\nNo set-up that was tried meets these limits."
    missed = ", ".join(found["nearest"]["misses"])
    nearest = _figures(found["nearest"], currency)
    return f"\nNo set-up that was tried meets these limits. The nearest: {nearest} It misses: {missed}."


def _cheapest(row: Mapping[str, Any], currency: str) -> str:
    return f"\nCheapest under the limits: {_figures(row, currency)}"


def _figures(row: Mapping[str, Any], currency: str) -> str:
    changes = ", ".join(f"{key} {value}" for key, value in row["change"].items()) or "no change"
    year = f"{row['kwh_per_year']:.0f} kWh a year"
    year += f" for {row['money_per_year']:.2f} {currency}" if row.get("money_per_year") is not None else ""
    price = (
        f"to buy: {row['price']:.2f} {currency}"
        if "price" in row
        else f"relative cost {row['relative_cost']:.2f}, no price"
    )
    return (
        f"{changes}: {row['throughput_ips']:.1f} /s, p95 {row['latency_ms']['p95']:.2f} ms, "
        f"{row['power_w']['total']:.2f} W, {year} ({price})."
    )


def print_capacity(found: Mapping[str, Any], scenario: Any) -> None:
    """Print a capacity: the rate, the cameras, what holds it there, and whether a named rate is within it."""
    console = Console(highlight=False)
    if not found["rate_ips"]:
        console.print(f"No rate keeps the limits: {found['limit']}.")
        return
    low, high = found["interval90"]
    at = found["at"]
    name, waited = ("age of a result", at["age_ms"]) if "age_ms" in at else ("latency", at["latency_ms"])
    table = _table(_title(at["scenario"]), "", "", "")
    table.show_header = False
    rows = [
        ("highest rate", f"{found['rate_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        ("cameras", f"{found['cameras']}", f"of {found['camera_fps']:g} frames a second"),
        (f"{name} there", f"p95 {waited['p95']:.1f} ms", f"p99 {waited['p99']:.1f} ms"),
        ("power there", f"{at['power_w']['total']:.2f} W", f"accelerators used {at['utilisation']['accelerator']:.0%}"),
    ]
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(f"{'With one camera more' if scenario.cameras else 'At 1 % more'}: {found['limit']}.")
    if scenario.arrival_process.rate_ips:
        word = "VALID" if found["valid"] else "INVALID"
        asked = f"--cameras {scenario.cameras}, that is " if scenario.cameras else ""
        console.print(f"{word}: {asked}{scenario.arrival_process.rate_ips:g} requests a second.")


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


SHOWN = ("claim", "measured", "estimator")
#: Columns of the table of gains that fit a terminal.
GAIN_COLUMNS = ("size", "case", "median", "largest", "network", "threads", "energy")


def print_study(found: Mapping[str, Any], output: Path) -> None:
    """Print the findings that matter most and where the rest is."""
    console = Console(highlight=False)
    console.print(" ".join(found["abstract"]), soft_wrap=True)
    table = _table("", *(found["columns"][key] for key in GAIN_COLUMNS))
    for row in found["table"]:
        table.add_row(*(_cell(row[key]) for key in GAIN_COLUMNS))
    console.print(table)
    for finding in found["findings"]:
        if finding["id"] in SHOWN:
            console.print(finding["text"], soft_wrap=True)
    seconds, fast = found["seconds"], found["engines"].get("fast", 0)
    others = sum(found["engines"].values()) - fast
    console.print(f"\n{fast} points ran in the compiled engine, {others} in SimPy.")
    console.print(f"\n{seconds['cpu']:.0f} CPU-seconds. Everything else: {output}/findings.md and {output}/report.html")
