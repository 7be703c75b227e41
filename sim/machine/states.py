"""What a component can be doing: one table that totals, energy, bottleneck, tables and pictures read.

To add a state: its line in :class:`State` and its row in :data:`TRAITS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

__all__ = ["BREAKDOWN", "STATES", "TRAITS", "WAYS", "Group", "State", "Traits", "states_of"]


class State(IntEnum):
    """What a component is doing.

    The first twelve states and the last two partition a request's latency. INVOKE encloses those of the call.
    """

    PREPROCESS = 0
    WAIT = 1
    LOAD_PARAMETERS = 2
    INSTRUCTIONS = 3
    INPUT = 4
    PARAMETERS = 5
    COMPUTE = 6
    OUTPUT = 7
    HOST_COPY = 8
    CPU_OPS = 9
    POSTPROCESS = 10
    GIL_WAIT = 11
    TRANSFER_OUT = 12
    TRANSFER_IN = 13
    INVOKE = 14
    APP = 15
    APP_WAIT = 16


#: States of a link, and which way its bytes go: to the accelerator or from it.
WAYS: dict[State, Literal["out", "in"]] = {State.TRANSFER_OUT: "out", State.TRANSFER_IN: "in"}

Kind = Literal["thread", "device", "link"]
Group = Literal["accelerator", "link", "cpu", "gil", "wait", "app", ""]


@dataclass(frozen=True, slots=True)
class Traits:
    """What is true of a state.

    Attributes
    ----------
    kind
        The component that is in it: a thread, an accelerator (``device``) or a link.
    group
                The resource whose time this is; empty where another state counts it.
    held
        Whether the accelerator's lock is held.
    active
        Whether the accelerator's clocks run for a program.
    words
        Name shown to people.
    colour, pattern
                Look in pictures and tables: Okabe and Ito's colours, which repeat only with another pattern.
    slice_name
        In a Perfetto trace, where it is not the state's own name.
    """

    kind: Kind
    group: Group
    words: str
    colour: str = ""
    pattern: str = ""
    held: bool = False
    active: bool = False
    slice_name: str = ""


def _held(group: Group, words: str, colour: str, pattern: str = "", active: bool = False, name: str = "") -> Traits:
    return Traits("device", group, words, colour, pattern, held=True, active=active, slice_name=name)


TRAITS: dict[State, Traits] = {
    State.PREPROCESS: Traits("thread", "cpu", "preprocess", "#F0E442"),
    State.WAIT: Traits("thread", "wait", "waiting for the accelerator", "#9a9a9a", "hatch"),
    State.LOAD_PARAMETERS: _held("link", "loading parameters", "#CC79A7"),
    State.INSTRUCTIONS: _held("link", "dispatch and instructions", "#56B4E9"),
    State.INPUT: _held("link", "input", "#0072B2", name="transfer_in"),
    State.PARAMETERS: _held("link", "streaming parameters", "#CC79A7", "stripes", active=True),
    State.COMPUTE: _held("accelerator", "compute", "#009E73", active=True),
    State.OUTPUT: _held("link", "output", "#0072B2", "stripes", name="transfer_out"),
    State.HOST_COPY: Traits("thread", "cpu", "copies", "#5a5a5a"),
    State.CPU_OPS: Traits("thread", "cpu", "CPU operators", "#D55E00", slice_name="cpu_op"),
    State.POSTPROCESS: Traits("thread", "cpu", "postprocess", "#E69F00"),
    State.GIL_WAIT: Traits("thread", "gil", "waiting for Python's lock", "#777777", "cross"),
    State.TRANSFER_OUT: Traits("link", "", "to accelerator", "#56B4E9", "stripes", slice_name="send"),
    State.TRANSFER_IN: Traits("link", "", "to host", "#E69F00", "stripes", slice_name="receive"),
    State.INVOKE: Traits("thread", "", "invoke"),
    State.APP: Traits("thread", "cpu", "the program's own work", "#D55E00", "stripes"),
    State.APP_WAIT: Traits("thread", "app", "the program's own waits", "#E69F00", "hatch"),
}

#: States by their names in the JSON answer.
STATES = {state.name.lower(): state for state in State}
#: States that partition a request's latency, in the order of the JSON contract.
BREAKDOWN = tuple(state for state in State if TRAITS[state].group)


def states_of(*, group: Group | None = None, kind: Kind | None = None, held: bool = False) -> tuple[State, ...]:
    """Return the states with these traits, in order; ``held`` asks for those under the accelerator's lock."""
    return tuple(
        state
        for state, traits in TRAITS.items()
        if (group is None or traits.group == group)
        and (kind is None or traits.kind == kind)
        and (traits.held or not held)
    )
