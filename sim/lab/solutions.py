"""Questions with choices: the simulator finds the bin of a figure or the best of some, or the answer is known.

A question whose answer is a bin stays right when a calibration moves its figure by some percent: the tests hold every
figure well away from the edges of its bin, and every best one well ahead of the second.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sim.lab.lesson import Choice, Solution

__all__ = ["Best", "Binned", "Known", "best", "binned", "known"]


@dataclass(frozen=True)
class Binned:
    """The choice in whose bin a figure lies.

    Parameters
    ----------
    edges
        Rising, one fewer than the choices; the first choice stands for figures below the first edge.
    choices
        In the order of their bins.
    figure
        The number and the reason.
    """

    edges: tuple[float, ...]
    choices: tuple[str, ...]
    figure: Callable[[], Solution]

    def __call__(self) -> Solution:
        """Ask for the figure and find its bin."""
        found = self.figure()
        return Solution(self.choices[bisect_right(self.edges, float(found.right))], found.because)


@dataclass(frozen=True)
class Best:
    """The choice with the largest figure, or the smallest.

    Parameters
    ----------
    figures
        A number for each choice, and the reason.
    is_least
        The smallest is right.
    """

    figures: Callable[[], tuple[Mapping[str, float], str]]
    is_least: bool = False

    def __call__(self) -> Solution:
        """Ask for the figures and find the best."""
        found, because = self.figures()
        pick = min if self.is_least else max
        return Solution(pick(found, key=lambda choice: found[choice]), because)


@dataclass(frozen=True)
class Known:
    """A choice that is right whatever a simulation says: what a word means, or how the driver works."""

    right: str
    because: str

    def __call__(self) -> Solution:
        """The answer."""
        return Solution(self.right, self.because)


def binned(
    ask: str, edges: tuple[float, ...], choices: tuple[str, ...], figure: Callable[[], Solution]
) -> Choice:  # fmt: skip
    """A question whose choices are bins of a figure, parted by the edges."""
    return Choice(ask, choices, Binned(edges, choices, figure))


def best(
    ask: str, choices: tuple[str, ...], figures: Callable[[], tuple[Mapping[str, float], str]], is_least: bool = False
) -> Choice:
    """A question for the choice with the largest (or smallest) figure."""
    return Choice(ask, choices, Best(figures, is_least))


def known(ask: str, choices: tuple[str, ...], right: int, because: str) -> Choice:
    """A question for what a word means; ``right`` is the place of the right choice, from 0."""
    return Choice(ask, choices, Known(choices[right], because))
