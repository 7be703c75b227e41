"""Networks that are here both plain and compiled: what the compiler model says of the one, what the other holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hwmodels.edgetpu.accelerator import load_accelerator
from hwmodels.edgetpu.compiler import compile_graph
from hwmodels.edgetpu.darwinn import CompiledOp, read_compiled_ops
from hwmodels.executable import Executable
from hwmodels.networks.graph import EDGETPU_OP, Layer, LayerGraph
from hwmodels.networks.tflite import read_graph

MODELS = Path(__file__).resolve().parents[2] / "shared" / "models"
CORAL = load_accelerator("coral")

#: Least runtime that a compiled file of version 14 or later asks for.
RUNTIME_14 = 13


def plain_of(compiled: Path) -> Path:
    """Where the plain network of a compiled file would be."""
    stem = compiled.stem.removesuffix("__release-grouper")
    return compiled.with_name(f"{stem.removesuffix('_edgetpu').replace('_int8_tpu', '_int8_cpu')}.tflite")


def compiled_paths(folder: Path = MODELS) -> list[Path]:
    """Compiled files whose plain network lies beside them, in order of their names."""
    found = sorted([*folder.glob("*_edgetpu*.tflite"), *folder.glob("*_tpu.tflite")])
    return [path for path in found if plain_of(path).exists() and plain_of(path) != path]


@dataclass(frozen=True)
class Twin:
    """A plain network and its compiled file."""

    path: Path

    @cached_property
    def ops(self) -> tuple[CompiledOp, ...]:
        """The custom operators of the compiled file."""
        return read_compiled_ops(self.path)

    @cached_property
    def graph(self) -> LayerGraph:
        """The plain network."""
        return read_graph(plain_of(self.path))

    @property
    def compiler(self) -> str:
        """Version that wrote the file: estimates of cycles up to 14, a new runtime from 14 on."""
        if not any(op.estimated_cycles for op in self.ops):
            return "16"
        return "14" if any(op.min_runtime_version >= RUNTIME_14 for op in self.ops) else "2020"

    @cached_property
    def executable(self) -> Executable:
        """What the compiler model makes of the plain network."""
        return compile_graph(self.graph, CORAL, self.compiler)

    @cached_property
    def mapped(self) -> list[Layer]:
        """Layers that the model maps."""
        return [plan.layer for plan in self.executable.plans if not plan.reason]

    @property
    def cpu_ops(self) -> list[str]:
        """Operators that the model leaves on the CPU."""
        return [plan.layer.op for plan in self.executable.plans if plan.reason]

    @property
    def file_cpu_ops(self) -> list[str]:
        """Operators that the compiled file leaves on the CPU."""
        return [layer.op for layer in read_graph(self.path).layers if layer.op != EDGETPU_OP]

    def total(self, key: str) -> int:
        """Sum of a number over the file's custom operators."""
        return sum(getattr(op, key) for op in self.ops)

    def modelled(self, key: str) -> int:
        """Sum of a number over the model's segments on the accelerator."""
        return sum(getattr(segment, key) for segment in self.executable.accelerator_segments)
