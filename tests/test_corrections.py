"""What rows mean beyond their columns: true networks and host parts, by hand on made-up rows."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calibration.corrections import OTHER_PARTS, corrected, host_part_of
from calibration.measurements import Measurement
from calibration.predict import invoke_ms
from calibration.problem import fit_rows
from calibration.setups import Parts, network_of
from calibration.shipped import dataset_names, load_dataset
from calibration.validation import validate
from hwmodels.host import load_host
from hwmodels.parts import part_names

ROW = Measurement(
    model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=2.0, link="usb3", host_id="x86-xeon", clock_id="max"
)


def row(**changes):
    return replace(ROW, **changes)


@pytest.mark.parametrize(("number", "filters"), [(1, 42), (10, 132), (42, 452)])
def test_a_number_in_the_series_becomes_its_filters(number, filters):
    given = row(source_id="villarrubia", model=f"conv5x3x3_f{number}_64x64", link="none", threads=4)
    assert corrected(given) == replace(given, model=f"conv5x3x3_f{filters}_64x64")


@pytest.mark.parametrize(
    "changes", [{"threads": 1}, {"link": "pcie"}, {"source_id": "else"}, {"model": "fc5_n100_in64_out10"}]
)
def test_every_other_row_is_as_it_says(changes):
    given = row(**{"source_id": "villarrubia", "model": "conv5x3x3_f32_64x64", "link": "none", "threads": 4, **changes})
    assert corrected(given) == given


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"host_id": "raspberry-pi-4"}, "raspberry-pi-4"),
        ({"host_id": "raspberry-pi-4", "word_size": "32"}, "raspberry-pi-4-32bit"),
        ({"host_id": "dev-board", "word_size": "32"}, "dev-board"),
        ({"host_id": "raspberry-pi-3b", "source_id": "edgetpu_api_ref"}, "raspberry-pi-3b-32bit"),
        ({"host_id": "x86-desktop", "dtype": "float32"}, "x86-desktop-float"),
        ({"host_id": "raspberry-pi-5", "dtype": "float32"}, "raspberry-pi-5"),
        ({"host_id": ""}, ""),
    ],
)
def test_the_host_part_goes_by_board_word_size_and_generation(changes, part):
    assert host_part_of(row(**changes)) == part


def test_every_part_that_rows_are_given_exists():
    known = set(part_names("host"))
    assert set(OTHER_PARTS.values()) <= known
    found = {host_part_of(one) for name in dataset_names() for one in load_dataset(name)}
    assert {part for part in found if part} <= known


def _row(dataset: str, source: str, model: str, link: str, metric: str = "invoke_latency_ms") -> Measurement:
    keys = (source, model, link, metric)
    return next(r for r in load_dataset(dataset) if (r.source_id, r.model, r.link, r.metric) == keys)


def test_a_source_that_ran_tensorflow_has_a_part_of_its_own():
    row = _row("independent_latency", "softserve", "mobilenet_v1_1.0_224", "none")
    assert host_part_of(row) == "raspberry-pi-3b-plus-tensorflow"
    assert row.flag.startswith("TensorFlow, not TFLite")


def test_networks_under_another_name_on_the_cpu_only():
    on_cpu = _row("deepedgebench", "deepedgebench", "mobilenet_v2_224", "none")
    beside = _row("deepedgebench", "deepedgebench", "mobilenet_v2_224", "pcie")
    assert network_of(on_cpu).name == "mobilenet_v2_1.4_224"
    assert corrected(beside) == beside
    assert beside.flag
    assert invoke_ms(on_cpu, Parts()) == pytest.approx(on_cpu.value, rel=0.12)


@pytest.mark.parametrize(
    ("columns", "part"),
    [
        ({"source_id": "nobuo", "host_id": "raspberry-pi-4", "word_size": "32"}, "raspberry-pi-4-32bit"),
        ({"source_id": "nobuo", "host_id": "raspberry-pi-4", "word_size": "64"}, "raspberry-pi-4"),
        ({"source_id": "nobuo", "host_id": "raspberry-pi-2", "word_size": "32"}, "raspberry-pi-2"),
        ({"source_id": "edgetpu_api_ref", "host_id": "raspberry-pi-3b"}, "raspberry-pi-3b-32bit"),
        ({"source_id": "salimmj", "host_id": "x86-desktop", "dtype": "float32"}, "x86-desktop-float"),
        ({"source_id": "villarrubia"}, ""),
    ],
)
def test_a_row_finds_the_part_of_its_word_size_and_kernels(columns, part):
    from calibration.corrections import host_part_of
    from calibration.measurements import Measurement

    row = Measurement(model="mobilenet_v1_1.0_224", metric="invoke_latency_ms", value=1.0, link="none", **columns)
    assert host_part_of(row) == part


def test_every_other_part_is_shipped():
    from calibration.corrections import OTHER_PARTS

    assert set(OTHER_PARTS.values()) <= set(part_names("host"))


def test_rows_named_by_their_number_get_their_networks_name():
    from calibration.corrections import corrected
    from calibration.measurements import Measurement

    row = Measurement(
        model="conv5x3x3_f7_64x64", metric="invoke_latency_ms", value=1.0, source_id="villarrubia", link="none",
        threads=2,
    )  # fmt: skip
    assert corrected(row).model == "conv5x3x3_f102_64x64"
    for same in (replace(row, threads=1), replace(row, link="pcie"), replace(row, source_id="own")):
        assert corrected(same).model == row.model


def test_google_s_page_of_detectors():
    """Seven rows that no fit has seen, on the PC of Google's table."""
    answers = [row for row in validate(["small_sources"])["rows"] if row["source_id"] == "coral_models_page"]
    assert {row["host_id"] for row in answers} == {"x86-google-desktop"}
    errors = [abs(row["error"]) for row in answers]
    assert len(errors) == 7
    assert sum(errors) / 7 <= 0.15
    assert all(row["lo90"] <= row["measured"] <= row["hi90"] for row in answers)


def test_the_page_s_rows_are_in_no_fit():
    rows = [row for row in load_dataset("small_sources") if row.source_id == "coral_models_page"]
    assert rows
    assert not fit_rows(rows, Parts())


def test_plain_code_costs_the_same_beside_any_kernels():
    """Post-processing of x86 hosts, from cores that differ by a tenth: within a factor of two of what was measured."""
    measured = load_host("x86-epyc-litert")
    for name in ("x86-xeon", "x86-desktop", "x86-google-desktop"):
        for key in ("anchor_ns", "overlap_ns"):
            assert getattr(load_host(name), key) == pytest.approx(getattr(measured, key), rel=1), name
    assert load_host("x86-xeon").conv_ns_per_mac > 5 * measured.conv_ns_per_mac
