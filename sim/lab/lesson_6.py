"""Lesson 6: energy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, answer, point
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
from sim.lab.solutions import binned, known
from sim.scenario import Scenario

__all__ = ["LESSON"]

V1, V2 = "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224"
CLOCKS = {"max (500 MHz)": "max", "std (250 MHz)": "std"}
FIGURES = (
    "energy_mj_per_inference", "energy_accelerator_mj_per_inference", "power_w.total", "throughput_ips",
    "latency_ms.mean", "utilisation.accelerator",
)  # fmt: skip
COUNTS = (1, 2, 3, 4, 6, 8)
#: What QuTiBench's stick drew between inferences, in W.
GATED = {"size.power_base_w": 0.253, "size.power_idle_w": 0.0}
WHOLE, STICK = "energy_mj_per_inference", "energy_accelerator_mj_per_inference"


def on_pi(threads: int = 1, **options: Any) -> Scenario:
    """MobileNet v2 with a frame to resize on a Raspberry Pi 4."""
    return Scenario(**{"models": V2, "threads": threads, "host": "raspberry-pi-4", "preprocess": "resize", **options})


def energy_mj(scenario: Scenario, key: str = WHOLE) -> float:
    """Energy of an inference in mJ."""
    return float(point(scenario)[key])


def watts(scenario: Scenario) -> float:
    """Power of the whole system."""
    return float(point(scenario)["power_w"]["total"])


def two_threads() -> Solution:
    """Energy of an inference with two threads against one."""
    one, two = on_pi(1), on_pi(2)
    return Solution(
        energy_mj(two) / energy_mj(one),
        f"{energy_mj(one):.1f} mJ become {energy_mj(two):.1f} mJ, although the power rises from {watts(one):.2f} to "
        f"{watts(two):.2f} W.",
    )


def show(values: Mapping[str, Any]) -> list[View]:
    """The chosen set-up, and energy over threads at both clocks."""
    scenario = on_pi(
        int(values["threads"]), models=values["network"], host=values["host"], clock=CLOCKS[values["clock"]],
        accelerators=int(values["accelerators"]),
    )  # fmt: skip
    rows = {
        f"{clock} clock": [point(replace(scenario, threads=n, clock=clock)) for n in COUNTS]
        for clock in CLOCKS.values()
    }
    whole = {name: tuple(row[WHOLE] for row in found) for name, found in rows.items()}
    stick = {name: tuple(row[STICK] for row in found) for name, found in rows.items()}
    part = energy_mj(scenario, STICK) / energy_mj(scenario)
    return [
        Figures(scenario, FIGURES), Words(f"The accelerators take {part:.0%} of the energy."), Timeline(scenario),
        Chart("whole system (mJ per inference)", "threads", COUNTS, whole, scenario.threads),
        Chart("accelerators (mJ per inference)", "threads", COUNTS, stick, scenario.threads),
    ]  # fmt: skip


def of_that_stick() -> str:
    """The stick's energy for MobileNet v1 at both clocks with as many images a second, its clock gated and not."""
    (gated, gated_half), (idle, idle_half) = (
        [
            energy_mj(Scenario(models=V1, clock=clock, arrivals=f"periodic:{1000 / ms:.1f}", numbers=numbers), STICK)
            for clock, ms in (("max", 6.0), ("std", 7.86))
        ]
        for numbers in (GATED, {})
    )
    return (
        f"With as many images a second it is {gated:.1f} and {gated_half:.1f} mJ, for a stick that stops its clock "
        f"between inferences as theirs did. With today's driver it does not, and takes {idle:.1f} and {idle_half:.1f} "
        "mJ."
    )


def half_clock() -> Solution:
    """Energy of two threads at the half clock."""
    fast, slow = on_pi(2), on_pi(2, clock="std")
    return Solution(
        energy_mj(slow),
        f"{energy_mj(slow):.1f} mJ instead of {energy_mj(fast):.1f} mJ for the whole system. For the accelerator it "
        f"is {energy_mj(slow, STICK):.1f} mJ instead of {energy_mj(fast, STICK):.1f} mJ.",
    )


def second_stick() -> Solution:
    """Energy of two accelerators with four threads."""
    found = answer(on_pi(4, accelerators=2))
    return Solution(
        found[WHOLE],
        f"{found[WHOLE]:.1f} mJ, {found['energy_gain_vs_one_thread']:.2f} x less than one thread on one stick. The "
        "board's share shrinks more than the second stick's idle power costs.",
    )


def at_thirty() -> Solution:
    """Energy of an inference with a camera of 30 frames a second against the closed loop."""
    camera, flat_out = on_pi(arrivals="periodic:30"), on_pi()
    return Solution(
        energy_mj(camera) / energy_mj(flat_out),
        f"{energy_mj(camera):.0f} mJ instead of {energy_mj(flat_out):.1f} mJ. The power falls to {watts(camera):.2f} "
        f"W only, from {watts(flat_out):.2f} W, and pays for the time between two frames as well.",
    )


def slower_clock() -> Solution:
    """The whole system's energy at the half clock, one thread."""
    fast, slow = energy_mj(on_pi()), energy_mj(on_pi(clock="std"))
    return Solution(slow / fast, f"{slow:.1f} mJ instead of {fast:.1f} mJ: the board is on for longer.")


def slower_power() -> Solution:
    """The power at the half clock, one thread."""
    fast, slow = watts(on_pi()), watts(on_pi(clock="std"))
    return Solution(slow / fast, f"{slow:.2f} W instead of {fast:.2f} W: most of it does not depend on the clock.")


def larger_host() -> Solution:
    """A desktop PC against the Pi."""
    pi, desktop = on_pi(), on_pi(host="x86-desktop")
    return Solution(
        energy_mj(desktop) / energy_mj(pi),
        f"{energy_mj(desktop):.0f} mJ instead of {energy_mj(pi):.1f} mJ. The PC draws {watts(desktop):.0f} W instead "
        f"of {watts(pi):.1f} W, and is {point(desktop)['throughput_ips'] / point(pi)['throughput_ips']:.1f} times as "
        "fast.",
    )


def on_cpu() -> Solution:
    """Without an accelerator against with one."""
    with_one, without = on_pi(), on_pi(accelerators=0)
    return Solution(
        energy_mj(without) / energy_mj(with_one),
        f"{energy_mj(without):.0f} mJ instead of {energy_mj(with_one):.1f} mJ. Without a stick the board draws "
        f"{watts(without):.2f} W instead of {watts(with_one):.2f} W, but for much longer.",
    )


def clock_at_thirty() -> Solution:
    """The half clock for a camera of 30 frames a second."""
    fast, slow = (energy_mj(on_pi(arrivals="periodic:30", clock=clock)) for clock in ("max", "std"))
    return Solution(
        slow / fast, f"{slow:.0f} mJ against {fast:.0f} mJ: the board waits for the next frame most of the time anyway."
    )


PARTS = (
    Text(
        "Energy is power times time. A system draws most of its power **for being on**: the board, the stick's base, "
        "idle cores. Only a part goes with work: the array while it computes, bytes over the link, busy cores. Who "
        "finishes sooner shares the fixed part among more inferences."
    ),
    binned(
        "MobileNet v2 on a Raspberry Pi 4: two threads keep the accelerator busy. What does an inference cost, "
        "against one thread?",
        (0.9, 1.1), ("less: it is done sooner", "the same", "more: two threads draw more power"), two_threads,
    ),
    Explore(
        (
            Slider("threads", "threads", (1, 2, 3, 4, 6, 8), 2),
            Slider("accelerators", "accelerators", (1, 2, 3, 4), 1),
            Menu("clock", "clock", tuple(CLOCKS), next(iter(CLOCKS))),
            Menu("network", "network", tuple(NETWORKS), V2),
            Menu("host", "host", tuple(HOSTS), "raspberry-pi-4"),
        ),
        show,
    ),
    Text(
        "**Read the picture.** Every white gap in the accelerator's row costs its idle power. The half clock lowers "
        "the power of computing but stretches its time. Look at what that does to the energy of an inference."
    ),
    Fact(
        "MobileNet v1 on a USB stick drew 0.532 W at the full clock and 0.462 W at the half one. But it needed 6.0 "
        "and 7.86 ms an image, so it took 3.2 mJ against 3.6 mJ at the plug.",
        "Blott et al., QuTiBench, RCL-lab/QutibenchWeb, USB power meter; mJ are watts times system latency",
        of_that_stick,
    ),
)  # fmt: skip

EXERCISES = (
    Number("Two threads at the half clock: what does an inference cost the whole system?", "mJ", half_clock),
    Number("A second stick and four threads: what does an inference cost the whole system?", "mJ", second_stick),
    Number(
        "A camera sends 30 frames a second, one thread. How many times as much energy does an inference take as flat "
        "out?",
        "times", at_thirty,
    ),
)  # fmt: skip

QUIZ = (
    known(
        "Which part of the energy of an inference shrinks when the system gets faster?",
        (
            "the array's, because it computes less", "the share of what is drawn for being on",
            "the link's, because fewer bytes move", "none, energy does not depend on time",
        ),
        1, "The work is the same. The board's and the stick's base power are shared among more inferences.",
    ),
    binned(
        "One thread goes from the full clock to the half one. What becomes of the power of the whole system?",
        (0.6, 0.9), ("it halves", "it falls by a quarter", "it hardly falls"), slower_power,
    ),
    binned(
        "One thread goes from the full clock to the half one. What becomes of the energy of an inference?",
        (0.9, 1.1), ("it falls", "it stays", "it rises"), slower_clock,
    ),
    binned(
        "A desktop PC takes the stick from the Raspberry Pi 4. What does an inference cost there?",
        (1.3, 2.5, 15), ("no more, it is faster", "about twice as much", "about five times as much", "fifty times"),
        larger_host,
    ),
    binned(
        "The Raspberry Pi 4 runs MobileNet v2 on one of its cores, without a stick. What does an inference cost?",
        (1.2, 6), ("no more, there is no stick to feed", "about three times as much", "more than ten times"), on_cpu,
    ),
    binned(
        "A camera sends 30 frames a second to the Raspberry Pi 4. What does the half clock do to the energy of an "
        "inference?",
        (0.9, 1.1), ("it takes a quarter off", "next to nothing", "it adds a quarter"), clock_at_thirty,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=6,
    title="Energy",
    question="Why is faster often cheaper?",
    minutes=20,
    goals=(
        "Say which power is drawn for being on, and which goes with work.",
        "Predict what threads, sticks and the clock do to the energy of an inference.",
        "Explain why a slow clock can cost more energy.",
    ),
    before=("Lesson 2: a second thread.", "What watts and joules are."),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
