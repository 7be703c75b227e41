"""Style figures of the code, printed: ``python tests/benchmarks/style.py``; ``tests/test_style.py`` holds the targets.

Lines of a file and of a function, whole and without its docstring ("body"); parameters without ``self`` and ``cls``;
shares of lines that are docstrings and comments; public names with a docstring; annotated parameters and returns; and
the lines of tests for a line of code, whole and with docstrings left out on both sides.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
# Tests of a wheel run away from the sources: then the installed packages are measured.
CODE = ROOT if (ROOT / "sim").is_dir() else Path(str(find_spec("sim").origin)).parent.parent  # type: ignore[union-attr]  # it is installed
PACKAGES = ("sim", "hwmodels", "calibration")
TESTS = ("tests",)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Figures:
    """Measured lengths (in lines), counts, and the names that miss something."""

    files: dict[str, int] = field(default_factory=dict)
    functions: list[int] = field(default_factory=list)
    bodies: dict[str, int] = field(default_factory=dict)
    parameters: list[int] = field(default_factory=list)
    doc_lines: int = 0
    comment_lines: int = 0
    public: int = 0
    undocumented: list[str] = field(default_factory=list)
    slots: int = 0
    untyped: list[str] = field(default_factory=list)

    @property
    def lines(self) -> int:
        """All lines."""
        return sum(self.files.values())

    @property
    def code_lines(self) -> int:
        """Lines that are no docstring."""
        return self.lines - self.doc_lines

    @property
    def doc_share(self) -> float:
        """Docstrings' share of all lines."""
        return self.doc_lines / self.lines


def quantile(values: Iterable[int], share: float) -> int:
    """Nearest-rank quantile; 0 of nothing."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))] if ordered else 0


def measure(folders: Sequence[str], root: Path = ROOT) -> Figures:
    """Measure every Python file below some folders."""
    found = Figures()
    for path in sorted(path for folder in folders for path in (root / folder).rglob("*.py")):
        _add_file(found, str(path.relative_to(root)), path.read_text(encoding="utf-8"))
    return found


def _add_file(found: Figures, name: str, text: str) -> None:
    lines = text.splitlines()
    found.files[name] = len(lines)
    found.comment_lines += sum(line.lstrip().startswith("#") for line in lines)
    tree = ast.parse(text)
    found.doc_lines += _doc_lines(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | Function) and not _is_overload(node):
            _add_definition(found, f"{name}:{node.lineno} {node.name}", node)


def _is_overload(node: ast.ClassDef | Function) -> bool:
    """Whether it only types another definition, which has the docstring."""
    return any(isinstance(one, ast.Name) and one.id == "overload" for one in node.decorator_list)


def _add_definition(found: Figures, where: str, node: ast.ClassDef | Function) -> None:
    length = _doc_lines(node)
    found.doc_lines += length
    if not node.name.startswith("_"):
        found.public += 1
        found.undocumented += [] if length else [where]
    if isinstance(node, Function):
        total = (node.end_lineno or node.lineno) - node.lineno + 1
        found.functions.append(total)
        found.bodies[where] = total - length
        _add_signature(found, where, node)


def _add_signature(found: Figures, where: str, node: Function) -> None:
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    own = [argument for argument in every if argument.arg not in ("self", "cls")]
    found.parameters.append(len(own))
    found.slots += len(own) + 1
    found.untyped += [f"{where}({argument.arg})" for argument in own if argument.annotation is None]
    found.untyped += [where] if node.returns is None else []


def _doc_lines(node: ast.Module | ast.ClassDef | Function) -> int:
    if ast.get_docstring(node, clean=False) is None:
        return 0
    first = node.body[0]
    return (first.end_lineno or first.lineno) - first.lineno + 1


def spread(values: Iterable[int]) -> str:
    """Median, 95th percentile and maximum."""
    found = list(values)
    return f"{quantile(found, 0.5)} / {quantile(found, 0.95)} / {max(found)}"


def rows(code: Figures, tests: Figures) -> Iterator[tuple[str, str, str]]:
    """Yield (figure, target, ours), the rows of the table in docs/architecture.md."""
    yield "files / lines", "", f"{len(code.files)} / {code.lines:,}"
    yield "file: median / p95 / max lines", "400, at most 600", spread(code.files.values())
    yield "function: median / p95 / max lines", "", spread(code.functions)
    yield "body: median / p95 / max lines", "6 / 25 / 60", spread(code.bodies.values())
    yield "parameters: median / p95 / max", "p95 4", spread(code.parameters)
    yield (
        "docstrings / comments, of all lines",
        "25 to 35 %",
        f"{code.doc_share:.0%} / {code.comment_lines / code.lines:.0%}",
    )
    yield "public names with a docstring", "100 %", f"{1 - len(code.undocumented) / code.public:.1%}"
    yield "typed parameters and results", "100 %", f"{1 - len(code.untyped) / code.slots:.1%}"
    yield "test lines / code lines", "1", f"{tests.lines / code.lines:.2f}"
    yield "the same, docstrings left out", "", f"{tests.code_lines / code.code_lines:.2f}"
    yield "test file: median / p95 / max lines", "at most 600", spread(tests.files.values())
    yield "test function: median / p95 / max lines", "median 10", spread(tests.functions)


def main() -> None:
    """Print the table."""
    for row in rows(measure(PACKAGES, CODE), measure(TESTS)):
        print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
