"""Times of networks whose memory their source printed are predicted with that memory."""

from __future__ import annotations

from calibration.kept import kept_bytes
from calibration.scenarios import scenario_of
from calibration.setups import Parts, executable_of
from calibration.shipped import load_dataset
from hwmodels.edgetpu.compiler import on_chip_bytes

SPARTA = "sparta_imagenet_multitpu"


def test_times_are_predicted_with_the_memory_that_their_source_printed() -> None:
    (row,) = [r for r in load_dataset(SPARTA) if r.model == "inception_v3_299" and r.metric == "invoke_latency_ms"
              and r.mode == "single"]  # fmt: skip
    kept = kept_bytes(row)
    assert kept == 5_798_625  # 5.53 MiB
    found = on_chip_bytes(executable_of(row, Parts()))
    assert 0 <= kept - found < 40_000  # what the smallest layer that no longer fits would take
    assert dict(scenario_of(row, Parts()).numbers).keys() == {"size.parameter_cache_bytes"}


def test_where_nothing_was_printed_the_model_decides() -> None:
    pipeline = next(row for row in load_dataset(SPARTA) if row.mode == "pipeline")
    other = next(row for row in load_dataset("google_reference") if row.metric == "invoke_latency_ms")
    assert kept_bytes(pipeline) is None
    assert kept_bytes(other) is None
    assert scenario_of(pipeline, Parts()).numbers == ()
