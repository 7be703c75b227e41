"""What a person sees of the design space's commands on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwmodels.numerals import plain_number
from sim.commands.run_tables import gain_rows, host_notes, meant
from sim.commands.seen import unseen
from sim.commands.tables import Rows, new_console, note, say
from sim.scenario import place

__all__ = ["print_advice", "print_capacity", "print_estimate", "print_points", "print_study"]

MOST_POINTS = 40

AS_FAST = 0.98  # of the present rate, so that a change is no step down


def _title(answer: Mapping[str, Any]) -> str:
    scenario = answer["scenario"]
    return f"{meant(scenario['models'], answer['models'])} on {place(scenario)}"


def print_estimate(summary: Mapping[str, Any]) -> None:
    """Print an estimate: throughput, latency, energy, use of everything, what bounds it."""
    console = new_console()
    low, high = summary["interval90"]["throughput_ips"]
    table = Rows(f"{_title(summary)} (closed form, {summary['method']})", "", "", "", prose=[2])
    rows = [
        ("throughput", f"{summary['throughput_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        ("latency, mean", f"{summary['latency_ms']['mean']:.3f} ms", ""),
        ("energy per inference", f"{summary['energy_mj_per_inference']:.2f} mJ", "whole system"),
        ("", f"{summary['energy_accelerator_mj_per_inference']:.2f} mJ", "accelerators alone"),
        ("power", f"{summary['power_w']['total']:.2f} W", f"accelerators {summary['power_w']['accelerators']:.2f} W"),
        *gain_rows(summary),
    ]
    for row in rows:
        table.add(*row)
    table.show(console)
    if "throughput_std_ips" in summary:
        say(console, f"corrected; standard deviation {summary['throughput_std_ips']:.2f} /s")
    used = ", ".join(f"{name} {share:.0%}" for name, share in summary["utilisation"].items())
    say(console, f"utilisation: {used}\n\n{summary['bottleneck_text']}")
    for warning in unseen([*host_notes(summary["scenario"]), *summary["warnings"]], console.is_terminal):
        note(console, warning)


def print_advice(found: Mapping[str, Any], limited: bool, currency: str = "") -> None:
    """Print the ranked steps, and the cheapest set-up under limits, at prices in ``currency`` where there are."""
    console, now = new_console(), found["now"]
    waited = now.get("age_ms", now["latency_ms"])  # with cameras it is the age of results that counts
    say(
        console,
        f"{_title(now)}: {now['throughput_ips']:.1f} /s, p95 {plain_number(waited['p95'], 3)} ms, "
        f"{now['energy_mj_per_inference']:.2f} mJ. {now['bottleneck_text']}\n",
    )
    priced = any("price" in step for step in found["steps"])
    columns = ["next step", "gain", "/s", "p95 ms", "mJ", *(["price", "a year"] if priced else []), "why"]
    table = Rows("", *columns, prose=[0, len(columns) - 1])
    for step in found["steps"]:
        money = [_money(step["price"]), _money(step["money_per_year"])] if priced else []
        table.add(
            step["change"], f"{step['gain']:.2f} x", f"{step['throughput_ips']:.1f}", plain_number(step["p95_ms"], 3),
            f"{step['energy_mj_per_inference']:.2f}", *money, step["why"],
        )  # fmt: skip
    table.show(console)
    if priced:
        say(console, f"\nPrices in {currency or 'units'}: what has to be bought, and a year of all its power.")
    if found["judged_by"] == "work":
        say(console, "\nGain: work done in a second; every inference counts as long as it takes alone here and now.")
    if limited:
        say(console, _within(found, currency))
    steps = (text for step in found["steps"] if step["gain"] > 1 for text in step["notes"])
    best = (found["cheapest"] or found["nearest"] or {"notes": []})["notes"]
    for text in dict.fromkeys([*host_notes(now["scenario"]), *found["notes"], *steps, *best]):
        note(console, text)


def _requests(rate_ips: float) -> str:
    return f"{rate_ips:g} request{'' if rate_ips == 1 else 's'}"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _within(found: Mapping[str, Any], currency: str) -> str:
    """What meets the limits, or what misses them least."""
    if found["already_met"]:
        met = "\nThe set-up as it is meets these limits already"
        row = found["cheapest"]
        if not row["change"]:
            return f"{met}: {_figures(row, currency).removeprefix('no change: ')}"
        if row["throughput_ips"] < found["now"]["throughput_ips"] * AS_FAST:
            return f"{met}. What costs least under the limits does less: {_figures(row, currency)}"
        return f"{met}.{_cheapest(row, currency)}"
    if found["cheapest"]:
        return _cheapest(found["cheapest"], currency)
    if found["nearest"] is None:
        return "\nNo set-up that was tried meets these limits."
    missed = ", ".join(found["nearest"]["misses"])
    nearest = _figures(found["nearest"], currency)
    return f"\nNo set-up that was tried meets these limits. The nearest: {nearest} It misses: {missed}."


def _cheapest(row: Mapping[str, Any], currency: str) -> str:
    what = f"Cheapest over {_years(row)}" if "years" in row else "Cheapest to buy"
    return f"\n{what} under the limits: {_figures(row, currency)}"


def _years(row: Mapping[str, Any]) -> str:
    return f"{row['years']:g} year{'' if row['years'] == 1 else 's'}"


def _change(key: str, value: Any) -> str:
    return "everything on the CPU" if (key, value) == ("accelerators", 0) else f"{key} {value}"


def _figures(row: Mapping[str, Any], currency: str) -> str:
    changes = ", ".join(_change(key, value) for key, value in row["change"].items()) or "no change"
    year = f"{row['kwh_per_year']:.0f} kWh a year"
    year += f" for {row['money_per_year']:.2f} {currency}" if row.get("money_per_year") is not None else ""
    whole = f", in {_years(row)} {row['total']:.2f}" if "years" in row else ""
    price = (
        f"to buy: {row['price']:.2f} {currency}{whole}"
        if "price" in row
        else f"relative cost {row['relative_cost']:.2f}; --prices gives yours"
    )
    return (
        f"{changes}: {row['throughput_ips']:.1f} /s, p95 {row['latency_ms']['p95']:.2f} ms, "
        f"{row['power_w']['total']:.2f} W, {year} ({price})."
    )


def print_capacity(found: Mapping[str, Any], scenario: Any) -> None:
    """Print a capacity: the rate, the cameras, what holds it there, and whether a named rate is within it."""
    console = new_console()
    if not found["rate_ips"]:
        say(console, f"No {'number of cameras' if scenario.cameras else 'rate'} keeps the limits: {found['limit']}.")
        return
    low, high = found["interval90"]
    at = found["at"]
    name, waited = ("age of a result", at["age_ms"]) if "age_ms" in at else ("latency", at["latency_ms"])
    table = Rows(_title(at), "", "", "", prose=[2])
    rows = [
        ("highest rate", f"{found['rate_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        (
            "of the most served",
            f"{min(1.0, found['rate_ips'] / found['most_ips']):.0%}",
            f"which is {found['most_ips']:.1f} /s",
        ),
        ("cameras", f"{found['cameras']}", f"of {found['camera_fps']:g} frames a second"),
        (f"{name} there", f"p95 {waited['p95']:.1f} ms", f"p99 {waited['p99']:.1f} ms"),
        ("power there", f"{at['power_w']['total']:.2f} W", f"accelerators used {at['utilisation']['accelerator']:.0%}"),
        *(
            [("seed", str(at["scenario"]["seed"]), "late as often as many seeds on average")]
            if found["at_random"]
            else []
        ),
    ]
    for row in rows:
        table.add(*row)
    table.show(console)
    say(console, f"{'With one camera more' if scenario.cameras else 'At 1 % more'}: {found['limit']}.")
    if found["assumed"]:
        say(console, _assumption(found))
    if scenario.arrival_process.rate_ips:
        word = "VALID" if found["valid"] else "INVALID"
        asked = f"--cameras {scenario.cameras}, that is " if scenario.cameras else ""
        say(console, f"{word}: {asked}{_requests(scenario.arrival_process.rate_ips)} a second.")
    for text in host_notes(at["scenario"]):
        note(console, text)


def _seed_row(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """The seed with which a run repeats the answer, where requests come by chance."""
    seed = str(found["at"]["scenario"]["seed"])
    return [("seed", seed, "late as often as many seeds on average")] if found["at_random"] else []


def _assumption(found: Mapping[str, Any]) -> str:
    """Why there is a limit that nobody gave, and how the rate stands to what is served at most."""
    words = f"p99 at most {found['limits']['max_p99_ms']:g} ms was taken, ten times what a request takes alone"
    why = "No limit of latency was given, and near the most requests wait without end"
    return f"{why}: {words}. --max-p99-ms gives yours."


def print_points(points: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of a results file, the columns that matter most."""
    console = new_console()
    columns = {
        "models": "network", "size": "size", "host": "host", "link": "link", "threads": "threads",
        "accelerators": "acc.", "throughput_ips": "/s", "latency_ms_p95": "p95 ms", "power_w_total": "W",
        "energy_mj_per_inference": "mJ",
    }  # fmt: skip
    plain = list(columns)[:6]
    same = [key for key in plain if len({row.get(key) for row in points}) == 1]
    columns = {key: words for key, words in columns.items() if key not in same}
    fixed = ", ".join(f"{key} {_cell(points[0].get(key))}" for key in same)
    say(console, f"{len(points)} point{'' if len(points) == 1 else 's'}" + (f": {fixed}" if fixed else ""))
    table = Rows("", *columns.values())
    for row in points[:MOST_POINTS]:
        table.add(*(_cell(row.get(key)) for key in columns))
    table.show(console)
    if len(points) > MOST_POINTS:
        say(console, f"... and {len(points) - MOST_POINTS} more: --json has them all")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


SHOWN = ("claim", "measured", "estimator")
#: Columns of the table of gains that fit a terminal.
GAIN_COLUMNS = ("size", "case", "median", "largest", "network", "threads", "energy")


def print_study(found: Mapping[str, Any], output: Path) -> None:
    """Print the findings that matter most and where the rest is."""
    console = new_console()
    say(console, " ".join(found["abstract"]))
    table = Rows("", *(found["columns"][key] for key in GAIN_COLUMNS))
    for row in found["table"]:
        table.add(*(_cell(row[key]) for key in GAIN_COLUMNS))
    table.show(console)
    for finding in found["findings"]:
        if finding["id"] in SHOWN:
            say(console, finding["text"])
    seconds, fast = found["seconds"], found["engines"].get("fast", 0)
    others = sum(found["engines"].values()) - fast
    say(console, f"\n{fast} points ran in the compiled engine, {others} in SimPy.")
    say(console, f"\n{seconds['cpu']:.0f} CPU-seconds. Everything else: {output}/findings.md and {output}/report.html")
