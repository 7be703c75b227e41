"""The source of a lesson's functions with all that they need, for a notebook that has the public API alone.

A function is taken over as it stands, and before it the functions and constants that it names. A constant whose own
source needs what is not public is written as its value.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

__all__ = ["Sources"]

OURS = "sim.lab."


class Found(NamedTuple):
    """Where a name is defined: its module, and the statement there."""

    module: ModuleType
    statement: ast.stmt


class Sources:
    """Hands out definitions, each of them once.

    Parameters
    ----------
    given
        Names that the notebook has already.
    """

    def __init__(self, given: set[str]) -> None:
        self.known = set(given)

    def of(self, function: Callable[..., Any]) -> str:
        """Return the definitions that a function needs and that were not handed out yet, itself the last."""
        module = importlib.import_module(function.__module__)
        text = "\n".join(self._define(module, function.__name__))
        return re.sub(r"\n{4,}", "\n\n\n", text).strip("\n")

    def _define(self, module: ModuleType, name: str) -> Iterator[str]:
        if name in self.known:
            return
        found = _statement(module, name)
        if found is None:
            return
        self.known.add(name)
        if isinstance(found.statement, ast.ImportFrom):
            yield _import_line(found, name)
            return
        needed = list(_names(found.statement))
        is_function = isinstance(found.statement, ast.FunctionDef)
        if not is_function and not all(_is_public(found.module, other) for other in needed):
            yield f"{name} = {getattr(found.module, name)!r}"
            return
        for other in needed:
            yield from self._define(found.module, other)
        yield f"\n\n{_text(found)}\n\n" if is_function else _text(found)


@cache
def _definitions(module: ModuleType) -> dict[str, ast.stmt]:
    """Name -> the statement at the top of a module that binds it."""
    found: dict[str, ast.stmt] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        for name in _bound(statement):
            found.setdefault(name, statement)
    return found


def _bound(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


def _statement(module: ModuleType, name: str) -> Found | None:
    """The statement that defines a name; through imports among the lessons to where it is defined."""
    statement = _definitions(module).get(name)
    if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith(OURS):
        return _statement(importlib.import_module(str(statement.module)), name)
    return Found(module, statement) if statement else None


def _text(found: Found) -> str:
    """The source of a statement, decorators included."""
    lines = inspect.getsource(found.module).splitlines()
    first = min([found.statement.lineno, *(d.lineno for d in getattr(found.statement, "decorator_list", []))])
    return "\n".join(line.removesuffix("  # fmt: skip") for line in lines[first - 1 : found.statement.end_lineno])


def _names(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement reads, in the order of the text, each once."""
    nodes = [node for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)]
    yield from dict.fromkeys(node.id for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)))


def _is_public(module: ModuleType, name: str) -> bool:
    """Whether a notebook can have a name: a constant or function of the lessons, the public API, or the library."""
    found = _statement(module, name)
    if found is None or not isinstance(found.statement, ast.ImportFrom):
        return True
    return name in _public_api() or str(found.statement.module).split(".")[0] in sys.stdlib_module_names


@cache
def _public_api() -> tuple[str, ...]:
    return tuple(importlib.import_module("edgetpusim").__all__)


def _import_line(found: Found, name: str) -> str:
    """The import of a name that is not a lesson's own: of the public API where it is there."""
    assert isinstance(found.statement, ast.ImportFrom)
    is_library = str(found.statement.module).split(".")[0] in sys.stdlib_module_names
    return f"from {found.statement.module if is_library else 'edgetpusim'} import {name}"
