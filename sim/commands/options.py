"""The options of a scenario on the command line, once for every command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import Field
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hwmodels.errors import InputError, nearest
from hwmodels.files import check_ending
from sim.commands.completion import complete_model, completer_of
from sim.scenario import Scenario, flag, mixed_accelerators, option_fields

__all__ = ["GROUPS", "OTHER_WORDS", "InGroups", "file_option", "scenario_command", "unknown_option"]

ALIKE = 0.6  # of an option that is meant
#: What people call an option of a scenario -> what to give.
OTHER_WORDS = {
    "fps frame-rate frames": "for frames of cameras give --cameras NxFPS, such as 3x10",
    "rate rps qps requests": "give --arrivals poisson:RATE or periodic:RATE, or a network as NAME@RATE",
    "tpu tpus stick sticks device devices num-devices coral corals": "give --accelerators",
    "board machine computer platform": "give --host",
    "usb usb2 usb3 pcie m2 interface bus": "give --link usb2, usb3 or pcie",
    "p95 p99 latency max-latency max-latency-ms slo max-ms max-p95-ms max-p99-ms":
        "capacity and advise take --max-p95-ms and --max-p99-ms, run takes --deadline-ms",
    "power watts watt max-power max-w": "run prints the power, capacity and advise take --max-w",
    "model network models": "give the network's name without an option",
    "min-ips min-fps target-fps": "advise takes --min-ips",
    "camera-fps": "give --cameras NxFPS, or ask capacity, which takes --camera-fps",
    "iterations runs repeat count num": "give --inferences",
    "resolution input-size imgsz": "write it behind the network's name, such as yolov8n_320",
}  # fmt: skip

#: Options of a scenario as its help shows them, by what they say; those of the command itself come first.
GROUPS = {
    "The hardware": ("size", "link", "clock", "host", "cores", "accelerators", "thermal"),
    "Who uses it, and how": (
        "threads", "mode", "num_segments", "segmentation", "batch", "runner", "dispatch", "bind", "discipline",
        "affinity_batch", "lock",
    ),
    "The network and its compilation": ("classes", "max_boxes", "compiler", "cocompile"),
    "The program around it": (
        "preprocess", "app_ms", "cpu_kernels", "num_threads", "switch_interval_ms", "busy_python_threads",
        "background_load",
    ),
    "How requests come": ("arrivals", "cameras", "motion", "regions", "scene_s", "deadline_ms"),
    "The length of the run, and chance": ("inferences", "duration_s", "jitter", "seed"),
}  # fmt: skip


class InGroups(TyperCommand):
    """A command of a scenario, whose help shows its options in groups."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, the command's own options, then each group."""
        titles = {name: title for title, names in GROUPS.items() for name in names}
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], **{title: [] for title in GROUPS}}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                is_argument = param.param_type_name == "argument"
                sections["Arguments" if is_argument else titles.get(param.name or "", "Options")].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def file_option(*words: str, help: str, endings: Sequence[str]) -> Any:  # noqa: A002  # as typer calls it
    """Return an option for a file to write, whose ending says what it holds: another one is refused before any work."""

    def checked(path: Path | None) -> Path | None:
        """The path, where its ending is one of those."""
        if path is not None:
            check_ending(path, endings)
        return path

    return typer.Option(*words, help=help, callback=checked)


def unknown_option(context: Any, name: str) -> str:
    """Return a line about an option that a command does not have: what to give instead, or the nearest one."""
    known = [one for param in context.command.get_params(context) for one in param.opts if one.startswith("--")]
    of_a_scenario = "--host" in known
    rows = OTHER_WORDS.items() if of_a_scenario else ()
    remedy = next((text for words, text in rows if name.removeprefix("--") in words.split()), "")
    hint = "" if remedy else nearest(name, known, ALIKE)
    return str(InputError.problem(context.command_path, f"has no option {name}", remedy, hint))


def scenario_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the scenario's options: its parameter ``scenario`` becomes MODEL and one option for each field."""
    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "scenario"]
    names = list(option_fields())

    def command(**values: Any) -> None:
        """Make a scenario of the options and hand it to the body."""
        fields = {name: values.pop(name) for name in names}
        fields |= mixed_accelerators(fields["accelerators"], fields["size"])
        bind = values.pop("bind")
        if bind:
            fields["dispatch"] = "bind"
        function(scenario=Scenario(models=values.pop("models"), **fields), **values)

    parameters = [_model(), *map(_option, option_fields().values()), _bind(), *own]
    command.__signature__ = inspect.Signature([_keyword(p) for p in parameters])  # type: ignore[attr-defined]  # functions take it
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__, command.__name__ = function.__doc__, function.__name__
    return command


def _keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _model() -> inspect.Parameter:
    text = "Zoo name, generated name or .tflite path; several with thread counts: a:2,b:1, "
    text += "with requests a second: a:1@10,b:1@30; or a cascade: a>b:0.3 runs b on 30 % of the results of a."
    return _parameter(
        "models", Annotated[str, typer.Argument(metavar="MODEL", help=text, autocompletion=complete_model)]
    )


def _bind() -> inspect.Parameter:
    text = "A thread keeps its accelerator for life (the default dispatch)."
    return _parameter("bind", Annotated[bool, typer.Option("--bind", help=text)], False)


def _option(spec: Field[Any]) -> inspect.Parameter:
    """One option; ``--accelerators`` is a text, as it may name sizes."""
    default = str(spec.default) if spec.name == "accelerators" else spec.default
    completer = completer_of(spec.name, spec.metadata.get("choices", ()))
    option = typer.Option(flag(spec), help=spec.metadata["help"], autocompletion=completer)
    return _parameter(spec.name, Annotated[type(default), option], default)
