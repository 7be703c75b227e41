"""What a person sees on the terminal: rich tables of the same dictionaries that ``--json`` prints."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from hwmodels.families import family_named
from sim.answer import Results
from sim.commands.compile_output import print_layers
from sim.commands.seen import unseen
from sim.commands.tables import Rows, new_console, note, say
from sim.machine.states import BREAKDOWN, TRAITS
from sim.power import host_rest_w
from sim.scenario import place

__all__ = ["gain_rows", "host_notes", "meant", "print_comparison", "print_network", "print_run", "print_zoo"]

BAR = 30
BESIDE = 24  # what stands left of a bar, besides the name of the part
STACK = 64
COLOURS = {state.name.lower(): TRAITS[state].colour for state in BREAKDOWN}


def print_run(results: Results) -> None:
    """Print a run: throughput, latency, energy, where the time goes, and what limits it."""
    console, s = new_console(), results.summary
    scenario = s["scenario"]
    title = f"{meant(scenario['models'], s['models'])} on {place(scenario)}"
    low, high = s["interval90"]["throughput_ips"]
    table = Rows(title, "", "", "", prose=[2])
    rows = [
        ("threads x accelerators", f"{scenario['threads']} x {len(results.setup.powered)}", ""),
        ("throughput", f"{s['throughput_ips']:.1f} /s", f"90 %: {low:.1f} to {high:.1f}"),
        *_latency_rows(s),
        *_pipeline_rows(s),
        *_camera_rows(s),
        *_lock_rows(s),
        *_deadline_rows(s),
        ("energy per inference", f"{s['energy_mj_per_inference']:.2f} mJ", "whole system"),
        *_rest_rows(results),
        ("", f"{s['energy_accelerator_mj_per_inference']:.2f} mJ", "accelerators alone"),
        ("power", f"{s['power_w']['total']:.2f} W", f"accelerators {s['power_w']['accelerators']:.2f} W"),
        *gain_rows(s),
    ]
    for row in rows:
        table.add(*row)
    table.show(console)
    _print_models(console, s["models"], len(results.setup.thread_models) if results.setup.is_server else 0)
    _print_shares(console, s)
    say(console, Text.assemble("\nLimited by the ", (s["bottleneck"], "bold"), f". {s['bottleneck_text']}"))
    for warning in unseen([*host_notes(scenario), *s["warnings"]], console.is_terminal):
        note(console, warning)


def _rest_rows(results: Results) -> list[tuple[str, str, str]]:
    """What of an inference's energy goes to the host's being there: most of it, on a PC."""
    rest_w = host_rest_w(results.setup)
    ips = results.summary["throughput_ips"]
    return [("", f"{1e3 * rest_w / ips:.2f} mJ", f"the host at rest, {rest_w:.1f} W")] if ips else []


def host_notes(scenario: Mapping[str, Any]) -> list[str]:
    """Say that nobody chose the host, where it is the one that is taken then."""
    host = scenario["host"]
    is_named = any(word.partition("=")[0] == "--host" for word in sys.argv)
    is_usual = host == family_named(scenario["size"]).host and not is_named
    return [f"{host} is the default host: name yours with --host (edgetpusim parts hosts)"] if is_usual else []


def _pipeline_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """How many inferences are in a pipeline at a time (Little's law): its latency is no one inference's work."""
    if s["scenario"]["mode"] != "pipeline":
        return []
    held = s["throughput_ips"] * s["latency_ms"]["mean"] / 1e3
    return [("in flight, mean", f"{held:.1f}", "inferences in the pipeline, and before it")]


def meant(written: str, networks: Collection[str]) -> str:
    """What was written, and the networks that are meant where one has another name: that says its input's size."""
    parts = [re.split("[:@]", part)[0] for part in re.split("[,>]", written)]
    is_plain = any(part.endswith(".tflite") or "/" in part for part in parts) or set(networks) <= set(parts)
    return written if is_plain or written in networks else f"{written} ({', '.join(networks)})"


def gain_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Rows of the gains over one thread on one accelerator, or why there are none."""
    if s["speedup_vs_one_thread"] is None:
        return [("gain over one thread", "none", s["baseline_reason"])]
    return [
        ("gain over one thread", f"{s['speedup_vs_one_thread']:.2f} x", "throughput"),
        _energy_row(s["energy_gain_vs_one_thread"]),
    ]


def _energy_row(gain: float) -> tuple[str, str, str]:
    """A gain below 1 is a loss, told as one; what two digits do not tell apart is neither."""
    if f"{max(gain, 1 / gain):.2f}" == "1.00":
        return "", "1.00 x", "as much energy per inference"
    return ("", f"{gain:.2f} x", "less energy per inference") if gain >= 1 else (
        "", f"{1 / gain:.2f} x", "more energy per inference"
    )  # fmt: skip


def _latency_rows(s: dict[str, Any]) -> list[tuple[str, str, str]]:
    latency, invoke = s["latency_ms"], s["invoke_ms"]
    tail = _tail(latency)
    return [
        ("latency, mean", f"{latency['mean']:.3f} ms", tail),
        ("invoke, mean", f"{invoke['mean']:.3f} ms", f"max {invoke['max']:.3f}"),
    ]


def _tail(times: Mapping[str, float]) -> str:
    """Percentiles (ms), or that there is nothing to tell apart."""
    found = [f"{times[key]:.3f}" for key in ("p50", "p95", "p99")]
    if {f"{times['mean']:.3f}"} == set(found):
        return "always the same"
    return ", ".join(f"{key} {text}" for key, text in zip(("p50", "p95", "p99"), found, strict=True))


def _camera_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What becomes of the frames of cameras."""
    if "age_ms" not in s:
        return []
    age = s["age_ms"]
    skipped = ("frames skipped", f"{s['skipped_share']:.2%}", f"cameras {s['scenario']['cameras']}")
    aged = ("age of a result", f"{age['mean']:.3f} ms", _tail(age))
    return [skipped, aged if age["max"] else ("age of a result", "-", "no frame was done")]


def _lock_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Both ends of a lock's fairness, where threads share an accelerator."""
    ends = s.get("lock_ends")
    if ends is None:
        return []
    rates, tails = (_span(ends["throughput_ips"], 1), _span(ends["latency_p99_ms"], 3))
    return [("mutex or fair lock", "", f"{rates} /s, p99 {tails} ms")] if " to " in rates + tails else []


def _span(ends: Sequence[float], digits: int) -> str:
    """Both ends, or the one number that they are when printed."""
    low, high = (f"{end:.{digits}f}" for end in ends)
    return low if low == high else f"{low} to {high}"


def _deadline_rows(s: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    missed = s.get("missed_share")
    return [] if missed is None else [("missed", f"{missed:.2%}", f"deadline {s['scenario']['deadline_ms']:g} ms")]


def _print_models(console: Console, models: Mapping[str, Mapping[str, Any]], servers: int) -> None:
    """One line for each network of a mix; threads that serve them all (``servers``) are those of each."""
    if len(models) < 2:
        return
    table = Rows("\nnetworks", "network", "threads", "/s", "p50 ms", "p95 ms")
    for name, row in models.items():
        latency = row["latency_ms"]
        threads, waits = str(servers or row["threads"]), (f"{latency[key]:.2f}" for key in ("p50", "p95"))
        table.add(name, threads, f"{row['throughput_ips']:.1f}", *waits)
    table.show(console)


def _print_shares(console: Console, s: dict[str, Any]) -> None:
    """One bar of the whole latency, then a line for each part of it."""
    parts = {name: ms for name, ms in s["time_breakdown_ms"].items() if ms > 0}
    whole = sum(parts.values()) or 1
    say(console, f"\nwhere an average request's {whole:.3f} ms go")
    block = "#" if console.options.ascii_only else "█"  # an encoding without box lines has no blocks either
    if console.color_system:
        console.print(_stacked(parts, whole, block, min(STACK, console.width)))
    bar = max(1, min(BAR, console.width - BESIDE - max(map(len, parts), default=0)))
    table = Rows("", "", "", "", "", left=[3])
    for name, ms in parts.items():
        label = Text.assemble((block, COLOURS[name]), f" {name.replace('_', ' ')}")
        cells = Text(_blocks(bar * ms / whole, block), COLOURS[name])
        table.add(label, f"{ms:.3f}", f"{ms / whole:.0%}", cells)
    table.show(console)
    used = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in s["utilisation"].items())
    say(console, f"utilisation: {used}")


def _stacked(parts: dict[str, float], whole: float, block: str, length: int) -> Text:
    """The parts side by side in one bar, each in its colour; ends are rounded so that the bar keeps its length."""
    done, at, bar = 0.0, 0, Text()
    for name, ms in parts.items():
        done += ms
        end = round(length * done / whole)
        bar.append(block * (end - at), COLOURS[name])
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
    from sim.views.comparison import figure_keys

    console, answers = new_console(), found["setups"]
    say(console, meant(answers[0]["scenario"]["models"], answers[0]["models"]), "italic")
    for number, text in enumerate(setups, 1):
        say(console, f"{number}: {text or 'as it is'}")
    figures = [row for row in found["differences"] if not row["key"].startswith("scenario.")]
    if figures:
        _print_figures(console, figures, len(setups))
    different = [row["key"] for row in figures]
    alike = [key for key in figure_keys(answers) if key not in different]
    if alike:
        say(console, f"no {'other ' if figures else ''}figure differs by more than 1 %: {_alike(answers[0], alike)}")
    hosts = {one["scenario"]["host"]: text for one in answers for text in host_notes(one["scenario"])}
    for text in hosts.values():
        note(console, text)
    warnings = dict.fromkeys(text for one in answers for text in one["warnings"])
    for text in unseen(warnings, console.is_terminal):
        having = [str(number) for number, one in enumerate(answers, 1) if text in one["warnings"]]
        note(console, text, "" if len(having) == len(answers) else f" ({', '.join(having)})")


def _alike(answer: Mapping[str, Any], keys: Sequence[str]) -> str:
    """Figures that are about the same for all set-ups, by their keys."""
    from sim.views.comparison import figure_at

    return ", ".join(f"{key} {_short(figure_at(answer, key))}" for key in keys)


def _print_figures(console: Console, figures: Sequence[Mapping[str, Any]], setups: int) -> None:
    """A line for each figure, the set-ups by their numbers, and why it differs below all of them."""
    table = Rows("", "", *map(str, range(1, setups + 1)))
    for row in figures:
        table.add(row["key"], *(_short(value) for value in row["values"]))
    table.show(console)
    for row in figures:
        say(console, f"{row['key']}: {row['why']}")


def _short(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def print_zoo(rows: list[dict[str, Any]]) -> None:
    """Print the list of networks and of the families generated by name."""
    from hwmodels.networks.generated import FAMILIES

    console = new_console()
    tasks = {row["task"] for row in rows}
    each = ["task"] if len(tasks) > 1 else []
    title = f"{len(rows)} networks{'' if each else f', {next(iter(tasks))}'}"
    table = Rows(title, "name", *each, "input", "M MACs", "M params", "ops", "CPU ops")
    for row in rows:
        table.add(
            row["name"], *(row[key] for key in each), "x".join(map(str, row["input"])), f"{row['macs'] / 1e6:.1f}",
            f"{row['parameters'] / 1e6:.2f}", str(row["ops"]), str(row["cpu_ops_on_coral"]),
        )  # fmt: skip
    table.show(console)
    say(console, "\ngenerated by name: " + ", ".join(FAMILIES))
    sizes = "a listed network at another resolution, a multiple of 32 away: yolov5s_256, mobilenet_v2_1.0_320x448"
    say(console, sizes)
    head = "a detector with other classes or boxes kept: --classes 3 --max-boxes 10, or efficientdet_lite0_320"
    say(console, f"{head}_classes3_boxes10")


def print_network(details: dict[str, Any], every_layer: bool = False) -> None:
    """Print one network: origin, totals, placement on each size, its busiest layers or every one."""
    console = new_console()
    for key, value in details.items():
        if key not in ("sizes", "layers", "cpu_ops"):
            say(console, f"{key}: {value}")
    table = Rows("\nplacement", "size", "ops on it", "on the CPU", "on chip", "off chip", "instructions", "in", "out")
    for size, row in details["sizes"].items():
        table.add(
            size, str(row["ops_tpu"]), str(row["ops_cpu"]),
            *(_size(row[f"{k}_bytes"]) for k in ("on_chip", "off_chip", "instruction", "input", "output")),
        )  # fmt: skip
    table.show(console)
    print_layers(console, details["layers"], every_layer)
    reasons: dict[str, list[str]] = {}
    for op in details["cpu_ops"]:
        reasons.setdefault(op["reason"], []).append(f"{op['index']} {op['op']}")
    for reason, ops in reasons.items():
        say(console, f"on the CPU ({reason}): {', '.join(ops)}")
