"""Shell completion: what a word on the command line may become. Nothing here is read unless a shell asks."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

__all__ = ["Completer", "complete_model", "completer_of", "is_asked_for"]

#: What is typed so far -> whole words. (The one parameter's name is typer's.)
Completer = Callable[[str], list[str]]
#: Options that name parts -> the kind of part.
KINDS = {"size": "accelerator", "link": "link", "host": "host", "compiler": "compiler"}
#: What the shell sets when it asks, and the options that write its script.
ASKS = "_EDGETPUSIM_COMPLETE"
OPTIONS = ("--install-completion", "--show-completion", "-h", "--help")


def is_asked_for() -> bool:
    """Whether this run completes a word, sets completion up, or shows the help that names it."""
    return ASKS in os.environ or len(sys.argv) < 2 or sys.argv[1] in OPTIONS or sys.argv[1].startswith(OPTIONS[:2])


def completer_of(name: str, choices: tuple[str, ...] = ()) -> Completer | None:
    """Return what completes an option's value: names of parts or its words; None where neither is known."""
    if name in KINDS:
        return lambda incomplete: _parts(KINDS[name], incomplete)
    return (lambda incomplete: _beginning(choices, incomplete)) if choices else None


def complete_model(incomplete: str) -> list[str]:
    """Complete the last network of MODEL: a name of the zoo, one of the user's own, or a file."""
    from hwmodels.networks.zoo import names

    before, last = _last(incomplete)
    files = sorted(str(path) for path in Path().glob(f"{last}*") if path.is_dir() or path.suffix == ".tflite")
    return [before + word for word in (*_beginning(names(), last), *files)]


def _last(typed: str) -> tuple[str, str]:
    """Split what is typed after its last separator of networks."""
    at = max(typed.rfind(mark) for mark in ",+>") + 1
    return typed[:at], typed[at:]


def _parts(kind: str, typed: str) -> list[str]:
    """Names of parts; a comma list is completed at its end."""
    from hwmodels.parts import aliases, part_names

    before, last = _last(typed)
    short = [alias for alias in aliases(kind) if " " not in alias] if last else []
    return [before + word for word in _beginning([*part_names(kind), *short], last)]


def _beginning(words: Iterable[str], typed: str) -> list[str]:
    return [word for word in words if word.startswith(typed)]
