"""The version that answers name is the project's own."""

import tomllib
from pathlib import Path

from hwmodels.version import program_version


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert program_version() == project["version"]
