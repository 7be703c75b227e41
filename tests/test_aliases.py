"""The alias table: every name leads to a network, or says why it does not."""

import csv
from pathlib import Path

import pytest

from hwmodels.errors import InputError
from hwmodels.generated import generate

ROOT = Path(__file__).resolve().parents[1]
ZOO = ROOT / "traces" / "zoo"
MEASUREMENTS = ROOT.parent / "shared" / "data" / "edgetpu"

#: How the note of a name that is not one CNN begins.
NO_NETWORK = ("no CNN", "no network", "pair")


def table() -> list[dict[str, str]]:
    with (ZOO / "aliases.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def is_generated(name: str) -> bool:
    try:
        return generate(name) is not None
    except InputError:
        return False


def exists(name: str) -> bool:
    return (ZOO / f"{name}.json").is_file() or is_generated(name)


def measured(column: str) -> set[str]:
    names: set[str] = set()
    for path in sorted(MEASUREMENTS.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            names.update(row.get(column) or "" for row in csv.DictReader(file))
    return names - {""}


def test_every_alias_leads_to_a_network() -> None:
    assert [row["alias"] for row in table() if row["name"] and not exists(row["name"])] == []


def test_a_name_without_a_network_has_a_reason() -> None:
    assert [row["alias"] for row in table() if not row["name"] and not row["note"]] == []


def test_aliases_are_unique_and_no_zoo_names() -> None:
    aliases = [row["alias"] for row in table()]
    assert len(aliases) == len(set(aliases))
    assert [alias for alias in aliases if (ZOO / f"{alias}.json").is_file()] == []


def test_pairs_name_networks() -> None:
    for row in table():
        if row["note"].startswith("pair: "):
            both = row["note"].removeprefix("pair: ").split(",")[0].split(" and ")
            assert len(both) == 2, row
            assert all(map(exists, both)), row


@pytest.mark.skipif(not MEASUREMENTS.is_dir(), reason="the measurement files are not at hand")
@pytest.mark.parametrize("column", ["model", "model_file"])
def test_measured_names_are_in_the_zoo_or_in_the_table(column: str) -> None:
    known = {row["alias"] for row in table()}
    assert sorted(name for name in measured(column) if name not in known and not exists(name)) == []


@pytest.mark.skipif(not MEASUREMENTS.is_dir(), reason="the measurement files are not at hand")
def test_at_least_90_percent_of_the_measured_cnns_resolve() -> None:
    rows = {row["alias"]: row for row in table()}
    named = {name for name in measured("model") if not is_generated(name)}
    networks = [name for name in named if not rows.get(name, {"note": ""})["note"].startswith(NO_NETWORK)]
    resolved = [name for name in networks if exists(name) or rows.get(name, {"name": ""})["name"]]
    assert len(resolved) >= 0.9 * len(networks)
