"""The lessons in a real browser: no outside request, sliders that change the figures, a console free of errors.

Needs Playwright and a Chromium (``CHROMIUM``, or one on the path); skipped with a notice where there is none.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from sim import Scenario, simulate
from sim.lab import LESSONS

pytest.importorskip("marimo", reason="the extra lab is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the browser is not tested")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here (apt-get install chromium): the browser is not tested"
    ),
    pytest.mark.filterwarnings("ignore"),
]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--no-first-run"]
WAIT_MS = 180_000
READ = """() => [...document.querySelectorAll('[data-scenario]')].map(block => [
    block.dataset.scenario,
    Object.fromEntries([...block.querySelectorAll('[data-figure]')].map(e => [e.dataset.figure, e.dataset.value]))
])"""


@pytest.fixture(scope="module")
def address():
    """The lab's address, served by a process of its own."""
    program = "from sim.lab.server import serve; serve(browser=False)"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as server:
        yield server.stderr.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(params=[1280, 390], ids=["laptop", "phone"])
def visit(request, browser, address):
    """Open a lesson; return the page with what it asked for elsewhere and what its console complained about."""
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    context.set_default_timeout(WAIT_MS)
    page, outside, complaints = context.new_page(), [], []
    home = address.split("?")[0]
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((home, "data:", "blob:")) else None)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def go(lesson):
        page.goto(address.replace("/?", f"/{lesson.name}/?"))
        page.wait_for_selector("[data-figure]", timeout=WAIT_MS)
        return SimpleNamespace(page=page, outside=outside, complaints=complaints, width=request.param)

    yield go
    context.close()


def blocks(page):
    return [(Scenario(**json.loads(options)), figures) for options, figures in page.evaluate(READ)]


def changed(page, before):
    """Wait until a figure differs from what was shown."""
    for _ in range(WAIT_MS // 100):
        now = [figures for _, figures in blocks(page)]
        if now and now != before:
            return True
        page.wait_for_timeout(100)
    return False


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_opens_and_its_sliders_change_true_figures(visit, lesson):
    seen = visit(lesson)
    sliders = seen.page.get_by_role("slider")
    assert sliders.count() >= 1
    moved = 0
    for number in range(sliders.count()):
        before = [figures for _, figures in blocks(seen.page)]
        slider = sliders.nth(number)
        slider.focus()
        top = slider.get_attribute("aria-valuenow") == slider.get_attribute("aria-valuemax")
        slider.press("Home" if top else "End")
        if (lesson.number, number) != (8, 2):  # the rate of random arrivals, which are not chosen
            assert changed(seen.page, before), f"slider {number}"
            moved += 1
    assert moved
    for scenario, figures in blocks(seen.page):
        check_figures(simulate(scenario).summary, figures)
    assert seen.outside == []
    assert seen.complaints == []
    wide = seen.page.evaluate("document.documentElement.scrollWidth")
    assert wide <= seen.width + 1, "nothing sticks out of the page sideways"


def check_figures(summary, figures):
    for key, value in figures.items():
        expected = summary
        for part in key.split("."):
            expected = expected[part]
        assert float(value) == expected, key


def test_a_prediction_is_answered_in_the_browser(visit):
    seen = visit(LESSONS[0])
    seen.page.get_by_role("radio").first.click()
    seen.page.wait_for_selector("text=You said", timeout=WAIT_MS)


def test_strangers_see_nothing(browser, address):
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    assert page.goto(address.split("?")[0]).status == 403
    assert page.goto(address.split("?")[0] + "lesson_1/").status == 403
    context.close()


def test_the_list_leads_to_the_lessons(browser, address):
    context = browser.new_context()
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    page.goto(address)
    page.get_by_text(LESSONS[2].title).click()
    page.wait_for_selector("[data-figure]", timeout=WAIT_MS)
    assert "access_token" not in page.url
    context.close()


def test_ctrl_c_ends_the_lab_with_a_lesson_open(browser):
    program = "from sim.lab.server import serve; serve('1', browser=False)"
    with subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True) as server:
        page = browser.new_page()
        page.goto(server.stderr.readline().strip())
        page.wait_for_selector("[data-figure]", timeout=WAIT_MS)
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
        assert "Traceback" not in server.stderr.read()
        page.close()
