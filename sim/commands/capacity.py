"""The command ``edgetpusim capacity``, added to the command line by :func:`register`."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from sim.commands.options import InGroups, scenario_command
from sim.commands.patience import sign_of_life

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add ``capacity`` to a typer application."""
    app.command(cls=InGroups)(scenario_command(capacity))


def capacity(
    scenario: Any,
    max_p95_ms: Annotated[
        float | None, typer.Option("--max-p95-ms", help="95th percentile of the latency at most so many ms.")
    ] = None,
    max_p99_ms: Annotated[
        float | None, typer.Option("--max-p99-ms", help="99th percentile of the latency at most so many ms.")
    ] = None,
    max_w: Annotated[float | None, typer.Option(help="At most so many watts, whole system.")] = None,
    camera_fps: Annotated[
        float | None, typer.Option(help="Frames a second of a camera, where no --cameras says it (30).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """The highest rate of requests, and number of cameras, that a set-up serves within limits.

    With --cameras NxFPS more and fewer cameras are tried, and limits are those of a result's age.

    Example: edgetpusim capacity ssd_mobilenet_v2_coco_300 --threads 2 --max-p99-ms 100 --camera-fps 5
    """
    from sim.advice import Limits
    from sim.study.capacity import capacity as highest

    limit = Limits(max_p95_ms=max_p95_ms, max_p99_ms=max_p99_ms, max_w=max_w)
    with sign_of_life() as progress:
        found = highest(scenario, limit, camera_fps, progress)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from sim.commands.study_output import print_capacity

    print_capacity(found, scenario)
