"""What ``fit`` and ``validate`` print."""

from __future__ import annotations

from calibration.report import print_fit, print_validation


def test_a_validation_is_printed_with_the_reasons_for_skipping(capsys):
    summary = {"n": 2, "mape": 0.1, "median_ape": 0.05, "p90_ape": 0.2, "bias": -0.01}
    print_validation({
        "summary": [{"group": "a/b/usb3", "coverage90": 0.9, **summary}, {"group": "c", "coverage90": None, **summary}],
        "rows": [{"skipped": "not modelled"}, {"skipped": "not modelled"}, {"skipped": "why not"}, {"skipped": None}],
        "repeats": [{"group": "a/b/usb3", "n": 2, "median_difference": 0.2}, {"group": "c", "n": 9, "median_difference": 0.01}],
        "predicted_rows": 1, "skipped_rows": 3,
    })  # fmt: skip
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a/b/usb3", "2", "10.0", "5.0", "20.0", "-1.0", "90"]
    assert lines[2].split() == ["c", "2", "10.0", "5.0", "20.0", "-1.0"]
    assert lines[3] == "a/b/usb3: 2 measured more than once, readings 20.0 % apart in the median"
    assert lines[5] == "1 rows predicted, 3 skipped"
    assert [line.split(None, 1) for line in lines[6:]] == [["2", "not modelled"], ["1", "why not"]]


def test_a_fit_is_printed_with_its_numbers_and_what_is_not_separated(capsys):
    keys = ("fit_mape", "leave_model_out_mape", "leave_model_out_median", "leave_source_out_mape")
    print_fit({
        "rows": 7, "residuals": [{"group": "a/usb3", "n": 7, **dict.fromkeys(keys, 0.125)}],
        "numbers": [{"part": "coral", "key": "clock_hz", "value": 5e8, "std_error": 1e6}],
        "not_separated": [{"a": "x", "b": "y", "correlation": 0.987}], "files": ["mine/coral.toml"],
    })  # fmt: skip
    text = capsys.readouterr().out
    assert "a/usb3" in text
    assert text.count("12.5") == 4
    assert "5e+08 +- 1e+06" in text
    assert "not separated: x and y (correlation 0.99)" in text
    assert "wrote mine/coral.toml" in text
