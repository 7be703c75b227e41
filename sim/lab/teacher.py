"""What a teacher gets besides the lessons' answers: set-ups to open, and what to watch for in a class."""

from __future__ import annotations

from urllib.parse import urlencode

from sim.lab.kit import changed_options
from sim.lab.lesson_8 import PRESETS
from sim.scenario import Scenario

__all__ = ["NOTES", "presets"]

#: Number of a lesson -> notes for the classroom.
NOTES: dict[int, tuple[str, ...]] = {
    1: (
        "Let everybody predict alone before anybody touches a control. The common guess is that computing is nearly "
        "all.",
        "Ask why a third of the pixels does not give a third of the time. The instruction stream is the answer.",
    ),
    2: (
        "Draw two threads and the lock on the board first, and let the class fill in who waits.",
        "Pupils who know pipelines expect a doubling. Ask what of the two requests may overlap at all.",
    ),
    3: (
        "The jump from some hundred to some ten inferences a second surprises. Ask where that time goes.",
        "A real program shows it too: a busy loop in a second thread, and `sys.setswitchinterval` as the remedy.",
    ),
    4: (
        "Compare the chip's memory with a desk that holds one open book. Turns mean fetching the other book each time.",
        "Fair and mutex differ by microseconds and give very different rates. Ask which one a user would notice.",
    ),
    5: (
        "Two groups: one argues for the pool, one for the pipeline. Then change the link and let them argue again.",
        "Ask what a gain compares with before anybody quotes one.",
    ),
    6: (
        "Let the class name everything that draws power while nothing is computed.",
        "Careful with the word cheaper: for an inference, or for a day with 30 frames a second? Exercise 3 is about "
        "that.",
    ),
    7: (
        "Let everybody compute the bound and the knee by hand from D and Z before the chart opens.",
        "An estimate that fails is no failure. Ask which assumption broke.",
    ),
    8: (
        "Everybody brings one question. A prediction with a reason counts as much as the right number.",
        "Read the simulator's remarks aloud: which answers stand on measurements, and which do not?",
    ),
    9: (
        "Ask which network would profit from the large core before anybody looks.",
        "The three sizes to compare are those of throughput, latency and energy. No core wins all three.",
    ),
}


def presets() -> dict[str, str]:
    """Return set-ups of real users: name -> the options in the words of a link, such as ``models=...&threads=2``."""
    scenarios = {name: Scenario(**options) for name, options in PRESETS.items()}
    return {name: urlencode({"models": s.models, **changed_options(s)}) for name, s in scenarios.items()}
