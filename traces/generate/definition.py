"""What a network of the zoo is: its name, its Keras definition, and where the definition comes from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["CALIBRATED", "DEFAULT_RANGES", "Definition"]

#: The graph is frozen and every tensor without a range gets -6..6: no sample is run.
DEFAULT_RANGES = "default ranges -6..6 (frozen graph)"
#: Post-training quantisation with random samples, for graphs that default ranges leave partly in float.
CALIBRATED = "post-training quantisation, 2 random samples (frozen graph)"


@dataclass(frozen=True)
class Definition:
    """One network: ``build`` returns the Keras model (batch fixed to 1) and is called in the child process only.

    ``architecture`` is what width and resolution variants share. ``postprocess`` are functions from flatbuffer to
    flatbuffer that append custom operators. ``version`` goes up when the definition changes, so that its trace
    becomes stale. A ``heavy`` network is converted alone (several GB of memory).
    """

    name: str
    build: Callable[[], Any]
    family: str
    architecture: str
    variant: str
    task: str
    source: str
    postprocess: tuple[Callable[[bytes], bytes], ...] = ()
    version: int = 1
    route: str = DEFAULT_RANGES
    heavy: bool = False

    def __post_init__(self) -> None:
        if callable(self.postprocess):
            object.__setattr__(self, "postprocess", (self.postprocess,))
