"""Lessons as plain pages that stand alone."""

from __future__ import annotations

import re
from html import unescape

import pytest

from hwmodels.errors import InputError
from sim import simulate
from sim.lab import kit
from sim.lab.catalogue import LESSONS
from sim.lab.export import export_lessons
from sim.lab.lesson import Choice, Explore, Fact, Figures, Number, Table, Text
from sim.lab.printed import marked, paragraphs, part_html


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The exported files by name."""
    paths = export_lessons(tmp_path_factory.mktemp("export") / "pages")
    return {path.name: path for path in paths}


def test_there_is_a_list_and_a_page_for_each_lesson(pages):
    assert {"index.html", *(f"lesson_{lesson.number}.html" for lesson in LESSONS)} <= set(pages)
    assert {f"lesson_{lesson.number}.ipynb" for lesson in LESSONS} <= set(pages)
    text = unescape(pages["index.html"].read_text(encoding="utf-8"))
    assert all(lesson.title in text for lesson in LESSONS)


def test_a_page_stands_alone(pages):
    for name, path in pages.items():
        text = path.read_text(encoding="utf-8")
        if name.endswith(".html"):
            assert "<script" not in text
            assert re.findall(r"https?://(?!www\.w3\.org)\S+", text) == []
            for target in re.findall(r"href='([^'#:]+)'", text):
                assert (path.parent / target).exists(), target


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: f"lesson_{lesson.number}")
def test_a_page_has_every_question_with_its_answer_and_exact_figures(pages, lesson):
    text = pages[f"lesson_{lesson.number}.html"].read_text(encoding="utf-8")
    asked = [part for part in lesson.parts if isinstance(part, Choice | Number)]
    for question in (*asked, *lesson.exercises, *lesson.quiz):
        assert marked(question.ask) in text and marked(question.solve().because) in text
    for part in (part for part in lesson.parts if isinstance(part, Explore)):
        views = part.show({control.name: control.start for control in part.controls})
        for view in (view for view in views if isinstance(view, Figures)):
            summary = simulate(kit.working(view.scenario)).summary
            assert all(f"data-figure='{key}' data-value='{kit.value(summary, key)!r}'" in text for key in view.keys)
    assert "<svg" in text and text.count("<details>") == len(asked) + len(lesson.exercises) + len(lesson.quiz)


def test_the_little_of_markdown_becomes_html():
    assert marked("`a < b` is **not** c") == "<code>a &lt; b</code> is <b>not</b> c"
    assert paragraphs("### One\n\ntwo\nthree\n\n- four\n  five\n- six") == (
        "<h3>One</h3>\n<p>two\nthree</p>\n<ul><li>four five</li><li>six</li></ul>"
    )


def test_parts_are_escaped():
    assert part_html(Text("<b>")) == "<p>&lt;b&gt;</p>"
    assert "&lt;i&gt;" in part_html(Fact("<i>", "a book", lambda: "It says 3."))
    table = Explore((), lambda _: [Table(("a",), (("<u>",), (1.23456,)))])
    assert "<td>&lt;u&gt;</td>" in part_html(table) and "<td>1.235</td>" in part_html(table)


def test_an_export_to_a_bad_place_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="folder"):
        export_lessons(tmp_path / "file")
