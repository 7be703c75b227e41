"""A short run of every fuzz target (tests/fuzz has the long ones), with scripts that Hypothesis draws."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hwmodels.errors import InputError

sys.path.insert(0, str(Path(__file__).parent / "fuzz"))
NAMES = ("tflite", "darwinn", "trace", "parts", "options", "measurements", "results", "spec")
SCRIPTS = st.binary(min_size=1, max_size=1).flatmap(
    lambda seed: st.lists(st.binary(min_size=9, max_size=9), max_size=4).map(lambda edits: seed + b"".join(edits))
)


@pytest.fixture(params=NAMES)
def read(request):
    if request.param == "results":
        pytest.importorskip("altair")
    from targets import TARGETS

    needs_files = request.param in ("tflite", "darwinn")
    return TARGETS[request.param](request.getfixturevalue("shared_models") if needs_files else Path())


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(script=SCRIPTS)
def test_only_input_errors_come_out(read, script):
    with suppress(InputError):
        read(script)
