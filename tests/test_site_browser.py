"""The static page in a real browser: it computes what a terminal computes, asks nobody else, and works offline.

Needs Playwright, a Chromium (``CHROMIUM``, or one on the path) and Pyodide's npm package: npm fetches it, or ``PYODIDE``
names the file. Skipped with a notice where one of them is missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest
from layers import chain, conv, depthwise
from lesson_page import axe_script, check_accessible, go_through, watched
from site_page import ARGUMENTS, CHROMIUM, DROP, KINDS, WAIT_MS, answered, ask, built, holds, serving
from virtual_files import write_compiled

from calibration.harness.tflite_writer import write_model
from sim import Scenario, advise, simulate
from sim.lab.catalogue import LESSONS

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: the page is not tested")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium): the page is not tested"),
    pytest.mark.filterwarnings("ignore"),
]
NETWORKS = [
    "mobilenet_v2_1.0_224", "mobilenet_v1_0.25_128", "efficientnet_edgetpu_s_224", "ssd_mobilenet_v2_coco_300",
    "resnet_50_v1_224", "conv5x3x3_f32_64x64", "inception_v3_299",
]  # fmt: skip
HOSTS = ["x86-xeon", "x86-desktop", "raspberry-pi-4", "raspberry-pi-5"]


def random_scenarios(count):
    """Set-ups that the page's controls can make."""
    chance = Random(20)
    for _ in range(count):
        yield {
            "models": chance.choice(NETWORKS), "threads": chance.randint(1, 8), "accelerators": chance.randint(1, 3),
            "host": chance.choice(HOSTS), "link": chance.choice(["usb2", "usb3"]),
            "preprocess": chance.choice(["none", "resize"]), "size": chance.choice(["coral", "small", "large"]),
        }  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The built site."""
    path = tmp_path_factory.mktemp("site")
    assert sum(built(path).values()) < 10e6, "over the wire, as no server has to compress it"
    return path


@pytest.fixture(scope="module")
def home(folder):
    with serving(folder) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        chromium.close()


def visit(browser, home, width=1280, **options):
    """Open the page of questions; return it as :func:`watched` does."""
    found = watched(browser, home, width, **options)
    found.page.goto(home)
    found.page.wait_for_selector("body[data-answered]", timeout=WAIT_MS)
    return found


@pytest.fixture(scope="module")
def seen(browser, home):
    found = visit(browser, home)
    yield found
    found.context.close()


@pytest.mark.parametrize("options", KINDS, ids=lambda options: "-".join(options))
def test_the_page_computes_what_the_terminal_computes(seen, options):
    ask(seen.page, options)
    holds(seen.page, Scenario(**options))


def test_random_set_ups_agree_to_the_last_digit(seen):
    for options in random_scenarios(10):
        ask(seen.page, options)
        holds(seen.page, Scenario(**options))


def test_what_is_shown_does_not_depend_on_what_was_asked_before(browser, home, seen):
    """Parts that stay are used again: after a mix, cameras, a refusal and notes an answer reads as on a fresh page."""
    options = {"models": "mobilenet_v2_1.0_224", "threads": 2, "host": "raspberry-pi-4"}
    fresh = visit(browser, home)
    expected = all_shown(fresh.page, options)
    fresh.context.close()
    for other in (*KINDS, {"models": "no_such_network"}):
        ask(seen.page, other)
    assert all_shown(seen.page, options) == expected


def all_shown(page, options):
    """Ask, wait for the last part of the answer, and return the texts of all parts."""
    ask(page, options)
    page.wait_for_function("() => document.body.dataset.finished === location.hash.slice(1)", timeout=WAIT_MS)
    shown = "[...document.querySelectorAll('#answer [id]')]"
    return page.evaluate(f"() => {shown}.map(({{ id, hidden, textContent }}) => [id, hidden, textContent])")


def test_sliders_and_menus_change_the_question(seen):
    page = seen.page
    ask(page, {"models": "mobilenet_v2_1.0_224", "host": "raspberry-pi-4", "inferences": 100})
    for _ in range(3):
        page.get_by_role("slider", name="Threads").press("ArrowRight")
    page.get_by_role("slider", name="Accelerators").press("ArrowRight")
    page.get_by_label("Before and after").select_option("resize")
    answered(page)
    expected = Scenario(
        models="mobilenet_v2_1.0_224", host="raspberry-pi-4", threads=4, accelerators=2, preprocess="resize",
        inferences=100,
    )  # fmt: skip
    holds(page, expected)
    for word in ("--threads 4", "--accelerators 2", "--host raspberry-pi-4", "--preprocess resize"):
        assert word in page.text_content("#command")  # below the screen nothing is laid out
    page.get_by_label("They come").select_option("cameras")
    page.get_by_role("slider", name="Cameras").press("Home")
    answered(page)
    holds(page, expected.with_options(cameras="1x5"))


def test_threads_that_a_mix_names_are_not_asked_for_twice(seen):
    slider = seen.page.get_by_role("slider", name="Threads")
    for models, named in (("mobilenet_v1_0.25_128:2,mobilenet_v2_1.0_224:1", True), ("mobilenet_v2_1.0_224", False)):
        ask(seen.page, {"models": models})
        assert slider.is_disabled() == named


def test_files_that_are_dropped_are_read(seen, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    compiled = write_compiled(tmp_path / "mine_edgetpu.tflite")
    plain = tmp_path / "mine.tflite"
    write_model(chain("mine", conv(16, 3, 8), depthwise(16, 8)), plain)
    ask(seen.page, {"models": "mobilenet_v2_1.0_224", "threads": 2})
    seen.page.evaluate(DROP, [compiled.name, list(compiled.read_bytes())])
    seen.page.wait_for_selector("body[data-answered*='mine_edgetpu.tflite']", timeout=WAIT_MS)
    holds(seen.page, Scenario(models=compiled.name, threads=2))
    seen.page.set_input_files("#file", plain)
    seen.page.wait_for_selector("body[data-answered*='mine.tflite']", timeout=WAIT_MS)
    holds(seen.page, Scenario(models=plain.name, threads=2))


def test_a_damaged_file_and_a_wrong_name_end_in_one_sentence(seen):
    seen.page.evaluate(DROP, ["broken.tflite", [1, 2, 3]])
    seen.page.wait_for_selector("#refused:not([hidden])", timeout=WAIT_MS)
    assert "broken.tflite" in seen.page.inner_text("#refused")
    ask(seen.page, {"models": "mobilenet_v9"})
    assert "did you mean" in seen.page.inner_text("#refused")
    ask(seen.page, {"models": "mobilenet_v2_1.0_224", "thread": 2})
    assert "did you mean 'threads'" in seen.page.inner_text("#refused")


def test_advice_is_the_simulator_s_and_a_step_can_be_taken(seen):
    options = {"models": "mobilenet_v2_1.0_224", "host": "raspberry-pi-4"}
    ask(seen.page, options)
    seen.page.wait_for_selector("body[data-finished]", timeout=WAIT_MS)
    steps = advise(Scenario(**options))["steps"]
    buttons = seen.page.locator("#advice button")
    assert buttons.all_inner_texts() == [step["change"] for step in steps]
    seen.page.get_by_text("Keep, to compare").click()
    buttons.first.click()
    answered(seen.page)
    holds(seen.page, Scenario(**options).with_options(**steps[0]["options"]))
    assert "kept:" in seen.page.inner_text("#figures")
    seen.page.get_by_text("Forget what was kept").click()
    assert "kept:" not in seen.page.inner_text("#figures")


def test_the_curve_has_a_run_for_each_number_of_threads(seen):
    ask(seen.page, {"models": "mobilenet_v2_1.0_224", "host": "raspberry-pi-5", "threads": 5})
    seen.page.wait_for_selector("body[data-finished]", timeout=WAIT_MS)
    seen.page.get_by_text("The same as a table").click()
    row = seen.page.locator("#curve tr", has=seen.page.get_by_role("rowheader", name="5", exact=True))
    rate = simulate(Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-5", threads=5)).summary["throughput_ips"]
    assert float(row.locator("td").first.inner_text()) == pytest.approx(rate, rel=1e-3)


def test_the_timeline_can_be_stepped_and_played(seen):
    page = seen.page
    ask(page, {"models": "mobilenet_v2_1.0_224", "threads": 2, "preprocess": "resize"})
    page.wait_for_selector("body[data-finished]", timeout=WAIT_MS)
    before = page.inner_text(".readout")
    page.get_by_role("button", name="Step", exact=True).click()
    stepped = page.inner_text(".readout")
    assert stepped != before and "thread 0" in stepped
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(200)
    page.get_by_role("button", name="Pause").click()
    assert page.inner_text(".readout") != stepped
    bars = page.locator("#timeline path[data-state]").evaluate_all("all => all.map(one => one.getAttribute('d'))")
    assert sum(path.count("M") for path in bars) > 10


def test_pictures_and_tables_can_be_saved(seen):
    page = seen.page
    options = {"models": "mobilenet_v2_1.0_224", "threads": 2}
    ask(page, options)
    page.wait_for_selector("body[data-finished]", timeout=WAIT_MS)
    page.locator("#curve details").evaluate("part => { part.open = true; }")
    rows = saved(page, "#curve", "Save as CSV").decode().split()
    rate = simulate(Scenario(**options), compare=False).summary["throughput_ips"]
    assert float(rows[2].split(",")[1]) == rate
    assert ET.fromstring(saved(page, "#timeline", "Save as SVG")).tag.endswith("svg")
    assert saved(page, "#timeline", "Save as PNG").startswith(b"\x89PNG")
    assert json.loads(saved(page, "body", "Save a trace"))["traceEvents"]
    assert json.loads(saved(page, "body", "Save the answer"))["throughput_ips"] == rate


def saved(page, where, button):
    """Bytes of the file that a button saves."""
    with page.expect_download(timeout=WAIT_MS) as waiting:
        page.locator(where).get_by_role("button", name=button).click()
    return Path(waiting.value.path()).read_bytes()


@pytest.fixture(scope="module")
def learner(browser, home):
    """A visitor of the lessons: one page, which starts Python once."""
    found = watched(browser, home)
    found.page.goto(f"{home}lesson.html")
    yield found
    found.context.close()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_a_lesson_lets_predict_and_shows_what_simulate_answers(learner, lesson):
    learner.page.evaluate("number => { location.hash = number; }", str(lesson.number))
    go_through(learner.page, lesson)
    assert (learner.outside, learner.complaints) == ([], [])


def test_the_teacher_s_sheet_computes_in_the_browser(learner, home):
    learner.page.goto(f"{home}teacher.html")
    learner.page.locator("#lessons summary").first.click()
    learner.page.wait_for_selector("[data-filled=done]")
    text = learner.page.locator("#lessons details").first.inner_text()
    assert all(question.solve().because.replace("`", "").replace("**", "") in text for question in LESSONS[0].quiz)
    assert (learner.outside, learner.complaints) == ([], [])


def test_nothing_was_asked_elsewhere_and_nothing_complained(seen):
    assert (seen.outside, seen.complaints) == ([], [])


def test_the_policy_lets_nothing_out(seen):
    """What the page's policy forbids is refused by the browser, for the page and for its worker."""
    found = seen.page.evaluate("fetch('https://example.org/').then(() => 'sent', () => 'refused')")
    assert found == "refused"
    assert any("Content Security Policy" in text for text in seen.complaints)


def test_it_works_without_a_server_after_the_first_visit(browser, home):
    found = visit(browser, home, width=390, color_scheme="dark")
    found.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    found.context.set_offline(True)
    found.page.goto(f"{home}#models=mobilenet_v1_0.25_128&threads=3")
    found.page.reload()
    found.page.wait_for_selector("body[data-answered*='mobilenet_v1_0.25_128']", timeout=WAIT_MS)
    holds(found.page, Scenario(models="mobilenet_v1_0.25_128", threads=3))
    assert found.page.evaluate("document.documentElement.scrollWidth") <= 391, "nothing sticks out sideways"
    assert (found.outside, found.complaints) == ([], [])
    found.context.close()


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return axe_script(tmp_path_factory.mktemp("axe"))


@pytest.mark.parametrize("fragment", ["", "models=mobilenet_v9"], ids=["answered", "refused"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_fault_of_accessibility_is_found(seen, axe, scheme, fragment):
    seen.page.emulate_media(color_scheme=scheme)
    ask(seen.page, dict([fragment.split("=")]) if fragment else {"models": "mobilenet_v2_1.0_224", "cameras": "2x5"})
    check_accessible(seen.page, axe)
