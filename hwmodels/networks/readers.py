"""Which files hold networks, and what reads each kind.

To add a format, add a reader and its line to :data:`READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hwmodels.networks.graph import LayerGraph

__all__ = ["PROFILE", "READERS", "is_network_file", "is_profile", "read_network"]

PROFILE = "profile:"  # begins a MODEL whose measured stage times are replayed (:mod:`hwmodels.profile`)


def _tflite(path: Path) -> LayerGraph:
    from hwmodels.networks.tflite import read_graph  # only files need the reader

    return read_graph(path)


#: Ending of a file's name -> its reader, which raises :class:`InputError` for a file that it cannot read.
READERS: dict[str, Callable[[Path], LayerGraph]] = {".tflite": _tflite}


def is_network_file(name: str) -> bool:
    """Whether a name is that of a file with a network: by its ending, or because it holds a slash."""
    return "/" in name or name.endswith(tuple(READERS))


def is_profile(model: str) -> bool:
    """Whether a MODEL is ``profile:FILE.csv#NAME``."""
    return model.startswith(PROFILE)


def read_network(path: Path) -> LayerGraph:
    """Read a file as the reader of its ending does; any other ending is taken for TFLite."""
    return READERS.get(path.suffix, _tflite)(path)
