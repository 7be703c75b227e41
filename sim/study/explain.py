"""Which traits of a network explain its gain: a small regression tree, and how much of it holds for other families.

The host's share of an inference is left out: it gives the gain of threads almost by definition.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim.study.findings import Finding, best_rows, cases, single, sizes

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

__all__ = ["LEAVES", "explained", "tree_findings"]

#: Traits that are known before anything runs -> words.
KNOWN = {
    "trait_macs": "multiply-accumulates", "trait_parameter_bytes": "parameter bytes",
    "trait_ops_per_input_byte": "operations per input byte", "trait_off_chip_bytes": "bytes that stream",
    "trait_depthwise_share": "share of depthwise multiply-accumulates", "trait_output_bytes": "output bytes",
    "trait_mac_utilisation": "use of the array", "trait_cpu_ops": "runs of operators on the CPU",
}  # fmt: skip
LEAVES = 6
FOLDS = 5
SAME = 1e-12  # variance of gains that are equal but for rounding
LEAST_NETWORKS = 20  # fewer say nothing about those that were left out


def tree_findings(frame: pl.DataFrame) -> Iterator[Finding]:
    """Yield what the tree says for the first case of a study, one sentence for each size."""
    case = cases(frame)[0]
    for size in sizes(single(frame, case)):
        rows = best_rows(single(frame, case).filter(size=size), "speedup_vs_one_thread")
        if rows.height >= LEAST_NETWORKS:
            yield _finding(case, size, rows)


def _finding(case: str, size: str, rows: pl.DataFrame) -> Finding:
    found = explained(rows)
    first, limit, below, above = found["split"]
    text = (
        f"{case}, {size}: a tree of {LEAVES} leaves explains {found['held_out']:.0%} of the differences between the "
        f"gains of networks whose family it was not fitted to, and {found['fitted']:.0%} of the others'. It asks first "
        f"for {KNOWN[first]}: networks up to {_in_words(limit)} gain {below:.2f}x in the mean, others {above:.2f}x."
    )
    return {"id": "tree", "text": text, "values": {"case": case, "size": size, **found}}


def _in_words(limit: float) -> str:
    """A limit between two networks: whole where it is large."""
    return f"{limit:,.0f}" if limit >= 100 else f"{limit:.2g}"


def explained(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the share of the variance of the gain's logarithm that a tree explains, fitted and held out, and its root.

    ``split`` is the trait that it asks for first, the limit, and the mean gains on both sides.
    """
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    traits = rows.select(list(KNOWN)).to_numpy().astype(np.float64)
    gain = np.log(rows["speedup_vs_one_thread"].to_numpy())
    tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=3, random_state=0).fit(traits, gain)
    held = _held_out(traits, gain, rows["family"].to_list())
    root = tree.tree_
    left, right = (float(root.value[child].ravel()[0]) for child in (root.children_left[0], root.children_right[0]))
    name = list(KNOWN)[max(0, int(root.feature[0]))]
    return {
        "fitted": _share(gain, tree.predict(traits)), "held_out": _share(gain, held),
        "split": (name, float(root.threshold[0]), math.exp(left), math.exp(right)),
    }  # fmt: skip


def _held_out(traits: Column, gain: Column, families: list[str]) -> Column:
    """Predictions for families that the tree was not fitted to, in folds of whole families."""
    import numpy as np
    from sklearn.tree import DecisionTreeRegressor

    names = sorted(set(families))
    order = np.random.default_rng(0).permutation(len(names))
    fold = {names[int(place)]: i % FOLDS for i, place in enumerate(order)}
    folds = np.array([fold[family] for family in families])
    found = np.full(len(gain), float(gain.mean()))
    for number in range(FOLDS):
        rest, mine = folds != number, folds == number
        if mine.any() and rest.sum() > LEAVES:
            tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, min_samples_leaf=3, random_state=0)
            found[mine] = tree.fit(traits[rest], gain[rest]).predict(traits[mine])
    return found


def _share(gain: Column, found: Column) -> float:
    """Explained share of the variance; below 0 where the mean would do better."""
    variance = float(((gain - gain.mean()) ** 2).sum())
    return 1 - float(((gain - found) ** 2).sum()) / variance if variance > SAME * len(gain) else 0.0
