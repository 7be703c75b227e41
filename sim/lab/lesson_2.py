"""Lesson 2: a second thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, answer, invoke_ms, latency_ms, point, rate_ips, share
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

V1, V2 = "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224"
PI: dict[str, Any] = {"host": "raspberry-pi-4", "preprocess": "resize"}
FIGURES = (
    "throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "utilisation.accelerator", "time_breakdown_ms.wait",
)  # fmt: skip
COUNTS = (1, 2, 3, 4, 6, 8)


def on_pi(threads: int = 1, **options: Any) -> Scenario:
    """MobileNet v2 with a frame to resize on a Raspberry Pi 4."""
    return Scenario(**{"models": V2, "threads": threads, **PI, **options})


def gain(scenario: Scenario) -> float:
    """The gain over one thread."""
    return float(answer(scenario)["speedup_vs_one_thread"])


def second() -> Solution:
    """What a second thread brings."""
    found, idle = gain(on_pi(2)), 1 - answer(on_pi(1))["utilisation"]["accelerator"]
    return Solution(
        found,
        f"The gain is {found:.2f} x. With one thread the accelerator idles {idle:.0%} of the time, and host work of "
        "one thread now hides behind the other's time on the accelerator.",
    )


def show(values: Mapping[str, Any]) -> list[View]:
    """Some threads, and throughput and latency over their number."""
    frame = f"resize:1000x{1000 * int(values['frame'])}" if values["frame"] else "none"
    scenario = Scenario(
        models=values["network"], host=values["host"], threads=int(values["threads"]), preprocess=frame
    )  # fmt: skip
    rows = [point(replace(scenario, threads=n)) for n in COUNTS]
    rate = tuple(row["throughput_ips"] for row in rows)
    latency = tuple(row["latency_ms"]["mean"] for row in rows)
    found = answer(scenario)
    words = (
        f"The accelerator is held {found['utilisation']['accelerator']:.0%} of the time. A request spends "
        f"{share(found, 'wait'):.0%} of its latency waiting for its turn."
    )
    return [
        Figures(scenario, FIGURES), Words(words), Timeline(scenario),
        Chart("throughput (inferences/s)", "threads", COUNTS, {"simulated": rate}, scenario.threads),
        Chart("latency of a request (ms)", "threads", COUNTS, {"mean": latency}, scenario.threads),
    ]  # fmt: skip


def of_that_network() -> str:
    """MobileNet v1's invoke() on two hosts."""
    fast, slow = (invoke_ms(Scenario(models=V1, host=host)) for host in ("x86-xeon", "raspberry-pi-4"))
    return f"The host is not published. On the Xeon `invoke()` takes {fast:.2f} ms, on a Raspberry Pi 4 {slow:.2f} ms."


def eight_longer() -> Solution:
    """Latency with eight threads against one."""
    one, eight = on_pi(1), on_pi(8)
    return Solution(
        latency_ms(eight) / latency_ms(one),
        f"A request takes {latency_ms(eight):.1f} ms instead of {latency_ms(one):.1f} ms, for {rate_ips(eight):.0f} "
        f"instead of {rate_ips(one):.0f} inferences a second.",
    )


def without_frame() -> Solution:
    """The gain without preprocessing on a fast PC."""
    alone, two = Scenario(models=V2), Scenario(models=V2, threads=2)
    held = answer(alone)["utilisation"]["accelerator"]
    return Solution(
        gain(two),
        f"It is {gain(two):.2f} x. One thread alone holds the accelerator {held:.1%} of the time already, and handing "
        "the lock over costs a little.",
    )


def one_waits() -> Solution:
    """How long a request waits with two threads."""
    parts = point(on_pi(2))["time_breakdown_ms"]
    before = parts["preprocess"] + parts["postprocess"]
    return Solution(
        parts["wait"],
        f"It waits {parts['wait']:.2f} ms. The other thread holds the accelerator longer than the {before:.2f} ms "
        "that this one works on the host.",
    )


def third() -> Solution:
    """Throughput of three threads against two."""
    two, three = rate_ips(on_pi(2)), rate_ips(on_pi(3))
    held = point(on_pi(2))["utilisation"]["accelerator"]
    return Solution(
        three / two,
        f"Two threads reach {two:.0f} /s, three {three:.0f} /s. Two hold the accelerator {held:.0%} of the time "
        "already.",
    )


def twice_the_threads() -> Solution:
    """Latency of four threads against two."""
    two, four = latency_ms(on_pi(2)), latency_ms(on_pi(4))
    return Solution(
        four / two,
        f"It takes {four:.1f} ms instead of {two:.1f} ms. Throughput stays, so twice as many wait twice as long.",
    )


def gainers() -> tuple[dict[str, float], str]:
    """What three networks gain."""
    found = {name: gain(on_pi(2, models=name)) for name in OF_THREE}
    return found, (
        f"The gains are {', '.join(f'{times:.2f} x ({name})' for name, times in found.items())}. The longer a network "
        "holds the accelerator, the less host work counts."
    )


def larger_frame() -> Solution:
    """The gain with a frame in 4K against one of 720 lines."""
    small, large = gain(on_pi(2)), gain(on_pi(2, preprocess="resize:3840x2160"))
    return Solution(
        large / small, f"The gain is {large:.2f} x instead of {small:.2f} x: there is more host work that can hide."
    )


def fair_lock() -> Solution:
    """Two networks with a fair lock against the mutex."""
    mutex, fair = (rate_ips(Scenario(models=f"{V1},{V2}", lock=lock)) for lock in ("mutex", "fair"))
    return Solution(
        fair / mutex,
        f"They reach {fair:.0f} instead of {mutex:.0f} inferences a second. In strict turn, each sends its parameters "
        "again for every inference. With the mutex a thread goes on before the one that it woke, without sending.",
    )


OF_THREE = (V2, "efficientnet_edgetpu_s_224", "resnet_50_v1_224")

PARTS = (
    Text(
        "Thread 0 resizes a frame while nothing runs on the accelerator. A second thread could use that time. But the "
        "driver serves **one inference at a time**. From the first instruction byte to the last output byte the "
        "device's **lock** is held, and the second thread's transfers cannot even begin."
    ),
    binned(
        "MobileNet v2 on a Raspberry Pi 4, a camera frame to resize before each inference: what does a second thread "
        "bring?",
        (1.15, 1.7), ("next to nothing (below 1.15 x)", "a good third (1.15 to 1.7 x)", "nearly double (above 1.7 x)"),
        second,
    ),
    Explore(
        (
            Slider("threads", "threads", (1, 2, 3, 4, 5, 6, 7, 8), 2),
            Menu("network", "network", tuple(NETWORKS), V2),
            Menu("host", "host", tuple(HOSTS), "raspberry-pi-4"),
            Slider("frame", "megapixels of the frame", (0, 1, 2, 3, 4, 5, 6, 7, 8), 1),
        ),
        show,
    ),
    Text(
        "**Read the picture.** Hatched time is waiting for the lock. With two threads the accelerator's row has "
        "hardly a gap: only the time in which a woken thread comes to run. A third thread only waits longer. "
        "Throughput stays, latency grows.\n\n"
        "The lock is a **mutex**, not a queue. A thread that comes back at once may go on before the one that it woke."
    ),
    Fact(
        "With MobileNet v1 at the full clock, QuTiBench's program needed 6.0 ms an image. Of these, 2.57 ms were on "
        "the accelerator. It idled for more than half of the time, and that is what a second thread can use.",
        "Blott et al., QuTiBench, RCL-lab/QutibenchWeb, Coral USB Accelerator",
        of_that_network,
    ),
)  # fmt: skip

EXERCISES = (
    Number("How many times as long does a request take with eight threads as with one?", "times", eight_longer),
    Number(
        "A fast PC, no preprocessing: how many times as many inferences do two threads give as one?", "times",
        without_frame, 0.05,
    ),
    Number("Two threads on the Raspberry Pi 4: how long does a request wait for its turn?", "ms", one_waits),
)  # fmt: skip

QUIZ = (
    known(
        "How long does a thread hold the device's lock?",
        (
            "only while the array computes", "from the first instruction byte to the last output byte",
            "from the first byte of the frame until the result is decoded", "only while its input is sent",
        ),
        1, "Transfers of one thread cannot overlap with computing of another. Only host work can.",
    ),
    binned(
        "MobileNet v2 on the Raspberry Pi 4: how much more throughput does a third thread give than two?",
        (1.1, 1.4), ("none", "about a quarter", "half as much again"), third,
    ),
    binned(
        "Four threads instead of two. What becomes of the mean latency of a request?",
        (1.4, 3), ("it stays", "it doubles", "it grows fourfold"), twice_the_threads,
    ),
    best("On the Raspberry Pi 4 with its frame, which network gains most from a second thread?", OF_THREE, gainers),
    binned(
        "The frame grows from 720 lines to 4K. What becomes of the gain of a second thread?",
        (0.9, 1.1), ("it shrinks", "it stays", "it grows"), larger_frame,
    ),
    binned(
        "Two networks share the accelerator, a thread each. What does a fair lock do to their throughput, against the "
        "mutex?",
        (0.8, 1.2), ("it takes some of it", "it changes nothing", "it adds some"), fair_lock,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=2,
    title="A second thread",
    question="What overlaps, and what does the lock forbid?",
    minutes=20,
    goals=(
        "Say what two threads on one accelerator can overlap, and what they cannot.",
        "Estimate the gain of a second thread from how long the accelerator idles with one.",
        "Explain why more threads lengthen latency when throughput has stopped growing.",
    ),
    before=("Lesson 1: the phases of an inference.",),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
