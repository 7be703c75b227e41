"""From a row to its network: names are tried in order."""

from __future__ import annotations

from calibration.measurements import Measurement
from calibration.setups import conditions_of, name_candidates


def test_the_network_is_found_with_its_size_first() -> None:
    row = Measurement(model="yolov8n", metric="invoke_latency_ms", value=1.0, input_h="320", input_w="320")
    assert name_candidates(row, row.model)[0] == "yolov8n_320x320"
    assert conditions_of(row).compiler == "2021"
