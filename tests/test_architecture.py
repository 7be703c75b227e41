"""docs/architecture.md names every module and every test, where it is, and nothing that is not there."""

import ast
import pkgutil
import re
import tomllib
from collections import Counter
from pathlib import Path

import pytest

import hwmodels

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
CODE = Path(hwmodels.__file__).parent.parent
PACKAGES = ("hwmodels", "sim", "calibration")
ROW = re.compile(r"\| `([a-z_0-9]+\.py)` \| (.+) \|")


def sections():
    """(package, text) of the page's sections about packages."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return {part.split(":")[0]: part for part in parts if part.split(":")[0] in PACKAGES}


def rows(text):
    """(module, what it does) of the tables in a section; a heading names the folder of those that follow."""
    folder = text.split(":")[0]
    for line in text.splitlines():
        heading, row = re.match(r"### `([a-z_/]+)/`", line), ROW.match(line)
        folder = heading[1] if heading else folder
        if row:
            yield f"{folder}/{row[1]}", row[2]


def there(package):
    """The modules that a package has, by their path."""
    paths = (path.relative_to(CODE) for path in (CODE / package).rglob("*.py"))
    return {str(path) for path in paths if path.name != "__init__.py"}


def test_the_page_has_a_section_for_each_package():
    assert set(sections()) == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_module_is_named_once(package):
    found = Counter(name for name, _ in rows(sections()[package]))
    assert set(found) == there(package)
    assert [name for name, count in found.items() if count > 1] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_module_s_line_is_one_short_sentence(package):
    for name, words in rows(sections()[package]):
        assert words.endswith("."), name
        assert len(words.split()) <= 20, name


def test_places_to_add_things_exist():
    for path in re.findall(r"`((?:sim|hwmodels|calibration)/[\w/.]+)`", PAGE):
        assert (CODE / path).exists(), path


DOCS = Path(__file__).parent.parent / "docs"


def test_pages_that_the_code_refers_to_exist():
    for package in sections():
        for path in (CODE / package).rglob("*.py"):
            for page in re.findall(r"docs/([a-z-]+\.md)", path.read_text(encoding="utf-8")):
                assert (DOCS / page).is_file(), f"{path.name}: docs/{page}"


def test_names_that_pages_refer_to_exist():
    for page in (DOCS.parent / "README.md", *DOCS.glob("*.md")):
        for dotted in re.findall(
            r"`((?:sim|hwmodels|calibration)(?:\.[A-Za-z_]\w*)+)", page.read_text(encoding="utf-8")
        ):
            assert pkgutil.resolve_name(dotted) is not None, page.name


def test_the_contract_names_every_module_and_folder_of_sim():
    """import-linter's layers of sim list them all: a new one must not slip through."""
    rules = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (rule,) = [rule for rule in rules["contracts"] if rule["type"] == "layers" and "sim.machine" in rule["layers"]]
    names = [name.strip() for layer in rule["layers"] for name in layer.split("|")]
    inside = [path for path in (CODE / "sim").iterdir() if not path.name.startswith("_")]
    assert sorted(names) == sorted(f"sim.{path.stem}" for path in inside if path.is_dir() or path.suffix == ".py")


# Tests

TESTS = Path(__file__).parent
OWN = {path.stem.removeprefix("test_"): path for path in TESTS.glob("test_*.py")}
NAMED_TUPLE = ("_replace", "_asdict", "_fields", "_make")  # public, whatever they look like


def section(title):
    """The text of a section of the page."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


#: Test files that belong to no module, with their question.
QUESTIONS = dict(re.findall(r"\| `test_(\w+)\.py` \| ([^`|]*(?:`[^`]*`[^`|]*)*\?) \|", section("Tests")))
#: Modules that another file tests -> that file.
ELSEWHERE = {
    module: file
    for file, modules in re.findall(r"\| `test_(\w+)\.py` \| (`\w+/.+`) \|", section("Tests"))
    for module in re.findall(r"`([\w/]+\.py)`", modules)
}


def candidates(path):
    """Names that a module's test may have."""
    return {path.stem, f"{path.parent.name}_{path.stem}"}


def modules():
    """All modules of the packages, and the folders whose test has the folder's name."""
    return [CODE / name for package in PACKAGES for name in sorted(there(package))]


def test_every_test_is_named_for_a_module_or_asks_a_question_of_the_whole():
    names = {name for path in modules() for name in candidates(path)} | {path.parent.name for path in modules()}
    assert {name for name in OWN if name not in names} <= set(QUESTIONS)
    assert set(QUESTIONS) <= set(OWN), "a question without a test"


def test_every_module_has_a_test_of_its_name_or_one_that_the_page_names():
    without = [path for path in modules() if not candidates(path) & (set(OWN) - set(QUESTIONS))]
    assert {str(path.relative_to(CODE)) for path in without} <= set(ELSEWHERE)
    assert {file for file in ELSEWHERE.values() if file not in OWN} == set()
    assert {name for name in ELSEWHERE if not (CODE / name).is_file()} == set()


def test_a_test_is_of_one_module():
    """Of modules that share a name, all but one have their folder in front of their test's name, or are listed."""
    folders = {path.parent.name for path in modules()}
    for name in sorted((set(OWN) & {path.stem for path in modules()}) - set(QUESTIONS)):
        own = [
            path for path in modules()
            if path.stem == name and f"{path.parent.name}_{name}" not in OWN
            and str(path.relative_to(CODE)) not in ELSEWHERE
        ]  # fmt: skip
        assert len(own) == 1 or (name in folders and not own), (name, own)


PRIVATE = re.compile(rf"(?:{'|'.join(PACKAGES)})(?:\.\w+)*\._[a-z]\w*")  # as monkeypatch takes it


def private(name):
    return name.startswith("_") and not name.startswith("__") and name not in NAMED_TUPLE


def private_uses(tree):
    """Private names of others that a test imports, reads off something or names in a text."""
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names if private(alias.name))
        elif isinstance(node, ast.Attribute) and private(node.attr) and node.attr not in own:
            if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls", "os", "sys")):
                yield node.attr
        elif isinstance(node, ast.Constant) and PRIVATE.fullmatch(str(node.value)):
            yield node.value


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS)))
def test_no_test_uses_a_private_name(path):
    assert list(private_uses(ast.parse(path.read_text(encoding="utf-8")))) == []


SEEDED = """
from sim.engine import _Mark, run
run._close()
self._own, row._replace(a=1)
monkeypatch.setattr("sim.engine.PRIVATE", None)
"""


@pytest.mark.parametrize("name", ["_jitter"])  # apart from its module: this file is looked at too
def test_a_private_name_is_found(name):
    found = private_uses(ast.parse(SEEDED.replace("PRIVATE", name)))
    assert sorted(found) == ["_Mark", "_close", f"sim.engine.{name}"]
