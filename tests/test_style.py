"""The style targets that a machine can hold (docs/architecture.md), and that the measuring itself counts right."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "benchmarks"))
import style

SAMPLE = '''"""A module of
two lines of docstring."""


def area(width: float, height):
    """Product."""
    # a comment
    return width * height


class _Hidden:
    def method(self, x: int, *, y: int = 0) -> int:
        return x + y
'''
OVERLOAD = """from typing import overload


@overload
def f(x: int) -> int: ...
def f(x: int) -> int:
    '''Itself.'''
    return x
"""


@pytest.fixture
def sample(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(SAMPLE)
    return style.measure(["package"], tmp_path)


def test_lines_are_counted_as_by_hand(sample):
    assert sample.files == {"package/module.py": 13}
    assert (sample.doc_lines, sample.comment_lines, sample.code_lines) == (3, 1, 10)
    assert sorted(sample.functions) == [2, 4]
    assert sorted(sample.bodies.values()) == [2, 3]


def test_signatures_and_docstrings_are_counted_as_by_hand(sample):
    assert sample.parameters == [2, 2]
    assert sample.slots == 6
    assert sample.untyped == ["package/module.py:5 area(height)", "package/module.py:5 area"]
    assert sample.public == 2
    assert sample.undocumented == ["package/module.py:12 method"]


def test_an_overload_is_no_definition(tmp_path):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text(OVERLOAD)
    found = style.measure(["package"], tmp_path)
    assert (found.public, found.undocumented, len(found.functions)) == (1, [], 1)


def test_quantiles_are_ranks():
    assert [style.quantile(range(1, 101), share) for share in (0, 0.5, 0.95, 1)] == [1, 51, 95, 100]
    assert style.quantile([], 0.5) == 0


@pytest.fixture(scope="module")
def code():
    return style.measure(style.PACKAGES, style.CODE)


def test_functions_are_short(code):
    assert style.quantile(code.bodies.values(), 0.5) <= 6
    assert style.quantile(code.bodies.values(), 0.95) <= 25
    assert [where for where, body in code.bodies.items() if body > 60] == []


def test_files_are_short(code):
    lengths = {**code.files, **style.measure(style.TESTS).files}
    assert {name: lines for name, lines in lengths.items() if lines > 600} == {}


def test_every_public_name_has_a_docstring(code):
    assert code.undocumented == []


def test_every_parameter_and_result_is_typed(code):
    assert code.untyped == []


def test_the_page_has_the_figures_that_are_printed(capsys):
    style.main()
    printed = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()]
    page = (style.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").split("| figure | target | ours |")[1]
    assert [line.split("|")[1].strip() for line in page.splitlines()[2:]] == printed
