"""Structure figures of the code, printed: ``python tests/benchmarks/structure.py``; ``tests/test_style.py`` holds them.

They count definitions, not lines. A fact that stands twice will disagree one day, so each of these has a number that
must not grow: circles of imports, tables of operator names, places that ask what a stage is, second definitions of a
shared bus, of the answer's keys and of a part with numbers replaced, and the modules in the root of ``sim``.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import style

STAGES = frozenset(["AcceleratorStage", "CpuStage"])
PARTS = frozenset(["Part", "Self", "P", "Accelerator", "Host", "Link", "Board", "Compiler"])
#: Keys of the answer: a dictionary with so many of them is a definition of the answer.
ANSWER = frozenset([
    "throughput_ips", "latency_ms", "invoke_ms", "energy_mj_per_inference", "power_w", "utilisation",
    "time_breakdown_ms", "bottleneck", "interval90", "steady", "warnings",
])  # fmt: skip
LEAST_KEYS = 4
LEAST_OPERATORS = 3  # names of operators in one table of a module

Trees = Mapping[str, ast.Module]


def trees(folders: Sequence[str] = style.PACKAGES, root: Path = style.CODE) -> dict[str, ast.Module]:
    """Return the syntax tree of every module below some folders, by its path."""
    paths = sorted(path for folder in folders for path in (root / folder).rglob("*.py"))
    return {str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8")) for path in paths}


def _module(path: str) -> str:
    name = path.removesuffix(".py").replace("/", ".")
    return name.removesuffix(".__init__")


def _imports(tree: ast.Module, known: Iterable[str]) -> Iterator[str]:
    """Modules that a module imports, wherever in it: inside functions and for types as well."""
    names = set(known)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names} & names
            yield from inner or ({node.module} & names)


def import_circles(code: Trees) -> list[list[str]]:
    """Return the groups of modules that import each other, however far round; packages' own files only name others."""
    known = {_module(path): tree for path, tree in code.items() if not path.endswith("__init__.py")}
    graph = {name: set(_imports(tree, known)) - {name} for name, tree in known.items()}
    reach = {name: _reachable(graph, name) for name in graph}
    circles = {tuple(sorted(b for b in reach[a] if a in reach[b])) for a in graph if a in reach[a]}
    return [list(circle) for circle in sorted(circles)]


def _reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    todo = list(graph[start])
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen


def operators() -> frozenset[str]:
    """Return the names of TFLite's built-in operators."""
    from tflite.BuiltinOperator import BuiltinOperator

    return frozenset(name for name in vars(BuiltinOperator) if name.isupper())


def operator_tables(code: Trees) -> dict[str, int]:
    """Return by module the tables at its top level that name operators."""
    known, found = operators(), Counter[str]()
    for path, tree in code.items():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
                texts = (n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant))
                words = {word for text in texts if isinstance(text, str) for word in text.split()}
                found[path] += len(words & known) >= LEAST_OPERATORS
    return {path: count for path, count in found.items() if count}


def _places(code: Trees, is_place: object) -> list[str]:
    return [f"{path}:{node.lineno}" for path, tree in code.items() for node in ast.walk(tree) if is_place(node)]  # type: ignore[operator]  # nodes of one kind


def stage_questions(code: Trees) -> list[str]:
    """Return the places that ask by ``isinstance`` which kind of stage something is."""

    def asks(node: ast.AST) -> bool:
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance"
        return is_call and bool(STAGES & {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)})  # type: ignore[attr-defined]  # nodes of one kind

    return _places(code, asks)


def shared_bus_definitions(code: Trees) -> list[str]:
    """Return the places that read whether a link is shared; everybody else asks ``Setup.buses``."""
    reads = _places(code, lambda n: isinstance(n, ast.Attribute) and n.attr == "shared" and isinstance(n.ctx, ast.Load))
    return [place for place in reads if not place.startswith("hwmodels/link.py")]


def answer_definitions(code: Trees) -> list[str]:
    """Return the dictionaries that spell out the answer's keys."""

    def spells(node: ast.AST) -> bool:
        keys = [key.value for key in node.keys if isinstance(key, ast.Constant)] if isinstance(node, ast.Dict) else []
        return len(ANSWER.intersection(keys)) >= LEAST_KEYS

    return _places(code, spells)


def override_definitions(code: Trees) -> list[str]:
    """Return the functions that replace numbers of a part by key."""

    def overrides(node: ast.AST) -> bool:
        if not isinstance(node, ast.FunctionDef):
            return False
        named = {n.id for a in _annotations(node) for n in ast.walk(a) if isinstance(n, ast.Name)}
        return bool(named & PARTS) and any(_replaces_by_key(call) for call in ast.walk(node))

    return _places(code, overrides)


def _annotations(node: ast.FunctionDef) -> Iterator[ast.AST]:
    every = [a.annotation for a in (*node.args.args, *node.args.kwonlyargs)]
    yield from (annotation for annotation in (*every, node.returns) if annotation is not None)


def _replaces_by_key(node: ast.AST) -> bool:
    is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "replace"
    return is_call and any(keyword.arg is None for keyword in node.keywords)  # type: ignore[attr-defined]  # nodes of one kind


def root_modules(code: Trees, package: str = "sim") -> list[str]:
    """Return the modules that lie in the root of a package."""
    return [path for path in code if path.startswith(f"{package}/") and path.count("/") == 1]


def by_family(tables: Mapping[str, int]) -> dict[str, int]:
    """Return the tables of operators of each family: a folder of ``hwmodels``, or the module itself elsewhere."""
    found: dict[str, int] = defaultdict(int)
    for path, count in tables.items():
        parts = path.split("/")
        found[parts[1] if parts[0] == "hwmodels" and len(parts) > 2 else path] += count
    return dict(found)


def rows(code: Trees) -> Iterator[tuple[str, str, str]]:
    """Yield (figure, target, ours)."""
    tables = ", ".join(f"{name} {count}" for name, count in sorted(by_family(operator_tables(code)).items()))
    yield "import circles", "0", str(len(import_circles(code)))
    yield "tables of operator names", "1 a family", tables
    yield "isinstance on stages", "at most 5", str(len(stage_questions(code)))
    yield "definitions of a shared bus", "1", str(len(shared_bus_definitions(code)))
    yield "definitions of the answer's keys", "1", str(len(answer_definitions(code)))
    yield "definitions of a part override", "1", str(len(override_definitions(code)))
    yield "modules in the root of sim", "at most 12", str(len(root_modules(code)))


def main() -> None:
    """Print the table, and where each thing stands."""
    code = trees()
    for row in rows(code):
        print(f"| {' | '.join(row)} |")
    print(*import_circles(code), *stage_questions(code), *shared_bus_definitions(code), sep="\n")
    print(*answer_definitions(code), *override_definitions(code), operator_tables(code), sep="\n")


if __name__ == "__main__":
    main()
