"""Lesson 1: anatomy of one inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, answer, invoke_ms, point, share
from sim.lab.lesson import (
    Chart,
    Explore,
    Fact,
    Figures,
    Lesson,
    Menu,
    Number,
    Slider,
    Solution,
    Text,
    Timeline,
    View,
    Words,
)
from sim.lab.solutions import best, binned, known
from sim.scenario import Scenario

__all__ = ["LESSON"]

V2 = "mobilenet_v2_1.0_224"
OVER_USB2: dict[str, Any] = {"host": "raspberry-pi-3b", "link": "usb2"}
FIGURES = (
    "invoke_ms.mean", "time_breakdown_ms.compute", "latency_ms.mean", "utilisation.accelerator", "utilisation.cpu",
)  # fmt: skip
#: State of the breakdown -> what a reader calls it.
PHASES = {
    "instructions": "the instruction stream", "input": "the input", "compute": "computing", "output": "the output",
}  # fmt: skip
WIDTHS = (128, 160, 192, 224)


def parts_ms(**options: Any) -> Mapping[str, float]:
    """Time of one MobileNet v2 by state, in ms."""
    parts: Mapping[str, float] = point(Scenario(models=V2, **options))["time_breakdown_ms"]
    return parts


def computing() -> Solution:
    """How much of invoke() is computing."""
    part = share(answer(Scenario(models=V2)), "compute")
    return Solution(part, f"{part:.0%} is computing; the rest is dispatch, transfers and a little work of the host.")


def show(values: Mapping[str, Any]) -> list[View]:
    """One inference on the chosen host, and what grows with the picture."""
    place = {"host": values["host"], "link": values["link"]}
    scenario = Scenario(models=values["network"], cores=values["cores"], preprocess="resize", **place)
    rows = [point(Scenario(models=f"mobilenet_v1_1.0_{width}", **place)) for width in WIDTHS]
    lines = {
        "invoke()": tuple(row["invoke_ms"]["mean"] for row in rows),
        "computing": tuple(row["time_breakdown_ms"]["compute"] for row in rows),
    }
    parts = answer(scenario)["time_breakdown_ms"]
    words = f"The instruction stream takes {parts['instructions']:.2f} ms, the input {parts['input']:.2f} ms."
    chart = Chart("time of MobileNet v1 (ms)", "input width", WIDTHS, lines, 224)
    return [Figures(scenario, FIGURES), Words(words), Timeline(scenario), chart]


def of_that_year() -> str:
    """The fact's two figures for files of 2020 and for today's."""
    then = [invoke_ms(Scenario(models=V2, compiler="2020", **place)) for place in ({}, OVER_USB2)]
    now = [invoke_ms(Scenario(models=V2, **place)) for place in ({}, OVER_USB2)]
    return (
        f"With files of 2020 it is {then[0]:.2f} and {then[1]:.2f} ms. With those of today's compiler it is "
        f"{now[0]:.2f} and {now[1]:.2f} ms, because their instruction stream takes longer."
    )


def over_usb2() -> Solution:
    """Invoke over USB 2 on a Raspberry Pi 3B, against the default."""
    slow, fast = answer(Scenario(models=V2, **OVER_USB2)), answer(Scenario(models=V2))
    return Solution(
        slow["invoke_ms"]["mean"] / fast["invoke_ms"]["mean"],
        f"It takes {slow['invoke_ms']['mean']:.2f} ms instead of {fast['invoke_ms']['mean']:.2f} ms. Computing is "
        f"{share(slow, 'compute'):.0%} of a request instead of {share(fast, 'compute'):.0%}.",
    )


def everywhere() -> Solution:
    """Computing, which no host changes."""
    here, there = parts_ms()["compute"], parts_ms(**OVER_USB2)["compute"]
    return Solution(
        here, f"The array computes for {here:.3f} ms on the Xeon and for {there:.3f} ms on the Raspberry Pi 3B."
    )


def stretched() -> tuple[dict[str, float], str]:
    """How many ms each phase gains from USB 3 to USB 2, on a Raspberry Pi 4."""
    fast, slow = (parts_ms(host="raspberry-pi-4", link=link) for link in ("usb3", "usb2"))
    more = {words: slow[state] - fast[state] for state, words in PHASES.items()}
    listed = ", ".join(f"{words} {ms:.2f}" for words, ms in more.items())
    return more, f"What USB 2 adds, in ms: {listed}. Computing needs no link."


def phases() -> tuple[dict[str, float], str]:
    """What the phases beside computing take on a fast PC."""
    found = {words: parts_ms()[state] for state, words in PHASES.items() if state != "compute"}
    return found, f"They take {', '.join(f'{ms:.2f} ms ({words})' for words, ms in found.items())}."


def smaller() -> Solution:
    """Invoke with a picture of 128 pixels against 224."""
    small, large = (invoke_ms(Scenario(models=f"mobilenet_v1_1.0_{width}")) for width in (128, 224))
    return Solution(
        small / large,
        f"{small:.2f} ms instead of {large:.2f} ms, for a third of the pixels. The instruction stream does not shrink "
        "with the picture.",
    )


def other_host() -> Solution:
    """Computing on a Raspberry Pi 4 against the Xeon."""
    pi, xeon = parts_ms(host="raspberry-pi-4"), parts_ms()
    return Solution(
        pi["compute"] / xeon["compute"],
        f"Both compute for {pi['compute']:.2f} ms. The instruction stream takes {pi['instructions']:.2f} instead of "
        f"{xeon['instructions']:.2f} ms.",
    )


def more_cores() -> Solution:
    """Invoke with eight cores against one."""
    one, eight = (invoke_ms(Scenario(models=V2, cores=cores)) for cores in (1, 8))
    return Solution(
        one / eight, f"It takes {one:.2f} ms with one core and {eight:.2f} ms with eight: one thread waits."
    )


def other_network() -> tuple[dict[str, float], str]:
    """The share of computing of three networks."""
    found = {name: share(answer(Scenario(models=name)), "compute") for name in OF_THREE}
    return found, f"Computing is {', '.join(f'{part:.0%} ({name})' for name, part in found.items())} of a request."


OF_THREE = ("mobilenet_v1_0.25_128", "mobilenet_v2_1.0_224", "efficientnet_edgetpu_s_224")

PARTS = (
    Text(
        "One thread calls `invoke()` on one Edge TPU and waits. What happens in there?\n\n"
        "The driver takes the device's lock. It sends the **instruction stream**, again for every inference, and then "
        "the **input**. The array **computes**, and fetches on the way the parameters that do not fit on the chip. "
        "The **output** comes back and is copied into the caller's tensors."
    ),
    binned(
        "MobileNet v2, a fast PC, USB 3: how much of `invoke()` is computing?", (0.5, 0.75),
        ("less than half", "between half and three quarters", "more than three quarters"), computing,
    ),
    Explore(
        (
            Menu("network", "network", tuple(NETWORKS), NETWORKS[0]),
            Menu("host", "host", tuple(HOSTS), HOSTS[0]),
            Menu("link", "link", ("usb3", "usb2", "pcie"), "usb3"),
            Slider("cores", "cores of the host", (1, 2, 3, 4, 5, 6, 7, 8), 4),
        ),
        show,
    ),
    Text(
        "**Read the picture.** One row is the thread, one the link, one the accelerator. The accelerator is **held** "
        "from the first instruction byte to the last output byte, although the array works only in a part of it.\n\n"
        "Change the link, and the transfers stretch while computing stays. Change the cores, and only the share of "
        "busy cores changes: one thread uses one core at a time."
    ),
    Fact(
        "MobileNet v2 takes 2.29 ms on a Xeon over USB 3 and 10.77 ms on a Raspberry Pi 3B over USB 2. The chip is "
        "the same, the road to it is not.",
        "google-coral/pycoral v2.0.0, benchmarks/reference; files compiled in 2020",
        of_that_year,
    ),
)  # fmt: skip

EXERCISES = (
    Number(
        "MobileNet v2 moves to a Raspberry Pi 3B with USB 2. How many times as long does `invoke()` take as on the "
        "Xeon with USB 3?",
        "times", over_usb2,
    ),
    Number("One part of it takes the same time on every host. How long is it?", "ms", everywhere, 0.05),
    best(
        "A stick moves from USB 3 to USB 2 of a Raspberry Pi 4. Which phase gains the most milliseconds?",
        tuple(PHASES.values()), stretched,
    ),
)  # fmt: skip

QUIZ = (
    known(
        "What does the driver send before the array can compute?",
        (
            "the input alone; instructions and parameters stay on the chip", "the input and every parameter",
            "the instruction stream and the input, for every inference", "nothing, the array reads the host's memory",
        ),
        2, "Parameters that fit stay on the chip. The instruction stream does not, and is sent again each time.",
    ),
    best(
        "MobileNet v2 on the Xeon over USB 3. Which phase is the longest beside computing?",
        tuple(words for words in PHASES.values() if words != "computing"), phases,
    ),
    binned(
        "The picture of MobileNet v1 shrinks from 224 to 128 pixels a side, a third of the area. What becomes of "
        "`invoke()`?",
        (0.4, 0.8), ("it shrinks to a third as well", "it shrinks to about half", "it hardly changes"), smaller,
    ),
    binned(
        "The stick moves from the Xeon to a Raspberry Pi 4, both with USB 3. How long does MobileNet v2 compute?",
        (0.8, 1.25, 3), ("shorter", "just as long", "about twice as long", "ten times as long"), other_host,
    ),
    binned(
        "One thread, eight cores instead of one. How much faster is `invoke()`?",
        (1.1, 3), ("not at all", "about twice", "about eight times"), more_cores,
    ),
    best("In which of these networks is the largest share of a request computing?", OF_THREE, other_network),
)  # fmt: skip

LESSON = Lesson(
    number=1,
    title="Anatomy of one inference",
    question="How much of invoke() is computing?",
    minutes=20,
    goals=(
        "Name the phases of an inference and say which resource each one takes.",
        "Read a timeline of a thread, a link and an accelerator.",
        "Say which part of `invoke()` a faster host or link can shorten, and which it cannot.",
    ),
    before=("What a convolutional network is.",),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
