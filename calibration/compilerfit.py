"""Fit of the compiler model's program coefficients to compiled files: ``python -m calibration.compilerfit``.

A program's size is linear in its coefficients, so each is worth what it adds to a program for every unit: the table of
these slopes is the whole problem. Residuals are relative errors. A number that versions of the compiler have in common
is one parameter; a number of 0 says that a version has no such code, and stays,
like one that was measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.compiled import executable_of, generation
from calibration.setups import Skip
from calibration.solver import Array, Parameter, Search, Solution, solve
from calibration.tables import FOLDER, read_table
from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.coefficients import load_compiler
from hwmodels.edgetpu.instructions import instruction_bytes
from hwmodels.networks.graph import Layer

__all__ = ["COEFFICIENTS", "Program", "fit", "programs", "report"]

#: Coefficients of the main program that several compiled files tell.
COEFFICIENTS = (
    "header_bytes", "conv_bytes", "depthwise_bytes", "side_bytes", "uneven_halo_bytes", "other_op_bytes",
        "dense_bytes_per_input", "overflow_bytes", "softmax_bytes",
)  # fmt: skip
STEP = 1 << 20  # large against the whole instructions to which a program is rounded
MARGIN = 0.1  # relative error beyond which a file counts less and less


@dataclass(frozen=True)
class Program:
    """A compiled file's main program: its mapped layers, the version that wrote it, and its bytes."""

    name: str
    layers: tuple[Layer, ...]
    compiler: str
    n_bytes: int

    def modelled(self, **numbers: float) -> int:
        """Bytes of the program by the model, with numbers of the version replaced."""
        version = load_compiler(self.compiler).with_numbers(numbers, "a fit")
        return instruction_bytes(self.layers, load_accelerator("coral"), version)


def programs() -> list[Program]:
    """Return the distinct programs of ``compiled_models.csv`` whose network can be built here."""
    found: dict[tuple[str, str, int], Program] = {}
    for _, record in read_table(FOLDER / "compiled_models.csv")[1]:
        try:
            executable = executable_of(record)
        except Skip:
            continue
        layers = tuple(plan.layer for plan in executable.plans if not plan.reason)
        one = Program(executable.name, layers, generation(record), int(record["instr_bytes_main"]))
        if layers and one.n_bytes:
            found.setdefault((executable.token, one.compiler, one.n_bytes), one)
    return list(found.values())


def fit(rows: Sequence[Program], robust: bool = True) -> Solution:
    """Return the coefficients that explain the programs best; parameters are named ``conv_bytes 2020 2021``.

    Parameters
    ----------
    rows
        Of any versions.
    robust
        Whether programs beyond a relative error of :data:`MARGIN` count less and less.
    """
    names = parameters_of({row.compiler for row in rows})
    slopes = np.array([[_slope(row, name) for name in names] for row in rows])
    start = np.array(list(names.values()))
    measured = np.array([row.n_bytes for row in rows], np.float64)
    rest = np.array([row.modelled() for row in rows]) - slopes @ start

    def residuals(x: Array) -> Array:
        """Relative errors in units of the margin."""
        return np.asarray((rest + slopes @ x - measured) / measured / MARGIN, np.float64)

    free = [Parameter(name, value, low=0.0, size=value) for name, value in names.items()]
    return solve(residuals, free, Search("soft_l1" if robust else "linear", tolerance=1e-12))


def parameters_of(versions: set[str]) -> dict[str, float]:
    """Shipped value by ``coefficient version ...``: versions with the same number share it."""
    found: dict[tuple[str, float], list[str]] = {}
    for version in sorted(versions):
        part = load_compiler(version)
        for key in COEFFICIENTS:
            if getattr(part, key) and part.quantities[key].status == "fitted":
                found.setdefault((key, float(getattr(part, key))), []).append(version)
    return {" ".join((key, *names)): value for (key, value), names in found.items()}


def _slope(row: Program, name: str) -> float:
    key, *versions = name.split()
    if row.compiler not in versions:
        return 0.0
    value = getattr(load_compiler(row.compiler), key)
    return (row.modelled(**{key: value + STEP}) - row.modelled()) / STEP


def report(rows: Sequence[Program]) -> str:
    """Return the coefficients as a table: as shipped, as fitted here, and the standard error."""
    solution = fit(rows)
    shipped = parameters_of({row.compiler for row in rows})
    errors = [row.modelled() / row.n_bytes - 1 for row in rows]
    lines = [
        f"{name:40s} {shipped[name]:10.6g} {solution.values[name]:10.6g} {error:10.3g}"
        for name, error in zip(shipped, solution.std_errors, strict=True)
    ]
    head = f"{'coefficient and versions':40s} {'shipped':>10s} {'fitted':>10s} {'std error':>10s}"
    return "\n".join([f"{len(rows)} programs, median error as shipped {np.median(np.abs(errors)):.1%}", head, *lines])


if __name__ == "__main__":
    print(report(programs()))
