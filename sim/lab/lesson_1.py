"""Lesson 1: anatomy of one inference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, answer, share
from sim.lab.lesson import (
    Chart,
    Choice,
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
)
from sim.scenario import Scenario

__all__ = ["LESSON"]

V2 = "mobilenet_v2_1.0_224"
FIGURES = (
    "invoke_ms.mean", "time_breakdown_ms.compute", "latency_ms.mean", "utilisation.accelerator", "utilisation.cpu",
)  # fmt: skip
SHARES = ("less than half", "between half and three quarters", "more than three quarters")
WIDTHS = (128, 160, 192, 224)


def of_three(part: float) -> str:
    """The words for a share."""
    return SHARES[0] if part < 0.5 else SHARES[1] if part < 0.75 else SHARES[2]


def computing() -> Solution:
    """How much of invoke() is computing."""
    part = share(answer(Scenario(models=V2)), "compute")
    return Solution(of_three(part), f"{part:.0%} is computing; the rest is dispatch, transfers and work of the host.")


def show(values: Mapping[str, Any]) -> list[View]:
    """One inference on the chosen host, and what grows with the picture."""
    place = {"host": values["host"], "link": values["link"]}
    scenario = Scenario(models=values["network"], cores=values["cores"], preprocess="resize", **place)
    rows = [answer(Scenario(models=f"mobilenet_v1_1.0_{width}", **place)) for width in WIDTHS]
    lines = {
        "invoke()": tuple(row["invoke_ms"]["mean"] for row in rows),
        "computing": tuple(row["time_breakdown_ms"]["compute"] for row in rows),
    }
    title = "time of MobileNet v1 (ms)"
    return [Figures(scenario, FIGURES), Timeline(scenario), Chart(title, "input width", WIDTHS, lines, 224)]


def over_usb2() -> Solution:
    """Invoke over USB 2 on a Raspberry Pi 3B, against the default."""
    slow = answer(Scenario(models=V2, link="usb2", host="raspberry-pi-3b"))
    fast = answer(Scenario(models=V2))
    ratio = slow["invoke_ms"]["mean"] / fast["invoke_ms"]["mean"]
    return Solution(
        ratio,
        f"{slow['invoke_ms']['mean']:.2f} ms instead of {fast['invoke_ms']['mean']:.2f} ms: computing is "
        f"{share(slow, 'compute'):.0%} of a request instead of {share(fast, 'compute'):.0%}.",
    )


LESSON = Lesson(
    number=1,
    title="Anatomy of one inference",
    question="How much of invoke() is computing?",
    minutes=20,
    goals=(
        "Name the phases of an inference and say which resource each one takes.",
        "Read a timeline of a thread, a link and an accelerator.",
    ),
    before=("What a convolutional network is.",),
    parts=(
        Text(
            "One thread calls `invoke()` on one Edge TPU and waits. What happens in there?\n\n"
            "The driver takes the device's lock. It sends the **instruction stream**, again for every inference, and "
            "then the **input**. The array **computes**, and fetches on the way the parameters that do not fit on the "
            "chip. The **output** comes back and is copied into the caller's tensors."
        ),
        Choice("MobileNet v2, a fast PC, USB 3: how much of invoke() is computing?", SHARES, computing),
        Explore(
            (
                Menu("network", "network", tuple(NETWORKS), NETWORKS[0]),
                Menu("host", "host", tuple(HOSTS), HOSTS[0]),
                Menu("link", "link", ("usb3", "usb2", "pcie"), "usb3"),
                Slider("cores", "cores of the host", (1, 2, 3, 4, 5, 6, 7, 8), 4),
            ),
            show,
        ),
        Fact(
            "MobileNet v2 takes 2.29 ms on a Xeon over USB 3 and 10.77 ms on a Raspberry Pi 3B over USB 2: the same "
            "chip, another road to it.",
            "google-coral/pycoral v2.0.0, benchmarks/reference; files compiled in 2020",
        ),
    ),
    exercises=(
        Number("How many times longer does invoke() take over USB 2 on a Raspberry Pi 3B?", "times", over_usb2),
    ),
    quiz=(),
)
