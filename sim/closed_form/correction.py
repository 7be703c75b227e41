"""A learned correction of the closed form: what queues make of it, fitted on simulated points (extra ``estimator``).

The target is the logarithm of simulated over estimated throughput; the features have no units (utilisations at the
bound, ratios of bounds, counts), so that networks never seen are corrected as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hwmodels.errors import need
from sim.closed_form.mva import throughput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Column = NDArray[np.float64]

__all__ = ["FEATURES", "Correction", "features"]

TREES, LEAF = 30, 4
#: Names of the features, in order.
FEATURES = (
    "threads", "accelerators", "cores", "threads / accelerators", "threads modulo accelerators", "shared link", "bound",
    "accelerator use", "CPU use", "GIL use", "link out use", "link in use", "held share", "GIL share", "CPU op share",
    "link out share", "link in share", "driver share", "copy share", "send share", "second bound / bound",
    "threads bound", "program slowed by half a link", "link turns", "pace with half a link",
)  # fmt: skip


def features(columns: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the features (points x features) of a table with the columns that :func:`estimate_many` takes.

    Returns
    -------
    array of shape (points, features)
        In the order of :data:`FEATURES`; ratios and counts, nothing with a unit.
    """
    import numpy as np

    def column(name: str) -> Column:
        """A column as an array, one number per scenario."""
        return np.asarray(columns[name], dtype=np.float64)

    threads, many, cores, shared = (column(k) for k in ("threads", "accelerators", "cores", "stage_shared_link"))
    alone, held, gil, cpu = (column(f"stage_{k}_ns") for k in ("alone", "held", "gil", "cpu"))
    out, inward = column("stage_out_ns") * shared, column("stage_in_ns") * shared
    ips, _ = throughput(columns, "bounds")
    bounds = np.stack([
        threads / alone, many / np.maximum(1.0, held), cores / np.maximum(1.0, cpu),
        1 / np.maximum(1.0, gil * (threads > 1)), 1 / np.maximum(1.0, out), 1 / np.maximum(1.0, inward),
    ]) * 1e9 / ips  # fmt: skip
    uses = [np.minimum(1.0, ips * need_ns / 1e9) for need_ns in (held / many, cpu / cores, gil, out, inward)]
    parts = [held, gil, *(column(f"stage_{k}_ns") for k in ("ops", "out", "in", "driver", "copy", "send"))]
    second = np.sort(bounds, axis=0)[1]
    slowed = (column("stage_program_half_ns") - column("stage_program_ns")) * shared
    half = np.minimum(threads / (alone + slowed), many / np.maximum(1.0, held + slowed)) * 1e9 / ips
    return np.stack([
        threads, many, cores, threads / many, threads % many, shared, column("stage_bound"), *uses,
        *(part / alone for part in parts), np.minimum(3.0, second), np.minimum(3.0, bounds[0]),
        slowed / alone, column("stage_link_turns") * shared, np.minimum(3.0, half),
    ], axis=1)  # fmt: skip


class Correction:
    """Extremely randomised trees on the logarithm of simulated over estimated throughput.

    Parameters: ``trees``, ``seed``. ``fit`` takes the columns and the simulated throughput (1/s); ``predict`` returns
    the corrected throughput and, with ``return_std``, its standard deviation (spread of the trees) in 1/s. Raises
    :class:`InputError` where scikit-learn is missing.
    """

    def __init__(self, trees: int = TREES, seed: int = 0) -> None:
        self.trees, self.seed = trees, seed

    def fit(self, columns: Mapping[str, Any], throughput_ips: Any) -> Correction:
        """Fit on simulated points; return itself."""
        import numpy as np

        ensemble = need("sklearn.ensemble", "estimator")
        base, _ = throughput(columns, "bounds")
        self.model_ = ensemble.ExtraTreesRegressor(
            self.trees, min_samples_leaf=LEAF, max_features=0.6, random_state=self.seed
        )
        self.model_.fit(features(columns), np.log(np.asarray(throughput_ips, dtype=np.float64) / base))
        return self

    def predict(self, columns: Mapping[str, Any], return_std: bool = False) -> Any:
        """Corrected throughput (1/s) of every row; with ``return_std`` also its standard deviation (1/s)."""
        import numpy as np

        base, _ = throughput(columns, "bounds")
        inputs = features(columns).astype(np.float32)
        each = np.stack([tree.predict(inputs) for tree in self.model_.estimators_])
        # Queues only cost: a correction above the bound is noise.
        ips = base * np.exp(np.minimum(0.0, each.mean(axis=0)))
        return (ips, ips * each.std(axis=0)) if return_std else ips
