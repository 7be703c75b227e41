"""The options of a scenario on the command line, once for every command that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from sim.defaults import SCENARIO_DEFAULTS

__all__ = ["scenario_command"]

HELP = {
    "size": "coral, small, large or FILE.toml; several: coral:2,large:1.",
    "link": "usb3, usb2, pcie or FILE.toml; a comma list gives each accelerator its own.",
    "clock": "max or std (250 MHz, only coral and small over USB).",
    "host": "A host's name or FILE.toml.",
    "cores": "Cores of the host (0: as its part file says).",
    "threads": "Application threads.",
    "accelerators": "How many; or sizes with counts: coral:2,large:1.",
    "mode": "threads, processes, pipeline, or coexec (threads beyond one an accelerator run on the CPU).",
    "num_segments": "Segments of a pipeline (0: one for each accelerator).",
    "segmentation": "compiler (equal parameters), profiled (equal time) or layer numbers such as 12,30.",
    "batch": "Inputs that enter a pipeline at once (0: it is kept filled).",
    "runner": "pipelined (pycoral's) or python (threads and queues).",
    "dispatch": "bind, round_robin, least_loaded, affinity or package.module:function.",
    "discipline": "fifo, priority, shortest, affinity or package.module:function.",
    "compiler": "2021 or 2020: which compiler's instruction stream.",
    "cocompile": "Compile the models together: one token.",
    "preprocess": "none, or resize[:WxH]: resize a frame (1280x720), cast, decode the result on the host.",
    "cpu_kernels": "xnnpack or builtin.",
    "num_threads": "The interpreter's threads for CPU operators.",
    "switch_interval_ms": "Python's switch interval.",
    "busy_python_threads": "Other Python threads of the process that compute all the time.",
    "background_load": "Share of the cores' time that other programs take (0 to 0.95).",
    "arrivals": "closed, poisson:RATE, trace:FILE, singlestream, multistream:N, server:RATE or offline:N.",
    "jitter": "none, or measured: the published spread of latencies.",
    "thermal": "off, or the ambient temperature in C: the PCIe driver lowers the clock at 85, 90 and 95 C.",
    "inferences": "Stop after K inferences (0: until steady).",
    "duration_s": "Stop after so many simulated seconds (0: until steady).",
    "seed": "Seed of every random stream.",
}
FLAGS = {"duration_s": "--duration"}


def scenario_command(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the scenario's options: its parameter ``scenario`` becomes MODEL and one option for each field."""
    own = [p for p in inspect.signature(function, eval_str=True).parameters.values() if p.name != "scenario"]
    names = list(SCENARIO_DEFAULTS)

    def command(**values: Any) -> None:
        """Make a scenario of the options and hand it to the body."""
        from sim.scenario import Scenario, mixed_accelerators

        fields = {name: values.pop(name) for name in names}
        fields |= mixed_accelerators(fields["accelerators"], fields["size"])
        bind = values.pop("bind")
        if bind:
            fields["dispatch"] = "bind"
        function(scenario=Scenario(models=values.pop("models"), **fields), **values)

    parameters = [_model(), *(_option(name) for name in names), _bind(), *own]
    command.__signature__ = inspect.Signature([_keyword(p) for p in parameters])  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__, command.__name__ = function.__doc__, function.__name__
    return command


def _keyword(parameter: inspect.Parameter) -> inspect.Parameter:
    return parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)


def _parameter(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _model() -> inspect.Parameter:
    text = "Zoo name, generated name or .tflite path; several with thread counts: a:2,b:1."
    return _parameter("models", Annotated[str, typer.Argument(metavar="MODEL", help=text)])


def _bind() -> inspect.Parameter:
    text = "A thread keeps its accelerator for life (the default dispatch)."
    return _parameter("bind", Annotated[bool, typer.Option("--bind", help=text)], False)


def _option(name: str) -> inspect.Parameter:
    default = str(SCENARIO_DEFAULTS[name]) if name == "accelerators" else SCENARIO_DEFAULTS[name]
    flag = FLAGS.get(name, f"--{name.replace('_', '-')}")
    return _parameter(name, Annotated[type(default), typer.Option(flag, help=HELP[name])], default)
