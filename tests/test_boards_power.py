"""Watts of boards against their size: arithmetic by hand, and the published table."""

from __future__ import annotations

from typing import Any

import pytest

from calibration.boards.power import BASE_W, ENERGY_EXPONENT, W_PER_GOPS, idle_w, peak_gops, running_w
from calibration.boards.sweeps import (
    predict_power_by_size,
)
from calibration.tables import FOLDER
from hwmodels.errors import InputError

# Power by size


@pytest.mark.parametrize(("size", "gops"), [("B512", 153.6), ("B4096", 1228.8), ("DPUCZDX8G_B1024", 0), ("512", 153.6)])
def test_the_peak_is_in_the_name(size, gops):
    if not gops:
        with pytest.raises(InputError, match="dpu_arch"):
            peak_gops(size)
        return
    assert peak_gops(size) == pytest.approx(gops)


def test_idle_watts_are_linear_in_the_size():
    assert idle_w("B4096") - idle_w("B512") == pytest.approx(W_PER_GOPS * (4096 - 512) * 0.3)
    assert idle_w("B512") == pytest.approx(BASE_W + W_PER_GOPS * 153.6)


def test_the_profile_s_own_size_is_itself():
    assert running_w("B512", 2.0, "B512", 5.0, 2.0) == pytest.approx(5.0)


def test_energy_above_idle_falls_slowly_with_the_size():
    """Twice the runtime: half the watts above idle; another size: its own idle and the power law."""
    above = 5.0 - idle_w("B512")
    assert running_w("B512", 4.0, "B512", 5.0, 2.0) == pytest.approx(idle_w("B512") + above / 2)
    expected = idle_w("B4096") + above * 8**ENERGY_EXPONENT
    assert running_w("B4096", 2.0, "B512", 5.0, 2.0) == pytest.approx(expected)


BOARDS = FOLDER / "boards"


def sizes(answer: dict[str, Any], board: str = "", flagged: bool = False) -> list[float]:
    rows = [row for row in answer["rows"] if row["error"] is not None and row["board"].startswith(board)]
    return sorted(abs(row["error"]) for row in rows if bool(row["flag"]) == flagged)


def test_watts_against_size() -> None:
    answer = predict_power_by_size(BOARDS / "dpu_power_by_size.csv")
    found = sizes(answer)
    assert len(found) == 19
    assert max(found) <= 0.07
