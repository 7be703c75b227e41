"""A video recorder's cameras: skipped frames and detections a second, against what a user of one measured.

``python -m calibration.recorder`` predicts every row of ``datasets/recorders.csv``, without scenes and with scenes of
:data:`SCENE_S`; numbers after it are other lengths (``2 20``), which take minutes. ``--write`` fits anew the one number
that it takes (``datasets/programs.csv``): what the recorder's detector process does on a core with each result. The
invoke alone, the share of the cores that is taken, and the regions of a frame are those of the row.

A row gives the regions of frames that were *not* skipped. They rise with the accelerators (3.5, 4.1, 4.4), as busy
scenes lose more frames than quiet ones. So all frames together have more: ``offered_regions`` of the table, with which
the frames that are kept have the row's (``--write``, :data:`SCENE_S`). Nothing else of the result enters.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import stdev

from calibration.tables import FOLDER, Cells, shipped_table, write_table
from hwmodels.stages import AcceleratorStage, StageTimes, StepTime
from sim import Scenario
from sim.engine import run
from sim.setup import Setup, build

__all__ = ["PROGRAM", "SCENE_S", "Prediction", "Recording", "fitted", "offered_regions", "predicted", "recordings"]

PROGRAM = "recorder detector"
NETWORK, LINK, HOST = "ssdlite_mobiledet_320", "pcie", "x86-desktop"
SCENE_S = 5.0  # assumed: about as long as somebody takes to cross a part of the picture
LEAST_INFERENCES, SCENES = 40_000, 200  # of a prediction, and of each camera in it
STEPS = 4  # towards the regions of all frames: to 1 % of them


@dataclass(frozen=True)
class Recording:
    """A row: the set-up, what was measured of one invoke and of the cores, and what came out.

    Attributes
    ----------
    regions
        Inferences of a frame that was not skipped.
    offered_regions
        Inferences that a frame asks for, skipped or not: fitted to ``regions``.
    cpu_load
        Share of the cores' time that was taken.
    """

    accelerators: int
    cameras: int
    fps: float
    regions: float
    offered_regions: float
    invoke_ms: float
    cpu_load: float
    throughput_ips: float
    throughput_max_ips: float
    skipped_share: float

    def own_ms(self, throughput_ips: float) -> float:
        """Work of a detector process on a free core with each result, had it nothing to wait for (ms)."""
        each_ms = 1e3 * self.accelerators / throughput_ips
        return (each_ms - self.invoke_ms) * (1 - self.cpu_load)


def recordings() -> list[Recording]:
    """Return the shipped rows, by number of accelerators."""
    return [_recording(cells) for cells in shipped_table("recorders")]


def _recording(cells: Cells) -> Recording:
    keys = (
        "fps", "regions", "offered_regions", "invoke_ms", "cpu_load", "throughput_ips", "throughput_max_ips",
        "skipped_share",
    )  # fmt: skip
    return Recording(int(cells["accelerators"]), int(cells["cameras"]), *(float(cells[key]) for key in keys))


def fitted(rows: Sequence[Recording]) -> dict[str, float]:
    """Return the number that the first row tells, and how sure it is.

    With frames skipped, the one detector process always has work, so it takes 1 / rate for each result. The standard
    error is the spread of what the rows tell one by one. The range goes from the highest rate that was seen to the
    largest of these.
    """
    told = [row.own_ms(row.throughput_ips) for row in rows]
    return {
        "value": told[0], "std_error": stdev(told), "low": rows[0].own_ms(rows[0].throughput_max_ips), "high": max(told)
    }  # fmt: skip


@dataclass(frozen=True)
class Prediction:
    """What a row is predicted to be: detections a second, share of skipped frames, regions of the other frames."""

    throughput_ips: float
    skipped_share: float
    regions: float


def predicted(row: Recording, own_ms: float, scene_s: float = SCENE_S) -> Prediction:
    """Simulate a row with its offered regions and scenes of a length (0: frames have nothing in common)."""
    inferences = max(LEAST_INFERENCES, round(SCENES * scene_s * row.throughput_ips))
    scenario = Scenario(
        models=NETWORK, link=LINK, host=HOST, mode="processes", threads=row.accelerators,
        accelerators=row.accelerators, cameras=f"{row.cameras}x{row.fps:g}", regions=row.offered_regions,
        scene_s=scene_s, app_ms=f"{own_ms}", background_load=row.cpu_load, inferences=inferences,
    )  # fmt: skip
    window = run(_as_measured(build(scenario), row))
    kept_per_s = row.cameras * row.fps * (1 - window.frames.skipped_share)
    return Prediction(window.throughput_ips, window.frames.skipped_share, window.throughput_ips / kept_per_s)


def offered_regions(row: Recording, own_ms: float, scene_s: float = SCENE_S) -> float:
    """Return how many regions all frames have, so that those that are not skipped have the row's.

    Repeated: as many more regions beyond the first as the kept frames lack.
    """
    offered = row.regions
    for _ in range(STEPS if scene_s else 0):
        kept = predicted(replace(row, offered_regions=offered), own_ms, scene_s).regions
        offered = 1 + (offered - 1) * (row.regions - 1) / (kept - 1)
    return offered


def _as_measured(setup: Setup, row: Recording) -> Setup:
    """The set-up with an invoke as long as the recorder's own figure says."""
    times = tuple(tuple(_with_invoke(one, round(row.invoke_ms * 1e6)) for one in found) for found in setup.stage_times)
    return replace(setup, stage_times=times)


def _with_invoke(times: StageTimes, ns: int) -> StageTimes:
    one = AcceleratorStage(0, 0, 0, 0, 0, 0, 0, 0, (StepTime(ns, 0, 0),), 0, 0, 0)
    return replace(times, stages=(one,), python_ns=0)


def main() -> None:
    """Print predictions beside measurements; with ``--write`` write the fitted numbers first."""
    words = sys.argv[1:]
    if "--write" in words:
        _write()
    own_ms = float(shipped_table("programs")[0]["value"])
    for scene_s in [float(word) for word in words if word != "--write"] or [0.0, SCENE_S]:
        print(f"scenes of {scene_s:g} s:" if scene_s else "frames that have nothing in common:")
        for row in recordings():
            offered = row.offered_regions if scene_s == SCENE_S else offered_regions(row, own_ms, scene_s)
            _print(row, offered, predicted(replace(row, offered_regions=offered), own_ms, scene_s))


def _print(row: Recording, offered: float, found: Prediction) -> None:
    print(
        f"  {row.accelerators} accelerators: {found.throughput_ips:.0f} detections/s "
        f"({found.throughput_ips / row.throughput_ips - 1:+.1%}), {found.skipped_share:.1%} of the frames skipped "
        f"({found.skipped_share / row.skipped_share - 1:+.1%}), {offered:.2f} regions of all frames, "
        f"{found.regions:.2f} of those that were not skipped (measured {row.regions:.2f})"
    )


def _write() -> None:
    """Fit the one number of the host to the first row, then the regions of all frames to those of the kept ones."""
    rows = recordings()
    numbers = {key: f"{value:.3f}" for key, value in fitted(rows).items()}
    source = "first row of recorders.csv: 1 / rate less the invoke, times the free share of the cores"
    record = {"program": PROGRAM, "key": "app_ms", **numbers, "source": source}
    write_table(FOLDER / "programs.csv", record, [record])
    cells = [
        {**cells, "offered_regions": f"{offered_regions(row, float(numbers['value'])):.2f}"}
        for cells, row in zip(shipped_table("recorders"), rows, strict=True)
    ]
    write_table(FOLDER / "recorders.csv", cells[0], cells)
    shipped_table.cache_clear()


if __name__ == "__main__":
    main()
