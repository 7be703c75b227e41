"""docs/architecture.md names every module once, where it is, and nothing that is not there."""

import pkgutil
import re
import tomllib
from collections import Counter
from pathlib import Path

import hwmodels

PAGE = (Path(__file__).parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
CODE = Path(hwmodels.__file__).parent.parent
MODULE = re.compile(r"`([a-z_0-9]+\.py)`")
LESSONS = [f"lesson_{number}.py" for number in range(2, 8)]


def sections():
    """(package, text) of the page's sections about packages."""
    parts = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    return {part.split(":")[0]: part for part in parts if part.split(":")[0] in ("hwmodels", "sim", "calibration")}


def folders(text):
    """(folder below the package, modules that the page names there)."""
    for line in text.splitlines():
        found = re.match(r"\| `([a-z]+)/` \|", line)
        if line.startswith("|"):
            yield (found[1] if found else "", MODULE.findall(line))


def named(package):
    return Counter(f"{folder}/{name}".lstrip("/") for folder, names in folders(sections()[package]) for name in names)


def there(package):
    paths = (path.relative_to(CODE / package) for path in (CODE / package).rglob("*.py"))
    return {str(path) for path in paths if path.name not in ("__init__.py", *LESSONS)}


def test_the_page_has_a_section_for_each_package():
    assert set(sections()) == {"hwmodels", "sim", "calibration"}


def test_every_module_is_named_once():
    for package in sections():
        found = named(package)
        assert set(found) == there(package), package
        assert [name for name, count in found.items() if count > 1] == []


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


def test_the_contract_names_every_module_that_simulates():
    """import-linter's rule of sim lists the modules of the folder itself: a new one must not slip through."""
    rules = tomllib.loads((DOCS.parent / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    (rule,) = [rule for rule in rules["contracts"] if rule["name"].startswith("the simulator knows neither")]
    modules = {f"sim.{path.stem}" for path in (CODE / "sim").glob("*.py") if path.stem != "__init__"}
    assert set(rule["source_modules"]) == modules
