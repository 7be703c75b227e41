"""What the lessons share: cached answers, figures, pictures, facts, predictions and exercises as HTML.

Every number that a lesson shows is an answer of :func:`sim.simulate` and carries the scenario it belongs to, so that it
can be checked.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape
from typing import Any

from sim import Scenario, simulate
from sim.lab import LESSONS
from sim.scenario import flag, option_fields
from sim.views.svg_chart import Line, line_chart
from sim.views.svg_timeline import html_timeline, scrolling

__all__ = [
    "HOSTS", "NETWORKS", "answer", "columns", "command", "curve", "exercise", "fact", "figures", "footer", "headline",
    "point", "reveal", "share", "timeline", "value", "working",
]  # fmt: skip

#: Networks that the lessons offer: small and large, with and without streamed parameters and CPU operators.
NETWORKS = [
    "mobilenet_v2_1.0_224", "mobilenet_v1_1.0_224", "mobilenet_v1_0.25_128", "efficientnet_edgetpu_s_224",
    "inception_v1_224", "inception_v3_299", "resnet_50_v1_224", "ssd_mobilenet_v2_coco_300",
    "posenet_mobilenet_v1_0.75_353x481",
]  # fmt: skip
HOSTS = ["x86-xeon", "x86-desktop", "raspberry-pi-4", "raspberry-pi-5", "raspberry-pi-3b", "dev-board"]
#: A lesson's run ends here if it has not repeated itself before: an answer within half a second.
ENOUGH = 200
LABELS = {
    "throughput_ips": ("throughput", "/s"), "latency_ms.mean": ("latency, mean", "ms"),
    "latency_ms.p95": ("latency, 95 %", "ms"), "invoke_ms.mean": ("invoke(), mean", "ms"),
    "energy_mj_per_inference": ("energy, whole system", "mJ"),
    "energy_accelerator_mj_per_inference": ("energy, accelerators", "mJ"), "power_w.total": ("power", "W"),
    "utilisation.accelerator": ("accelerator held", "%"), "utilisation.gil": ("Python's lock held", "%"),
    "utilisation.cpu": ("cores busy", "%"), "utilisation.link_out": ("link busy, out", "%"),
    "speedup_vs_one_thread": ("gain over one thread", "x"),
    "time_breakdown_ms.compute": ("computing", "ms"), "time_breakdown_ms.gil_wait": ("waits for Python's lock", "ms"),
    "time_breakdown_ms.load_parameters": ("loads parameters", "ms"),
    "time_breakdown_ms.parameters": ("streams parameters", "ms"), "time_breakdown_ms.wait": ("waits its turn", "ms"),
}  # fmt: skip
LINK = "color:#0072B2;text-decoration:underline;margin-right:1rem;white-space:nowrap"
ALL = f"<a style='{LINK}' href='../'>All lessons</a>"
CARD = "padding:.45rem .8rem;border:1px solid #bbb;border-radius:6px;min-width:6.5rem;background:#fff;color:#222"


@lru_cache(maxsize=4096)
def answer(scenario: Scenario) -> Mapping[str, Any]:
    """The simulator's summary of a scenario (the keys of ``edgetpusim run --json``), remembered."""
    return simulate(working(scenario)).summary


@lru_cache(maxsize=4096)
def point(scenario: Scenario) -> Mapping[str, Any]:
    """The same for a point of a curve, without the comparison to one thread."""
    return simulate(working(scenario), compare=False).summary


def working(scenario: Scenario) -> Scenario:
    """The scenario with a limit on its length, if it has none of its own."""
    return scenario if scenario.inferences or scenario.duration_s else replace(scenario, inferences=ENOUGH)


def value(summary: Mapping[str, Any], key: str) -> float:
    """A figure of a summary by its dotted key."""
    found: Any = summary
    for part in key.split("."):
        found = found[part]
    return float(found) if found is not None else float("nan")


def share(summary: Mapping[str, Any], *states: str) -> float:
    """Share of a request's time that it spends in some states (0 to 1)."""
    parts: dict[str, float] = summary["time_breakdown_ms"]
    return sum(parts[state] for state in states) / (sum(parts.values()) or 1)


def shown(key: str, number: float) -> str:
    """A figure as a lesson prints it: three or four digits and its unit."""
    unit = LABELS[key][1]
    if unit == "%":
        return f"{100 * number:.0f} %"
    return f"{number:.0f} {unit}" if number >= 1000 else f"{number:.4g} {unit}"


def figures(scenario: Scenario, *keys: str) -> str:
    """Cards with figures of a scenario's answer; each holds its exact value for whoever checks.

    Parameters
    ----------
    scenario
        Simulated once and remembered.
    keys
        Dotted keys of the answer (:data:`LABELS` has their names and units).
    """
    summary = answer(scenario)
    cards = "".join(
        f"<div style='{CARD}'><div style='font-size:.8rem'>{escape(LABELS[key][0])}</div>"
        f"<div style='font-size:1.25rem;font-weight:600' data-figure='{key}' data-value='{value(summary, key)!r}'>"
        f"{shown(key, value(summary, key))}</div></div>"
        for key in keys
    )
    data = escape(json.dumps(working(scenario).options()), quote=True)
    return f"<div data-scenario='{data}' style='display:flex;flex-wrap:wrap;gap:.6rem;margin:.5rem 0'>{cards}</div>"


def headline(scenario: Scenario) -> str:
    """What limits the scenario, in the simulator's own words."""
    summary = answer(scenario)
    return (
        f"<p style='margin:.4rem 0'><b>Limited by: {escape(summary['bottleneck'])}.</b> "
        f"{escape(summary['bottleneck_text'])}</p>"
    )


def timeline(scenario: Scenario, ms: float = 0, cold: bool = False) -> str:
    """The mini-timeline of a scenario: once its first inferences are over, or from the cold start."""
    return html_timeline(scenario, ms, 0 if cold else None)


def curve(title: str, x_name: str, xs: Sequence[float], lines: Mapping[str, Sequence[float]], at: float) -> str:
    """A chart of some series, with the reader's own point marked."""
    chart = line_chart(title, x_name, xs, [Line(name, values) for name, values in lines.items()], at)
    return scrolling(chart, 330)


def columns(*parts: str) -> str:
    """Pictures side by side where there is room, else one below the other."""
    boxes = "".join(f"<div style='flex:1 1 330px;min-width:0;max-width:480px'>{part}</div>" for part in parts)
    return f"<div style='display:flex;flex-wrap:wrap;gap:1rem'>{boxes}</div>"


def command(scenario: Scenario, verb: str = "run") -> str:
    """The command line that gives the same answer."""
    default = Scenario(models=scenario.models).options()
    changed = {name: v for name, v in scenario.options().items() if v != default[name]}
    flags = [flag(option_fields()[n]) + ("" if v is True else f" {shlex.quote(str(v))}") for n, v in changed.items()]
    return " ".join(["edgetpusim", verb, shlex.quote(scenario.models), *flags])


def fact(text: str, source: str) -> str:
    """A measured fact with its source."""
    return (
        "<blockquote style='border-left:4px solid #0072B2;margin:1rem 0;padding:.3rem .9rem'>"
        f"<b>Measured.</b> {text} <small>({escape(source)})</small></blockquote>"
    )


def reveal(guess: str | None, right: str, because: str) -> str:
    """Compare the reader's prediction with the simulator's answer; nothing before there is one.

    Parameters
    ----------
    guess
        What the reader chose; None before.
    right
        One of the choices.
    because
        A sentence with the figures.
    """
    if guess is None:
        return "<p><i>Choose first: a wrong guess teaches more than none.</i></p>"
    verdict = (
        "That is what the simulator says too." if guess == right else f"The simulator says: <b>{escape(right)}</b>."
    )
    return f"<p>You said <b>{escape(guess)}</b>. {verdict} {because}</p>"


def exercise(question: str, solution: str) -> str:
    """A question whose answer, computed by the simulator, opens on a click."""
    return f"<details style='margin:.4rem 0'><summary>{question}</summary><p>{solution}</p></details>"


def footer(number: int) -> str:
    """Links to the lessons before and after, and to the list."""
    steps = [(number - 1, "Before: "), (number + 1, "Next: ")]
    links = [(lesson, word) for n, word in steps for lesson in LESSONS if lesson.number == n]
    parts = [f"<a style='{LINK}' href='../{lesson.name}/'>{word}{escape(lesson.title)}</a>" for lesson, word in links]
    return f"<p style='margin-top:2rem'>{' '.join([*parts, ALL])}</p>"
