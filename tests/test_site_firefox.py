"""The static page in Firefox: it computes what a terminal computes, its lessons work, and it opens without a server.

Needs a Firefox (``FIREFOX``, or one on the path) and Pyodide's npm package; skipped with a notice where one is missing.
"""

from __future__ import annotations

import pytest
from firefox_page import FIREFOX, firefox
from layers import chain, conv, depthwise
from lesson_page import check_figures
from site_page import DROP, KINDS, built, holds, serving
from virtual_files import write_compiled

from calibration.harness.tflite_writer import write_model
from sim import Scenario
from sim.lab.catalogue import LESSONS
from sim.lab.lesson import Choice

pytestmark = pytest.mark.skipif(
    FIREFOX is None, reason="no Firefox here (apt-get install firefox-esr): the page is not tested in it"
)
NET = "mobilenet_v2_1.0_224"
HAS_ANSWERED = "() => 'answered' in document.body.dataset"
IS_ANSWERED = "() => document.body.dataset.answered === location.hash.slice(1)"
IS_FINISHED = "() => document.body.dataset.finished === location.hash.slice(1)"
FITS = "() => document.documentElement.scrollWidth <= innerWidth"
OUTSIDE = "() => performance.getEntriesByType('resource').map(e => e.name).filter(n => !n.includes('//127.0.0.1:'))"
SAVED = """async (where, name) => {
    const kept = [], make = URL.createObjectURL;
    URL.createObjectURL = blob => { kept.push(blob); return make(blob); };
    const button = [...document.querySelectorAll(`${where} button`)].find(one => one.textContent === name);
    button.click();
    for (let i = 0; i < 200 && !kept.some(blob => blob.type === 'image/png'); i++) await new Promise(go => setTimeout(go, 20));
    URL.createObjectURL = make;
    return kept.map(blob => [blob.type, blob.size]);
}"""
ANSWER = """(where, number, choice) => {
    const form = document.querySelectorAll(where)[number];
    delete form.dataset.judged;
    const [radios, input] = [form.querySelectorAll('[type=radio]'), form.querySelector('[type=number]')];
    if (radios.length) radios[choice].click();
    else { input.value = choice; input.dispatchEvent(new Event('input', { bubbles: true })); }
    [...form.querySelectorAll('button')].find(one => one.textContent === 'Check').click();
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    path = tmp_path_factory.mktemp("site")
    built(path)
    return path


@pytest.fixture(scope="module")
def home(site):
    with serving(site) as address:
        yield address


@pytest.fixture(scope="module")
def page(tmp_path_factory, home):
    """Firefox with the first answer on its page."""
    with firefox(tmp_path_factory.mktemp("firefox")) as browser:
        browser.goto(home)
        browser.wait_for(HAS_ANSWERED)
        yield browser


def ask(page, home, options):
    """Ask by the fragment, as a link does, and wait for the figures."""
    if "/lesson" in page.evaluate("() => location.pathname"):
        page.goto(home)
        page.wait_for(HAS_ANSWERED)
    written = {name: str(value).lower() if value is True else value for name, value in options.items()}
    page.evaluate("text => { location.hash = text; }", "&".join(f"{k}={v}" for k, v in written.items()))
    page.wait_for(IS_ANSWERED)


@pytest.mark.parametrize("options", KINDS, ids=lambda options: "-".join(options))
def test_firefox_computes_what_the_terminal_computes(page, home, options):
    ask(page, home, options)
    holds(page, Scenario(**options))


def test_a_slider_is_moved_by_the_keyboard(page, home):
    ask(page, home, {"models": NET, "host": "raspberry-pi-4", "threads": 2})
    page.press("#threads", "\ue014")  # arrow to the right
    page.wait_for("() => location.hash.includes('threads=3')")
    page.wait_for(IS_ANSWERED)
    holds(page, Scenario(models=NET, host="raspberry-pi-4", threads=3))
    assert page.evaluate(FITS) and page.evaluate(OUTSIDE) == []


def test_dropped_files_are_read(page, home, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled = write_compiled(tmp_path / "mine_edgetpu.tflite")
    plain = tmp_path / "mine.tflite"
    write_model(chain("mine", conv(16, 3, 8), depthwise(16, 8)), plain)
    ask(page, home, {"models": NET, "threads": 2})
    for file in (compiled, plain):
        page.evaluate(DROP, [file.name, list(file.read_bytes())])
        page.wait_for("name => (document.body.dataset.answered ?? '').includes(name)", f"models={file.name}")
        holds(page, Scenario(models=file.name, threads=2))


def test_pictures_can_be_saved(page, home):
    ask(page, home, {"models": NET, "threads": 2})
    page.wait_for(IS_FINISHED)
    for where in ("#timeline", "#curve"):
        assert any(kind == "image/png" and size > 2000 for kind, size in page.evaluate(SAVED, where, "Save as PNG"))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_a_lesson_judges_and_shows_what_simulate_answers(page, home, lesson):
    page.goto(f"{home}lesson.html#{lesson.number}")
    page.wait_for("number => document.body.dataset.lesson === number", str(lesson.number))
    for number, question in enumerate(part for part in lesson.parts if hasattr(part, "solve")):
        judged(page, ".prediction", number, question)
    page.wait_for(
        "() => document.querySelector('.explored[data-shown]') && !document.querySelector('[aria-busy=true]')"
    )
    check_figures(page)
    for number, question in enumerate(lesson.exercises[:1]):
        judged(page, "#exercises .asked", number, question)
    assert page.evaluate(FITS)


def judged(page, where, number, question):
    """Answer right: the page says so."""
    right = question.solve().right
    given = question.choices.index(right) if isinstance(question, Choice) else repr(right)
    page.evaluate(ANSWER, where, number, given)
    page.wait_for("(where, number) => document.querySelectorAll(where)[number].dataset.judged", where, number)
    assert page.evaluate("(w, n) => document.querySelectorAll(w)[n].dataset.judged", where, number) == "right"


def test_the_teacher_s_sheet_and_the_list_open(page, home):
    page.goto(f"{home}lessons.html")
    page.wait_for("count => document.querySelectorAll('#lessons > li').length === count", len(LESSONS))
    page.goto(f"{home}teacher.html")
    page.wait_for("() => document.querySelector('#lessons summary')")
    page.evaluate("() => document.querySelector('#lessons summary').click()")
    page.wait_for("() => document.querySelector('[data-filled=done]')")
    assert page.evaluate(FITS)


def test_it_works_without_a_server_after_the_first_visit(tmp_path, site):
    with firefox(tmp_path) as browser:
        with serving(site) as home:
            browser.goto(home)
            browser.wait_for(HAS_ANSWERED)
            browser.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
        browser.goto(f"{home}?again#models=mobilenet_v1_0.25_128&threads=3")
        browser.wait_for(IS_ANSWERED)
        holds(browser, Scenario(models="mobilenet_v1_0.25_128", threads=3))
