"""The report: one page that needs nothing else, with everything escaped."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from hwmodels.errors import InputError
from sim.study.report import report
from sim.study.spec import spec_of
from sim.study.sweeps import sweep

pytest.importorskip("polars")
pytest.importorskip("altair")
pytest.importorskip("vl_convert")

NAMES = ["mobilenet_v1_0.25_128", "<script>alert(1)</script>&"]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    sweep(spec_of({"models": NAMES, "threads": [1, 2], "preprocess": "resize"}), folder / "r.parquet", workers=1)
    return report(folder / "r.parquet", folder / "r.html")


def test_text_is_escaped(page):
    text = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;" in text
    assert "2 points failed" in text


def test_nothing_is_fetched(page):
    """No element of the page names another address."""
    head = re.sub(r"<script.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.S)
    assert "http" not in head
    assert "src=" not in head
    assert page.read_text(encoding="utf-8").count("<script") == 1


def test_the_figures_are_drawn(page, tmp_path):
    """In a real browser that cannot reach anything."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium here")
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}",
               "--host-resolver-rules=MAP * ~NOTFOUND", "--virtual-time-budget=10000", "--dump-dom",
               f"file://{page}"]  # fmt: skip
    dom = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert dom.count('class="marks"') == 2
    assert "inferences per second" in dom


def test_a_page_that_cannot_be_written(page, tmp_path):
    with pytest.raises(InputError, match="can be written"):
        report(page.with_name("r.parquet"), tmp_path / "no" / "r.html")


def test_no_results_no_page(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        report(tmp_path / "none.parquet", tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()
