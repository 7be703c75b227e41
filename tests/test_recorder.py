"""A recorder's cameras, as a user measured them with one, two and three accelerators."""

from __future__ import annotations

import pytest

from calibration.recorder import PROGRAM, fitted, predicted, recordings
from calibration.tables import shipped_table


def own_ms():
    (cells,) = (cells for cells in shipped_table("programs") if cells["program"] == PROGRAM)
    return cells


def test_the_shipped_number_is_the_one_that_the_first_row_tells():
    cells = own_ms()
    assert {key: float(cells[key]) for key in ("value", "std_error", "low", "high")} == pytest.approx(
        fitted(recordings()), abs=6e-4
    )
    assert cells["source"]


@pytest.mark.parametrize("row", recordings(), ids=lambda row: str(row.accelerators))
def test_rate_and_skipped_share_are_those_that_were_measured(row):
    """Within 15 %, and one number of the host is fitted, on the first row; regions of the kept frames are the row's."""
    found = predicted(row, float(own_ms()["value"]))
    assert found.throughput_ips == pytest.approx(row.throughput_ips, rel=0.15)
    assert found.skipped_share == pytest.approx(row.skipped_share, rel=0.15)
    assert found.regions == pytest.approx(row.regions, rel=0.02)


def test_scenes_say_why_regions_rise_with_the_accelerators():
    """The same streams were shown to one, two and three accelerators: all their frames have the same regions."""
    offered, kept = ([getattr(row, key) for row in recordings()] for key in ("offered_regions", "regions"))
    assert max(offered) / min(offered) < 1.1
    assert max(kept) / min(kept) > 1.2


def test_regions_times_frames_is_the_rate():
    """What the source's own figures leave open: with all frames of 16 cameras at 5 a second, rates are 9 % too high."""
    for row in recordings():
        whole = row.cameras * row.fps * (1 - row.skipped_share) * row.regions
        assert whole == pytest.approx(row.throughput_ips, rel=0.1)
