"""The lab in a real browser, a process of its own: every lesson, the quiz, the list, the teacher's sheet, and Ask.

Needs Playwright and a Chromium (``CHROMIUM``, or one on the path); skipped with a notice where there is none.
"""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from lesson_page import answered, axe_script, check_accessible, check_figures, go_through, watched
from site_page import ARGUMENTS, CHROMIUM, WAIT_MS

from sim import Scenario, simulate
from sim.lab.catalogue import LESSONS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the browser is not tested")
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium here (apt-get install chromium): the browser is not tested"
    ),
    pytest.mark.filterwarnings("ignore"),
]
PROGRAM = "from sim.site.server import serve; serve(browser=False)"


@pytest.fixture(scope="module")
def address():
    """The lab's address, served by a process of its own."""
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True) as server:
        yield server.stderr.readline().strip()
        server.terminate()


@pytest.fixture(scope="module")
def home(address):
    return address.split("lessons.html")[0]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def seen(browser, address, home):
    """A visitor who came by the address that was printed."""
    found = watched(browser, home)
    found.page.goto(address)
    yield found
    found.context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return axe_script(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_a_lesson_lets_predict_and_shows_what_simulate_answers(seen, home, axe, lesson):
    seen.page.goto(f"{home}lesson.html#{lesson.number}")
    go_through(seen.page, lesson)
    for number, question in enumerate(lesson.quiz):
        assert answered(seen.page.locator("#quiz .asked").nth(number), question, question.solve().right) == "right"
    if lesson.quiz:
        assert seen.page.inner_text("#score") == f"{len(lesson.quiz)} of {len(lesson.quiz)} right."
    seen.page.set_viewport_size({"width": 390, "height": 900})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 391, "nothing sticks out sideways"
    seen.page.set_viewport_size({"width": 1280, "height": 900})
    check_both_schemes(seen.page, axe)
    assert (seen.outside, seen.complaints) == ([], [])


def check_both_schemes(page, axe):
    """No fault of accessibility, in the light or the dark, with everything that can be opened open."""
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        check_accessible(page, axe)


@pytest.mark.parametrize("name", ["lessons.html", "teacher.html"])
def test_no_fault_of_accessibility_is_found(seen, home, axe, name):
    seen.page.goto(home + name)
    seen.page.wait_for_selector("#lessons h2")
    check_both_schemes(seen.page, axe)


def test_a_link_holds_the_controls_and_the_prediction_still_comes_first(browser, address, home):
    found = watched(browser, home, width=390)
    found.page.goto(address)
    found.page.goto(f"{home}lesson.html#1&2.host=raspberry-pi-4&2.cores=2&2.nothing=1&2.link=usb9")
    found.page.wait_for_selector(".prediction")
    assert not found.page.locator(".explored").is_visible()
    found.page.locator(".prediction").get_by_role("radio").first.check()
    found.page.get_by_role("button", name="Check").first.click()
    found.page.wait_for_selector(".explored[data-shown]")
    assert found.page.get_by_label("host", exact=True).input_value() == "raspberry-pi-4"
    check_figures(found.page)
    found.page.get_by_label("host", exact=True).select_option("raspberry-pi-5")
    assert found.page.evaluate("location.hash") == "#1&2.host=raspberry-pi-5&2.cores=2"
    found.page.wait_for_selector(".explored[data-shown*='raspberry-pi-5']")
    found.page.get_by_role("link", name="Ask this yourself").first.click()
    found.page.wait_for_selector("body[data-answered*='raspberry-pi-5']")
    found.page.go_back()
    found.page.wait_for_selector(".explored[data-shown*='raspberry-pi-5']")
    assert (found.outside, found.complaints) == ([], [])
    found.context.close()


def test_one_s_own_sentence_stays_in_the_browser(seen, home):
    seen.page.goto(f"{home}lesson.html#1")
    seen.page.get_by_label("What would you tell a colleague").fill("It waits.")
    seen.page.goto(f"{home}lesson.html#2")
    seen.page.goto(f"{home}lesson.html#1")
    assert seen.page.get_by_label("What would you tell a colleague").input_value() == "It waits."


def test_the_list_leads_to_the_lessons_and_back(seen, address):
    seen.page.goto(address)
    assert seen.page.locator("#lessons > li").count() == len(LESSONS)
    seen.page.get_by_role("link", name=LESSONS[1].title).click()
    seen.page.wait_for_selector("body[data-lesson='2']")
    assert "access_token" not in seen.page.url
    seen.page.get_by_role("link", name=f"Before: {LESSONS[0].title}").click()
    seen.page.wait_for_selector("body[data-lesson='1']")
    seen.page.get_by_role("link", name="All lessons").click()
    seen.page.wait_for_selector("#lessons > li")


def test_the_teacher_s_sheet_has_every_answer(seen, home, axe):
    lesson = LESSONS[0]
    seen.page.goto(f"{home}teacher.html")
    seen.page.locator("#lessons summary").first.click()
    seen.page.wait_for_selector("[data-filled=done]")
    text = seen.page.locator("#lessons details").first.inner_text()
    for question in (*lesson.exercises, *lesson.quiz):
        assert question.solve().because.replace("`", "").replace("**", "") in text
    assert seen.page.locator("#presets a").count() > 3
    seen.page.get_by_role("button", name="Open all").click()
    seen.page.wait_for_function(
        "count => document.querySelectorAll('[data-filled=done]').length === count", arg=len(LESSONS)
    )
    assert ".." not in seen.page.inner_text("#lessons"), "choices that are sentences keep their own end"
    check_both_schemes(seen.page, axe)


def test_ask_is_answered_by_the_lab(seen, home):
    seen.page.goto(f"{home}#models=mobilenet_v2_1.0_224&threads=3")
    seen.page.wait_for_selector("body[data-finished*='threads=3']", timeout=WAIT_MS)
    rate = seen.page.get_attribute("[data-figure=throughput_ips]", "data-value")
    assert float(rate) == simulate(Scenario(models="mobilenet_v2_1.0_224", threads=3)).summary["throughput_ips"]
    assert "never leaves" not in seen.page.inner_text("header")
    assert (seen.outside, seen.complaints) == ([], [])


def test_strangers_see_nothing(browser, home):
    context = browser.new_context()
    page = context.new_page()
    for name in ("", "lesson.html", "lessons.json", "style.css"):
        assert page.goto(home + name).status == 403
    context.close()


def test_ctrl_c_ends_the_lab_with_a_page_open(browser):
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=subprocess.PIPE, text=True) as server:
        page = browser.new_page()
        page.goto(server.stderr.readline().strip())
        page.wait_for_selector("#lessons > li")
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        assert "Traceback" not in server.stderr.read()
        page.close()
