"""A lesson in a browser, gone through as a reader does; for the tests of the site and of the lab."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from types import SimpleNamespace
from typing import Any

import pytest
from site_page import WAIT_MS

from sim import Scenario, simulate
from sim.lab.lesson import Choice, Explore, Slider

AXE = "axe-core@4.14.1"
READ = """() => [...document.querySelectorAll('[data-scenario]')].map(block => [
    block.dataset.scenario,
    Object.fromEntries([...block.querySelectorAll('[data-figure]')].map(e => [e.dataset.figure, e.dataset.value]))
])"""


def watched(browser: Any, home: str, width: int = 1280, **options: Any) -> SimpleNamespace:
    """A new page; with what it asks for elsewhere and what its console complains about."""
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    context.set_default_timeout(WAIT_MS)
    page, outside, complaints = context.new_page(), [], []
    page.on("request", lambda r: outside.append(r.url) if not r.url.startswith((home, f"blob:{home}")) else None)
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return SimpleNamespace(page=page, context=context, outside=outside, complaints=complaints)


def go_through(page: Any, lesson: Any) -> None:
    """Predict wrong, then right; look; move a control; do the first exercise. The page shows the lesson already."""
    page.wait_for_selector(f"body[data-lesson='{lesson.number}']")
    assert page.locator(".explored").all_inner_texts() and not page.locator(".explored").first.is_visible()
    predicted(page, lesson)
    for index, part in enumerate(part for part in lesson.parts if isinstance(part, Explore)):
        shown = page.locator(".explored[data-shown]").nth(index)
        shown.wait_for()
        check_figures(page)
        moved(shown, part)
        check_figures(page)
    if lesson.exercises:
        question = lesson.exercises[0]
        assert answered(page.locator("#exercises .asked").first, question, question.solve().right) == "right"


def predicted(page: Any, lesson: Any) -> None:
    """Answer each question before the controls; the first one wrong before it is right."""
    questions = [part for part in lesson.parts if hasattr(part, "solve")]
    for number, question in enumerate(questions):
        form, right = page.locator(".prediction").nth(number), question.solve().right
        if isinstance(question, Choice):
            wrong = next(choice for choice in question.choices if choice != right)
            assert answered(form, question, wrong) == "wrong"
            assert right.replace("`", "").replace("**", "") in form.locator(".verdict").inner_text()
        assert answered(form, question, right) == "right"


def answered(form: Any, question: Any, given: Any) -> str:
    """Give an answer; return whether the page calls it right or wrong."""
    if isinstance(question, Choice):
        form.get_by_role("radio").nth(question.choices.index(given)).check()
    else:
        form.get_by_role("spinbutton").fill(repr(given))
    form.evaluate("form => delete form.dataset.judged")
    form.get_by_role("button", name="Check").click()
    form.page.wait_for_function("form => form.dataset.judged", arg=form.element_handle())
    return form.get_attribute("data-judged")


def moved(shown: Any, part: Explore) -> None:
    """Move one slider and one menu to another end, and wait for what the simulator says."""
    values = {control.name: control.start for control in part.controls}
    sliders = [control for control in part.controls if isinstance(control, Slider)]
    menus = [control for control in part.controls if not isinstance(control, Slider)]
    for place, control in enumerate(sliders[:1]):
        is_top = control.start == control.values[-1]
        shown.locator(".controls").get_by_role("slider").nth(place).press("Home" if is_top else "End")
        values[control.name] = control.values[0 if is_top else -1]
    for place, control in enumerate(menus[:1]):
        values[control.name] = next(choice for choice in reversed(control.choices) if choice != control.start)
        shown.locator(".controls").get_by_role("combobox").nth(place).select_option(values[control.name])
    script = "([box, values]) => box.dataset.shown === JSON.stringify(values) && !box.querySelector('[aria-busy=true]')"
    shown.page.wait_for_function(script, arg=[shown.element_handle(), values])
    assert shown.locator(".refused").is_hidden()


def check_figures(page: Any) -> None:
    """Every figure on the page is that of ``simulate`` for its scenario, to the last digit."""
    blocks = page.evaluate(READ)
    for options, figures in blocks:
        summary = simulate(Scenario(**json.loads(options))).summary
        for key, value in figures.items():
            expected: Any = summary
            for part in key.split("."):
                expected = expected[part]
            assert (None if value == "null" else float(value)) == expected, key
    assert sum(len(figures) for _, figures in blocks) >= 3


def axe_script(folder: Any) -> str:
    """Deque's checker of accessibility, from npm; a test without it is skipped."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm here: accessibility is not checked")
    words = [npm, "pack", AXE, "--silent", "--pack-destination", str(folder)]
    if subprocess.run(words, capture_output=True, check=False, timeout=120).returncode:
        pytest.skip(f"npm does not give {AXE}: accessibility is not checked")
    with tarfile.open(next(folder.glob("*.tgz"))) as package:
        return package.extractfile("package/axe.min.js").read().decode()


def check_accessible(page: Any, script: str) -> None:
    """No fault of accessibility is found on the page as it is, serious or not."""
    page.evaluate(script)
    faults = page.evaluate("axe.run().then(found => found.violations)")
    assert [(one["impact"], one["id"], one["nodes"][0]["target"]) for one in faults] == []
