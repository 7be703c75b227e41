"""The command ``edgetpusim compare``, added to the command line by :func:`register`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from hwmodels.errors import InputError
from sim.commands.options import InGroups, scenario_command

__all__ = ["register", "scenario_of"]

LEAST, MOST = 2, 8


def register(app: typer.Typer) -> None:
    """Add ``compare`` to a typer application."""
    app.command(context_settings={"ignore_unknown_options": True})(compare)  # a set-up begins with dashes


def compare(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As of run; every set-up runs it.")],
    setups: Annotated[
        list[str] | None, typer.Argument(metavar='"OPTIONS"...', help="Options of run, a text each set-up.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Set-ups side by side: which figures differ, and why.

    Example: edgetpusim compare mobilenet_v2_1.0_224 "--threads 1" "--threads 4" "--threads 4 --accelerators 2"
    """
    from sim.views.comparison import compare as side_by_side

    setups = setups or []
    if any(text and not text.startswith("-") for text in setups):
        raise InputError.problem("compare", "takes each set-up as one text in quotes", quoted(model, setups))
    if not LEAST <= len(setups) <= MOST:
        what = f"takes {LEAST} to {MOST} set-ups and was given {len(setups)}"
        raise InputError.problem("compare", what, 'give each a text of options, such as "" "--threads 4"')
    found = side_by_side([scenario_of(model, text) for text in setups])
    if as_json:
        print(json.dumps(found, indent=1))
        return
    from sim.commands.run_tables import print_comparison

    print_comparison(setups, found)


def quoted(model: str, words: Sequence[str]) -> str:
    """Return the command that was meant by options without quotes: a set-up begins where an option comes again."""
    groups: list[list[str]] = [[]]
    for word in (part for text in words for part in text.split()):
        if word in groups[-1] and word.startswith("-"):
            groups.append([])
        groups[-1].append(word)
    texts = [" ".join(group) for group in groups if group[:1] and group[0].startswith("-")]
    texts = texts if len(texts) > 1 else ["", *(texts or ["--threads 4"])]
    return " ".join(["edgetpusim compare", model, *(f'"{text}"' for text in texts)])


def scenario_of(model: str, text: str) -> Any:
    """Return the scenario that ``edgetpusim run MODEL`` with these options runs.

    Raises :class:`InputError`, or typer's own error, for options that are none.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        raise InputError.problem(f"the set-up {text}", "has quotes that do not close", "close the quotes") from None
    found: list[Any] = []

    def keep(scenario: Any) -> None:
        """Take what the options make."""
        found.append(scenario)

    app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.command(cls=InGroups)(scenario_command(keep))
    app([model, *words], standalone_mode=False)
    return found[0]
