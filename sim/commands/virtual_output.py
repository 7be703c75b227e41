"""What a person sees of a session with virtual accelerators: tables of the dictionary that ``--json`` prints."""

from __future__ import annotations

from typing import Any

from sim.commands.tables import Rows, new_console, note, say

__all__ = ["print_virtual"]


def print_virtual(report: dict[str, Any]) -> None:
    """Print the report of a session on the error channel: the output is the program's."""
    console = new_console(is_error=True)
    if report.get("inferences"):
        _comparison(report).show(console)
        _devices(report).show(console)
    if report.get("no_prediction"):
        say(console, f"nothing simulated beside it: {report['no_prediction']}")
    for warning in report["warnings"]:
        note(console, warning)


def _comparison(report: dict[str, Any]) -> Rows:
    """What ran beside what is simulated for the same threads, accelerators, links and host part."""
    predicted = report["predicted"]
    table = Rows("", "", f"{report['threads']} real threads", "simulated")
    table.add("inferences/s", f"{report['throughput_ips']:.1f}", _cell(predicted, "throughput_ips", "{:.1f}"))
    for name in ("mean", "p50", "p95", "p99"):
        simulated = f"{predicted['latency_ms'][name]:.3f}" if predicted else ""
        table.add(f"at the accelerator, {name} (ms)", f"{report['latency_ms'][name]:.3f}", simulated)
    used = sum(device["utilisation"] for device in report["devices"]) / len(report["devices"])
    table.add("accelerators in use", f"{used:.0%}", _cell(predicted, "utilisation", "{:.0%}"))
    table.add("own work between inferences, p50 (ms)", f"{report['between_ms']['p50']:.3f}", "--app-ms")
    rows = {"inferences": "inferences", "parameters sent": "parameter_loads", "changes of token": "token_changes"}
    for name, key in rows.items():
        table.add(name, str(report[key]), "")
    return table


def _cell(predicted: dict[str, Any] | None, key: str, form: str) -> str:
    return form.format(predicted[key]) if predicted else ""


def _devices(report: dict[str, Any]) -> Rows:
    table = Rows("", "device", "inferences/s", "in use", "wait p50 (ms)", "wait p99 (ms)", "parameters sent")
    for row in report["devices"]:
        table.add(
            str(row["device"]), f"{row['throughput_ips']:.1f}", f"{row['utilisation']:.0%}",
            f"{row['wait_ms']['p50']:.3f}", f"{row['wait_ms']['p99']:.3f}", str(row["parameter_loads"]),
        )  # fmt: skip
    return table
