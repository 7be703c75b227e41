"""Mechanisms that might explain what the DPU's model does not: ``python -m calibration.boards.trials`` prints each.

A trial changes the passes of every network by one rule and fits the constants anew. None of them is in the model;
docs/dpu.md says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import add

from calibration.boards.fit_dpu import (
    Case,
    Constants,
    capped,
    cases,
    chosen_rows,
    described,
    errors,
    fit_core,
    passes_of,
)
from calibration.boards.graphs import is_fitted, many_ips, network_of_row
from calibration.boards.replay import read_board_rows
from calibration.tables import FOLDER
from hwmodels.executable import Executable, Pass
from hwmodels.families import compile_graph, load_accelerator
from hwmodels.networks.zoo import load_network

__all__ = ["Rule", "dense_at", "gates_apart", "main", "together"]

SIZE, BOARD = "dpu-b4096", "KV260"
GATED = ("efficientnet_b0_224", "mobilenet_v3_small_1.0_224")  # left out of the fit for what this trial is about
DENSE = ("vgg_16_224", "vgg_19_224")  # most of their bytes are dense weights
SHARES = [share / 100 for share in range(50, 101)]
#: Returns a network's passes as (cycles, bytes) from its compiled form.
Rule = Callable[[Executable], tuple[tuple[float, int], ...]]


def _passes(executable: Executable) -> Iterator[Pass]:
    return (one for segment in executable.accelerator_segments for one in segment.passes)


def together(executable: Executable, cycles: Callable[[float, float], float]) -> tuple[tuple[float, int], ...]:
    """Join each depthwise convolution with the pointwise one that alone reads it: their map stays on the chip.

    ``cycles`` of a joined pass follow from those of its two layers: ``max`` if they overlap, else their sum.
    """
    found: list[tuple[float, int]] = []
    last: Pass | None = None
    for one in _passes(executable):
        if last and _follows(one, last):
            kept = last.plans[0].layer.outputs[0].n_bytes
            before, n_bytes = found[-1]
            found[-1] = cycles(before, one.cycles), n_bytes + one.streamed_bytes - 2 * kept
            last = None
        else:
            found.append((one.cycles, one.streamed_bytes))
            last = one
    return tuple((array, n_bytes) for array, n_bytes in found if array or n_bytes)


def _follows(one: Pass, last: Pass) -> bool:
    """Whether a pass is the pointwise convolution that takes a depthwise one's map."""
    made, layer = last.plans[0].layer, one.plans[0].layer
    if (made.op, layer.op) != ("DEPTHWISE_CONV_2D", "CONV_2D") or layer.kernel != (1, 1):
        return False
    return layer.input.shape == made.outputs[0].shape


def gates_apart(executable: Executable) -> tuple[tuple[float, int], ...]:
    """Give a swish a pass for its gate and one for the product, and a hard swish a pass; its map moves every time."""
    more = []
    for plan in (plan for one in _passes(executable) for plan in one.plans):
        n_bytes = sum(tensor.n_bytes for tensor in plan.layer.outputs)
        if plan.layer.op == "HARD_SWISH":
            more.append((0.0, 2 * n_bytes))
        elif plan.layer.op == "MUL" and plan.joined and len(plan.layer.inputs) == 2:  # a swish's: others have a pass
            more += [(0.0, 2 * n_bytes), (0.0, 3 * n_bytes)]
    return (*passes_of(executable), *more)


def dense_at(executable: Executable, share: float) -> tuple[tuple[float, int], ...]:
    """Let the weights of dense layers come at a share of the port's rate."""
    return tuple(
        (one.cycles, round(one.streamed_bytes / (share if one.plans[0].layer.op == "FULLY_CONNECTED" else 1)))
        for one in _passes(executable) if one.cycles or one.streamed_bytes
    )  # fmt: skip


def _with_rule(chosen: Sequence[Case], rule: Rule) -> list[Case]:
    part = load_accelerator(SIZE)
    return [
        Case(case.network, case.family, rule(compile_graph(load_network(case.network), part)), case.measured)
        for case in chosen
    ]


def _shown(name: str, chosen: Sequence[Case]) -> Constants:
    constants = fit_core(chosen)
    print(described(name, errors(chosen, constants)))
    return constants


def _gated(constants: Constants, rule: Rule) -> str:
    """Errors of the networks that were left out for their gates."""
    rows = [
        row for row in read_board_rows(FOLDER / "boards" / "dpu_zoo.csv")
        if row.board.startswith(BOARD) and row.release in ("2.5", "3.0") and network_of_row(row) in GATED
    ]  # fmt: skip
    mine = _with_rule(cases(rows), rule)
    pairs = zip(mine, errors(mine, constants), strict=True)
    return ", ".join(f"{case.network} {error:+.0%}" for case, error in pairs)


def main() -> None:
    """Print each trial beside the model as it is."""
    chosen = cases([row for row in chosen_rows() if is_fitted(row)])
    constants = _shown("as it is", chosen)
    print(f"    {_gated(constants, passes_of)}")
    for name, cycles in (("one after the other", add), ("overlapping", max)):
        _shown(f"depthwise with pointwise, {name}", _with_rule(chosen, partial(together, cycles=cycles)))
    share = min(SHARES, key=lambda share: capped(_refitted(_with_rule(chosen, partial(dense_at, share=share)))))
    slower = _shown(f"dense weights at {share:.2f} of the rate", _with_rule(chosen, partial(dense_at, share=share)))
    _on_three_cores(share, slower)
    constants = _shown("gates in passes of their own", _with_rule(chosen, gates_apart))
    print(f"    {_gated(constants, gates_apart)}")


def _on_three_cores(share: float, constants: Constants) -> None:
    """What the cores of ZCU102 could do at most if dense weights came at one core's rate for all of them together."""
    for row in read_board_rows(FOLDER / "boards" / "dpu_zoo.csv"):
        if row.board.startswith("ZCU102") and row.release == "2.5" and network_of_row(row) in DENSE:
            graph = load_network(network_of_row(row))
            n_bytes = sum(layer.parameter_bytes for layer in graph.layers if layer.op == "FULLY_CONNECTED")
            most_ips = share * constants["port_bytes_per_cycle"] * row.clock_hz / n_bytes
            rates = f"at most {most_ips:.1f} /s, predicted {many_ips(row):.1f}, measured {row.multi_ips:.1f}"
            print(f"    {graph.name} on three cores: {rates}")


def _refitted(chosen: Sequence[Case]) -> list[float]:
    return errors(chosen, fit_core(chosen))


if __name__ == "__main__":
    main()
