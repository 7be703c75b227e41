"""Options that cannot act in a scenario are refused: an answer that ignores what was asked is a wrong answer.

To say where an option acts, add a line to :data:`RULES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hwmodels.errors import InputError
from hwmodels.networks.readers import is_profile
from sim.machine.policies import DISCIPLINES
from sim.machine.workloads import parse_arrivals
from sim.scenario import (
    Scenario,
    flag,
    in_turn,
    option_defaults,
    option_fields,
    parse_cascade,
    parse_models,
    parse_rates,
    usual_places,
)

__all__ = ["DEVICE_OPTIONS", "RULES", "Rule", "check_options"]

#: Options that say something of accelerators, and nothing where everything runs on the CPU.
DEVICE_OPTIONS = (
    "size", "link", "clock", "mode", "num_segments", "segmentation", "batch", "runner", "dispatch", "discipline",
    "affinity_batch", "lock", "compiler", "cocompile", "jitter", "thermal",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rule:
    """Where some options act, and what to say where they do not."""

    options: tuple[str, ...]
    acts: Callable[[Scenario], bool]
    reason: str
    remedy: str


def _names(scenario: Scenario) -> list[str]:
    return [one for name, _ in parse_models(scenario.models) for one in in_turn(name)]


def _is_pipeline(scenario: Scenario) -> bool:
    return scenario.mode == "pipeline"


def _is_profile(scenario: Scenario) -> bool:
    return any(is_profile(name) for name in _names(scenario))


def _is_cascade(scenario: Scenario) -> bool:
    return parse_cascade(scenario.models) is not None


def _has_turns(scenario: Scenario) -> bool:
    return any(len(in_turn(name)) > 1 for name, _ in parse_models(scenario.models))


RULES = (
    Rule(
        tuple(name for name in DEVICE_OPTIONS if name != "mode"), lambda s: not s.is_on_cpu,
        "--accelerators 0 puts everything on the CPU", "leave it out",
    ),
    Rule(
        ("mode",), lambda s: not s.is_on_cpu or s.mode == "processes", "--accelerators 0 puts everything on the CPU",
        "leave it out, or use --mode processes",
    ),
    Rule(("accelerators",), lambda s: not (s.is_on_cpu and _is_profile(s)), "a profile has an accelerator's times",
         "leave it out"),
    Rule(
        ("num_segments", "segmentation", "batch", "runner"), _is_pipeline, "only a pipeline has segments",
        "add --mode pipeline",
    ),
    Rule(
        ("batch",), lambda s: s.arrivals == "closed", "requests come as --arrivals says", "leave one of the two out"
    ),
    Rule(
        ("batch",), lambda s: s.runner != "chained", "--runner chained has one input at a time", "leave it out"
    ),
    Rule(
        ("dispatch",), lambda s: s.mode in ("threads", "processes"), "every segment and every copy has its own device",
        "leave it out",
    ),
    Rule(
        ("dispatch",), lambda s: s.accelerators > 1 or "," in s.size or ":" in s.size, "there is one accelerator",
        "leave it out",
    ),
    Rule(
        ("discipline", "lock"), lambda s: s.mode in ("threads", "processes"), "nobody else waits for a thread's device",
        "leave it out",
    ),
    Rule(("discipline",), lambda s: len(_names(s)) > 1 or not _is_by_network(s.discipline),
         "all wait with one network", "leave it out"),
    Rule(("affinity_batch",), lambda s: s.discipline == "affinity", "nothing else serves batches",
         "add --discipline affinity"),
    Rule(("cocompile",), lambda s: len(_names(s)) > 1, "there is one network", "name two networks or more"),
    Rule(
        ("busy_python_threads", "switch_interval_ms"), lambda s: s.mode != "processes",
        "processes do not wait for each other's lock", "leave it out, or use --mode threads",
    ),
    Rule(
        ("switch_interval_ms",), lambda s: not _is_pipeline(s) or s.runner != "pipelined",
        "the segments of pycoral's runner are threads without Python", "leave it out, or use --runner python",
    ),
    Rule(
        ("arrivals",), lambda s: not _has_turns(s) or _is_cascade(s),
        "a thread that runs networks in turn is never idle",
        "give each network a rate instead, such as a@10,b@20",
    ),
    Rule(
        ("arrivals",), lambda s: not s.cameras, "requests come as --cameras says", "leave one of the two out"
    ),
    Rule(("motion", "regions", "scene_s"), lambda s: bool(s.cameras), "there are no cameras", "add --cameras"),
    Rule(
        ("scene_s",), lambda s: s.motion < 1 or s.regions > 1, "all frames need one inference",
        "add --motion or --regions",
    ),
    Rule(("batch",), lambda s: not s.cameras, "requests come as --cameras says", "leave one of the two out"),
    Rule(
        ("cameras",), lambda s: len(_names(s)) == 1 or _is_cascade(s),
        "it does not say which network a frame goes to",
        "name one network, or a cascade such as a>b:0.3",
    ),
    Rule(
        ("cameras",), lambda s: not parse_rates(s.models), "every network has its rate", "leave one of the two out"
    ),
    Rule(
        ("arrivals",), lambda s: not _is_cascade(s) or parse_arrivals(s.arrivals).process.is_open,
        "the second network of a cascade is part of no query", "take poisson, periodic or trace",
    ),
    Rule(
        ("mode",), lambda s: not _is_cascade(s) or s.mode == "processes",
        "a thread runs both networks of a cascade", "use --mode threads or processes",
    ),
    Rule(
        ("arrivals",), lambda s: not parse_rates(s.models), "every network has its rate", "leave one of the two out"
    ),
    Rule(
        ("compiler", "cocompile", "classes", "max_boxes", "preprocess", "cpu_kernels", "num_threads"),
        lambda s: not _is_profile(s),
        "a profile has its measured stage times", "leave it out",
    ),
)  # fmt: skip


def _is_by_network(discipline: str) -> bool:
    return discipline in DISCIPLINES and DISCIPLINES[discipline].by_network


def check_options(scenario: Scenario) -> None:
    """Raise :class:`InputError` for an option that was given and cannot act in its scenario."""
    defaults = option_defaults() | usual_places(scenario)
    for rule in RULES:
        for name in rule.options:
            if getattr(scenario, name) != defaults[name] and not rule.acts(scenario):
                raise InputError.problem(flag(option_fields()[name]), f"cannot act here, as {rule.reason}", rule.remedy)
    _check_models(scenario)
    _check_numbers(scenario)


def _check_numbers(scenario: Scenario) -> None:
    """Numbers of an accelerator or its link that nothing asks for."""
    given = [key for key in dict(scenario.numbers) if not key.startswith("host.")] if scenario.is_on_cpu else []
    if given:
        raise InputError.problem(
            given[0], "cannot act here, as --accelerators 0 puts everything on the CPU", "leave it out"
        )


def _check_models(scenario: Scenario) -> None:
    """Thread counts and rates of networks that a mode would ignore."""
    pairs = parse_models(scenario.models)
    if scenario.mode == "coexec" and parse_rates(scenario.models) and not any(count for _, count in pairs):
        what = f"{scenario.models} gives rates, but no threads, and threads are bound to a device here"
        raise InputError.problem("MODEL", what, "give each network its threads, such as a:1@10")
    counted = any(count for _, count in pairs) or parse_rates(scenario.models)
    if _is_pipeline(scenario) and counted:
        what = f"{scenario.models} gives threads or rates, but every segment of a pipeline has its own thread"
        raise InputError.problem("MODEL", what, "name the network alone")
