"""Lessons as plain pages."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest

from hwmodels.errors import InputError
from sim import Scenario
from sim.lab import LESSONS


def shown_figures(page):
    """(scenario, {key: (value, text)}) of every block of figures."""
    blocks = re.findall(r"<div data-scenario='(.*?)'.*?>(.*?)(?=<div data-scenario=|<svg|$)", page, re.DOTALL)
    pattern = r"data-figure='(.*?)' data-value='(.*?)'>(.*?)</div>"
    return [
        (Scenario(**json.loads(unescape(options))), {k: (float(v), t) for k, v, t in re.findall(pattern, body)})
        for options, body in blocks
    ]


def test_lessons_are_exported_as_plain_pages(tmp_path):
    from sim.lab.export import export_lessons

    paths = export_lessons(tmp_path / "pages")
    assert len(paths) == len(LESSONS)
    for path in paths:
        page = path.read_text(encoding="utf-8")
        assert "<script" not in page
        assert "<marimo" not in page
        assert shown_figures(page)
        for target in re.findall(r"href='([^'#]+)'", page):
            assert (path.parent / target).exists(), target


def test_an_export_to_a_bad_place_is_one_line(tmp_path):
    from sim.lab.export import export_lessons

    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder"):
        export_lessons(tmp_path / "file")
