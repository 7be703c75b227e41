"""A video recorder's cameras: skipped frames and detections a second, against what a user of one measured.

``python -m calibration.recorder`` predicts every row of ``datasets/recorders.csv``, and ``--write`` fits anew the one
number that it takes (``datasets/programs.csv``): what the recorder's detector process does on a core with each result.
The invoke alone, the share of the cores that is taken, and the regions of a frame are those of the row.
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

__all__ = ["PROGRAM", "Recording", "fitted", "predicted", "recordings"]

PROGRAM = "recorder detector"
NETWORK, LINK, HOST = "ssdlite_mobiledet_320", "pcie", "x86-desktop"


@dataclass(frozen=True)
class Recording:
    """A row: the set-up, what was measured of one invoke and of the cores, and what came out.

    Attributes
    ----------
    regions
        Inferences of a frame that was not skipped.
    cpu_load
        Share of the cores' time that was taken.
    """

    accelerators: int
    cameras: int
    fps: float
    regions: float
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
    keys = ("fps", "regions", "invoke_ms", "cpu_load", "throughput_ips", "throughput_max_ips", "skipped_share")
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


def predicted(row: Recording, own_ms: float) -> tuple[float, float]:
    """Return detections a second and the share of skipped frames, as simulated."""
    scenario = Scenario(
        models=NETWORK, link=LINK, host=HOST, mode="processes", threads=row.accelerators,
        accelerators=row.accelerators, cameras=f"{row.cameras}x{row.fps:g}", regions=row.regions,
        app_ms=f"{own_ms}", background_load=row.cpu_load,
    )  # fmt: skip
    window = run(_as_measured(build(scenario), row))
    return window.throughput_ips, window.frames.skipped_share


def _as_measured(setup: Setup, row: Recording) -> Setup:
    """The set-up with an invoke as long as the recorder's own figure says."""
    times = tuple(tuple(_with_invoke(one, round(row.invoke_ms * 1e6)) for one in found) for found in setup.stage_times)
    return replace(setup, stage_times=times)


def _with_invoke(times: StageTimes, ns: int) -> StageTimes:
    one = AcceleratorStage(0, 0, 0, 0, 0, 0, 0, 0, (StepTime(ns, 0, 0),), 0, 0, 0)
    return replace(times, stages=(one,), python_ns=0)


def main() -> None:
    """Print predictions beside measurements; with ``--write`` write the fitted number first."""
    rows = recordings()
    if "--write" in sys.argv[1:]:
        numbers = {key: f"{value:.3f}" for key, value in fitted(rows).items()}
        source = "first row of recorders.csv: 1 / rate less the invoke, times the free share of the cores"
        record = {"program": PROGRAM, "key": "app_ms", **numbers, "source": source}
        write_table(FOLDER / "programs.csv", record, [record])
        shipped_table.cache_clear()
    own_ms = float(shipped_table("programs")[0]["value"])
    for row in rows:
        ips, skipped = predicted(row, own_ms)
        print(
            f"{row.accelerators} accelerators: {ips:.0f} detections/s ({ips / row.throughput_ips - 1:+.1%}), "
            f"{skipped:.1%} of the frames skipped (measured {row.skipped_share:.0%})"
        )


if __name__ == "__main__":
    main()
