"""Compiled files of our own writer, for the virtual accelerators: small, and with times in round numbers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from layers import like

from calibration.harness.darwinn_writer import Program, compiled_graph, package
from calibration.harness.tflite_writer import write_model
from sim.virtual.planfile import Settings
from sim.virtual.session import Session

LITERT = "ai_edge_litert.interpreter"
NO_LITERT = "no interpreter: pip install '.[measure]'"

#: What every program of the tests begins with: ``make(file, device)`` is an interpreter on a virtual device.
HEAD = """
import sys, threading, time
from ai_edge_litert.interpreter import Interpreter, load_delegate
def make(file, device=""):
    delegate = load_delegate("libedgetpu.so.1", {"device": device})
    interpreter = Interpreter(model_path=file, experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    return interpreter
"""


def write_compiled(
    path: Path, *tail: Any, shape: tuple[int, ...] = (1, 8, 8, 3), result: tuple[int, ...] = (1, 10), **program: Any
) -> Path:
    """A compiled file: 150,000 cycles (0.3 ms) of compute where nothing else is said."""
    numbers = {"token": 1, "estimated_cycles": 100_000, **program}
    graph = compiled_graph(path.stem, shape, result, *tail)
    write_model(graph, path, programs={0: package(Program(**numbers), graph.layers[0])})
    return path


def write_other(path: Path) -> Path:
    """A network with another token, twice as long, whose result a CPU operator reads."""
    return write_compiled(path, like("SOFTMAX", (1, 10)), token=2, estimated_cycles=200_000, seed=2)


def run(session: Session, code: str, *arguments: object, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a piece of Python against a session."""
    pytest.importorskip(LITERT, reason=NO_LITERT)
    command = [sys.executable, "-c", HEAD + code, *map(str, arguments)]
    environment = {**session.environment(), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


def done(session: Session, code: str, *arguments: object) -> str:
    """The output of a piece of Python that must succeed."""
    finished = run(session, code, *arguments)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


LOGICAL = Settings(clock="logical", host_work="none")
NEEDS_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="robust mutexes: Linux only")
