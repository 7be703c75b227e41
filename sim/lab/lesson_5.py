"""Lesson 5: more accelerators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, answer, latency_ms, point, rate_ips
from sim.lab.lesson import (
    Chart,
    Explore,
    Fact,
    Figures,
    Lesson,
    Limit,
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

V2, BIG = "mobilenet_v2_1.0_224", "inception_v3_299"
WAYS = ("pool", "pipeline")
FIGURES = (
    "throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "utilisation.accelerator", "utilisation.link_out",
    "time_breakdown_ms.parameters",
)  # fmt: skip
COUNTS = (1, 2, 3, 4)


def pool(accelerators: int, models: str = BIG, **options: Any) -> Scenario:
    """Several accelerators on a desktop PC, a thread each."""
    place = {"host": "x86-desktop", "threads": accelerators}
    return Scenario(**{"models": models, "accelerators": accelerators, **place, **options})


def pipeline(accelerators: int, models: str = BIG, **options: Any) -> Scenario:
    """The same accelerators one after the other."""
    return pool(accelerators, models, threads=1, mode="pipeline", **options)


def in_pool() -> Solution:
    """What a second accelerator brings as a pool."""
    found, line = answer(pool(2)), answer(pipeline(2))
    return Solution(
        found["speedup_vs_one_thread"],
        f"The pool gains {found['speedup_vs_one_thread']:.2f} x, and the bus is busy "
        f"{found['utilisation']['link_out']:.0%} of the time. The same two as a pipeline gain "
        f"{line['speedup_vs_one_thread']:.2f} x over one accelerator.",
    )


def as_chosen(values: Mapping[str, Any]) -> Scenario:
    """The scenario of the controls; a pipeline of one is a pool of one."""
    count, is_line = int(values["accelerators"]), values["way"] == "pipeline" and values["accelerators"] > 1
    return Scenario(
        models=values["network"], host=values["host"], link=values["link"], accelerators=count,
        threads=1 if is_line else int(values["threads"]), mode="pipeline" if is_line else "threads",
    )  # fmt: skip


def show(values: Mapping[str, Any]) -> list[View]:
    """The chosen accelerators, and pool against pipeline over their number."""
    scenario, count = as_chosen(values), int(values["accelerators"])
    each = max(1, int(values["threads"]) // count)  # as many threads an accelerator as the controls say
    one = replace(scenario, accelerators=1, threads=each, mode="threads")
    pools = [replace(one, accelerators=n, threads=each * n) for n in COUNTS]
    lines = [one, *(replace(one, accelerators=n, threads=1, mode="pipeline") for n in COUNTS[1:])]
    own = {(values["way"], count): scenario}
    rows = {"pool": pools, "pipeline": lines}
    rates = {
        way: tuple(rate_ips(own.get((way, n), row)) for n, row in zip(COUNTS, found, strict=True))
        for way, found in rows.items()
    }
    parts = answer(scenario)["time_breakdown_ms"]
    words = (
        f"An inference streams parameters for {parts['parameters']:.2f} ms and computes for {parts['compute']:.2f} ms."
    )
    chart = Chart("throughput (inferences/s)", "accelerators", COUNTS, rates, count)
    return [Figures(scenario, FIGURES), Limit(scenario), Words(words), Timeline(scenario), chart]


def of_that_demo() -> str:
    """What the simulator says of one accelerator and of a pipeline of three."""
    one, three = rate_ips(pool(1)), rate_ips(pipeline(3))
    return (
        f"On a desktop PC over USB 3 it is {one:.1f} and {three:.1f} inferences a second. That leaves out what else "
        "the program does with a frame."
    )


def over_pcie() -> Solution:
    """What the pool of two gains over PCIe."""
    found, shared = answer(pool(2, link="pcie")), answer(pool(2))
    return Solution(
        found["speedup_vs_one_thread"],
        f"{found['speedup_vs_one_thread']:.2f} x instead of {shared['speedup_vs_one_thread']:.2f} x over USB. Each "
        f"card has lanes of its own, and an inference streams for {found['time_breakdown_ms']['parameters']:.1f} ms "
        f"instead of {shared['time_breakdown_ms']['parameters']:.1f} ms.",
    )


def line_of_three() -> Solution:
    """Throughput of a pipeline of three."""
    found = point(pipeline(3))
    return Solution(
        found["throughput_ips"],
        f"{found['throughput_ips']:.0f} /s. An inference still streams for "
        f"{found['time_breakdown_ms']['parameters']:.1f} ms, instead of "
        f"{point(pool(1))['time_breakdown_ms']['parameters']:.1f} ms on one accelerator.",
    )


def small_network() -> Solution:
    """What two accelerators gain for a network that fits."""
    found = answer(pool(2, V2))
    return Solution(
        found["speedup_vs_one_thread"],
        f"{found['speedup_vs_one_thread']:.2f} x: nothing is streamed, and the bus is busy "
        f"{found['utilisation']['link_out']:.0%} of the time only.",
    )


def pool_of_four() -> Solution:
    """What four accelerators gain as a pool."""
    found = answer(pool(4))
    return Solution(
        found["speedup_vs_one_thread"],
        f"{found['speedup_vs_one_thread']:.2f} x. The bus was full with two, and now each streams for "
        f"{found['time_breakdown_ms']['parameters']:.0f} ms.",
    )


def small_line() -> Solution:
    """What a pipeline of two gains for a network that fits."""
    found = answer(pipeline(2, V2))
    return Solution(
        found["speedup_vs_one_thread"],
        f"{found['speedup_vs_one_thread']:.2f} x. Nothing was streamed before, and now maps go out and in between the "
        f"segments: {found['time_breakdown_ms']['output']:.2f} ms of output in an inference.",
    )


def four_ways() -> tuple[dict[str, float], str]:
    """Inception v3 on two accelerators."""
    found = {
        "a pool over USB 3": rate_ips(pool(2)), "a pipeline over USB 3": rate_ips(pipeline(2)),
        "a pool over PCIe": rate_ips(pool(2, link="pcie")), "a pipeline over PCIe": rate_ips(pipeline(2, link="pcie")),
    }  # fmt: skip
    return found, f"They reach {', '.join(f'{ips:.1f} /s ({words})' for words, ips in found.items())}."


def pool_latency() -> Solution:
    """Latency of a request in a pool of two over USB, against one accelerator."""
    one, two = latency_ms(pool(1)), latency_ms(pool(2))
    return Solution(two / one, f"It takes {two:.1f} ms instead of {one:.1f} ms: both stream over the same bus at once.")


def third_segment() -> Solution:
    """Streaming of a pipeline of three against one of two."""
    two, three = (point(pipeline(n))["time_breakdown_ms"]["parameters"] for n in (2, 3))
    return Solution(
        three / two,
        f"{three:.1f} ms an inference instead of {two:.1f} ms: a third of the network nearly fits on a chip.",
    )


FOUR = ("a pool over USB 3", "a pipeline over USB 3", "a pool over PCIe", "a pipeline over PCIe")

PARTS = (
    Text(
        "There are two ways to use several accelerators. In a **pool** each runs whole networks for its own threads. "
        "In a **pipeline** each runs one segment, and an inference passes through all of them.\n\n"
        "In a pool every accelerator streams what does not fit. In a pipeline the segments' parameters may all fit, "
        "and nothing is streamed. USB accelerators share the controller."
    ),
    binned(
        "Inception v3 does not fit on one chip. What does a second USB accelerator bring as a pool, on a desktop PC?",
        (1.2, 1.75), ("next to nothing", "about one and a half", "nearly double"), in_pool,
    ),
    Explore(
        (
            Slider("accelerators", "accelerators", COUNTS, 2),
            Slider("threads", "threads (pool)", (1, 2, 3, 4, 5, 6, 7, 8), 2),
            Menu("way", "used as", WAYS, "pool"),
            Menu("link", "link", ("usb3", "usb2", "pcie"), "usb3"),
            Menu("network", "network", tuple(NETWORKS), BIG),
            Menu("host", "host", tuple(HOSTS), "x86-desktop"),
        ),
        show,
    ),
    Text(
        "**Read the picture.** In a pool over one USB controller the stripes grow when both stream at once. They "
        "share the bus chunk by chunk. Choose PCIe, and each has lanes of its own. As a pipeline, an inference goes "
        "down the rows.\n\n"
        "Every gain compares with one thread on one accelerator that runs the whole network. So pool and pipeline "
        "stand on the same footing."
    ),
    Fact(
        "Google's demo with Inception v3 on video shows about 20 frames a second with one Edge TPU and more than 50 "
        "with a pipeline of three.",
        "google-coral/example-multiple-edgetpus, README; whole application, rounded",
        of_that_demo,
    ),
)  # fmt: skip

EXERCISES = (
    Number("Inception v3 again, but the pool of two is on PCIe. What does it gain?", "times", over_pcie, 0.05),
    Number("How many inferences a second does a pipeline of three give over USB 3?", "/s", line_of_three),
    Number("MobileNet v2 fits on the chip. What does a pool of two gain over USB 3?", "times", small_network),
)  # fmt: skip

QUIZ = (
    binned(
        "Four accelerators on one USB controller run Inception v3 as a pool. What do they gain over one?",
        (1.3, 3), ("next to nothing", "about twice", "nearly four times"), pool_of_four,
    ),
    known(
        "What does an accelerator of a pipeline keep on its chip?",
        (
            "the parameters of the whole network", "the parameters of its own segment",
            "the input of the next inference", "nothing, a pipeline streams everything",
        ),
        1, "So the chips together hold what does not fit on one of them.",
    ),
    binned(
        "MobileNet v2, which fits on one chip, becomes a pipeline of two over USB 3. What does it gain?",
        (1.2, 1.7), ("nothing, or it even loses", "about a half", "it doubles"), small_line,
    ),
    best("Inception v3 on two accelerators of a desktop PC. What gives most inferences a second?", FOUR, four_ways),
    binned(
        "A second stick joins as a pool, and Inception v3 streams on both. What becomes of the latency of a request?",
        (0.8, 1.4), ("it halves", "it stays", "it doubles"), pool_latency,
    ),
    binned(
        "A pipeline of Inception v3 gets a third accelerator. How much of the streaming is left?",
        (0.3, 0.85), ("a tenth or so", "two thirds", "all of it"), third_segment,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=5,
    title="More accelerators",
    question="Pool or pipeline, and when does the bus decide?",
    minutes=25,
    goals=(
        "Say what a pool and a pipeline of accelerators share, and what each keeps.",
        "Predict when a shared bus takes the gain of another accelerator.",
        "Choose between pool and pipeline for a network that fits, and for one that does not.",
    ),
    before=("Lesson 2: a second thread.", "Lesson 4: what streams."),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
