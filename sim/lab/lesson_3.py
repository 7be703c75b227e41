"""Lesson 3: the GIL and the cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.lab.kit import HOSTS, LIMITED, answer, invoke_ms, latency_ms, point, rate_ips, share, value
from sim.lab.lesson import (
    Chart,
    Choice,
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

SMALL = "mobilenet_v1_0.25_128"
FIGURES = (
    "throughput_ips", "latency_ms.mean", "time_breakdown_ms.gil_wait", "utilisation.gil", "utilisation.cpu",
    "utilisation.accelerator",
)  # fmt: skip
COUNTS = (1, 2, 3, 4, 6, 8)
LIMITS = ("the accelerator", "the link", "Python's lock", "the cores")
INTERVALS_MS = {"10 ms": 10.0, "5 ms, as Python has it": 5.0, "1 ms": 1.0, "0.1 ms": 0.1}
TWO_CORES: dict[str, Any] = {"models": "mobilenet_v1_0.5_160", "host": "x86-epyc-litert", "preprocess": "resize"}
SHORTEST_MS = 10  # of a timeline


def on_pi(threads: int, busy: int = 0, **options: Any) -> Scenario:
    """The smallest MobileNet with a frame on a Raspberry Pi 4, beside some busy Python threads."""
    place: dict[str, Any] = {"models": SMALL, "host": "raspberry-pi-4", "preprocess": "resize"}
    return Scenario(**place, threads=threads, busy_python_threads=busy, **options)


def limit() -> Solution:
    """What limits eight threads beside a busy one."""
    found, calm = answer(on_pi(8, 1)), rate_ips(on_pi(8))
    return Solution(
        LIMITED[found["bottleneck"]],
        f"The lock is held {found['utilisation']['gil']:.0%} of the time, most of it by the busy thread. A request "
        f"waits {found['time_breakdown_ms']['gil_wait']:.0f} ms for it. Without the busy thread there would be "
        f"{calm:.0f} inferences a second instead of {found['throughput_ips']:.0f}.",
    )


def as_chosen(values: Mapping[str, Any]) -> Scenario:
    """The scenario of the controls; a process has a lock of its own, so the busy thread is left out."""
    busy = {"busy_python_threads": int(values["busy"]), "switch_interval_ms": values["interval"]}
    return Scenario(
        models=SMALL, threads=int(values["threads"]), cores=int(values["cores"]), host=values["host"],
        mode=values["mode"], preprocess="resize", **(busy if values["mode"] == "threads" else {}),
    )  # fmt: skip


def show(values: Mapping[str, Any]) -> list[View]:
    """Workers beside a busy thread, and throughput over their number."""
    scenario = as_chosen(values)
    usual: dict[str, Any] = {"busy_python_threads": 0, "switch_interval_ms": Scenario.switch_interval_ms}
    apart = replace(scenario, mode="processes", **usual)
    beside = as_chosen({**values, "mode": "threads"})
    rates = {
        "threads": tuple(rate_ips(replace(beside, threads=n)) for n in COUNTS),
        "processes": tuple(rate_ips(replace(apart, threads=n)) for n in COUNTS),
    }
    found = answer(scenario)
    words = f"A request spends {share(found, 'gil_wait'):.0%} of its latency waiting for Python's lock."
    length_ms = max(SHORTEST_MS, 1.5 * found["latency_ms"]["mean"])
    chart = Chart("throughput (inferences/s)", "workers", COUNTS, rates, scenario.threads)
    return [Figures(scenario, FIGURES), Limit(scenario), Words(words), Timeline(scenario, length_ms), chart]


def of_kept_threads() -> str:
    """What the simulator leaves out of the fact."""
    found = invoke_ms(Scenario(models="mobilenet_v2_1.0_224", host="raspberry-pi-4"))
    return (
        f"For MobileNet v2 on a Raspberry Pi 4 it is {found:.2f} ms. Its threads live as long as the program, so it "
        "has no such cost."
    )


def times_slower() -> Solution:
    """What one busy thread costs four workers."""
    calm, noisy = rate_ips(on_pi(4)), rate_ips(on_pi(4, 1))
    alone = value(point(on_pi(1, 1)), "time_breakdown_ms.gil_wait")
    return Solution(
        calm / noisy,
        f"{calm:.0f} inferences a second become {noisy:.0f}. Whenever a worker asks for the lock, the busy thread "
        f"keeps it for a switch interval. For a lone worker that makes {alone:.1f} ms an inference.",
    )


def quick_switch() -> Solution:
    """Throughput with a short switch interval."""
    slow, quick = rate_ips(on_pi(4, 1)), rate_ips(on_pi(4, 1, switch_interval_ms=0.1))
    return Solution(
        quick, f"It is {quick:.0f} /s instead of {slow:.0f} /s: the busy thread hands the lock over sooner."
    )


def two_cores() -> Solution:
    """Eight threads over two on a server with two cores."""
    two, eight = (rate_ips(Scenario(threads=n, **TWO_CORES)) for n in (2, 8))
    ideal = rate_ips(Scenario(threads=8, numbers={"host.lock_wake_ns": 0}, **TWO_CORES))
    return Solution(
        eight / two,
        f"{eight:.0f} instead of {two:.0f} inferences a second. If a woken thread came to run at once, there would be "
        f"{ideal:.0f}.",
    )


def intervals() -> tuple[dict[str, float], str]:
    """Throughput of four workers beside a busy thread, for some switch intervals."""
    found = {words: rate_ips(on_pi(4, 1, switch_interval_ms=ms)) for words, ms in INTERVALS_MS.items()}
    return found, f"They give {', '.join(f'{ips:.0f} /s ({words})' for words, ips in found.items())}."


def second_busy() -> Solution:
    """A second busy thread."""
    one, two = rate_ips(on_pi(4, 1)), rate_ips(on_pi(4, 2))
    return Solution(two / one, f"{one:.0f} inferences a second become {two:.0f}: the lock goes round one thread more.")


def processes() -> Solution:
    """Processes instead of threads where nobody else computes."""
    threads, apart = rate_ips(on_pi(4)), rate_ips(on_pi(4, mode="processes"))
    held = point(on_pi(4))["utilisation"]["gil"]
    return Solution(
        apart / threads,
        f"Processes reach {apart:.0f} /s, threads {threads:.0f} /s. Nobody else computes, and the lock is held "
        f"{held:.0%} of the time only.",
    )


def one_core() -> Solution:
    """One core instead of four."""
    four, one = rate_ips(on_pi(8)), rate_ips(on_pi(8, cores=1))
    return Solution(
        one / four,
        f"{four:.0f} inferences a second become {one:.0f}. On one core a woken thread waits for another's work.",
    )


def faster_network() -> Solution:
    """Latency of a request beside a busy thread, with a larger network."""
    small, large = latency_ms(on_pi(1, 1)), latency_ms(replace(on_pi(1, 1), models="mobilenet_v2_1.0_224"))
    alone = latency_ms(replace(on_pi(1), models="mobilenet_v2_1.0_224")) / latency_ms(on_pi(1))
    return Solution(
        large / small,
        f"{large:.1f} ms instead of {small:.1f} ms, although MobileNet v2 takes {alone:.1f} times as long alone. Most "
        "of both is waiting for the lock.",
    )


PARTS = (
    Text(
        "`invoke()` lets go of Python's global interpreter lock, so threads overlap on the accelerator. What you do "
        "around it often does not. A part of pre- and postprocessing holds the **GIL**. Another Python thread that "
        "computes hands it over only after the **switch interval** (5 ms). Every thread also needs a **core**."
    ),
    Choice(
        "Eight threads run the smallest MobileNet on a Raspberry Pi 4. Another Python thread of the process computes, "
        "a user interface, say. What is the limit?",
        LIMITS, limit,
    ),
    Explore(
        (
            Slider("threads", "threads", (1, 2, 3, 4, 5, 6, 7, 8), 8),
            Slider("cores", "cores", (1, 2, 3, 4), 4),
            Slider("busy", "other busy Python threads", (0, 1, 2), 1),
            Slider("interval", "switch interval (ms)", (0.1, 0.5, 1, 5, 10), 5),
            Menu("mode", "workers are", ("threads", "processes"), "threads"),
            Menu("host", "host", tuple(HOSTS), "raspberry-pi-4"),
        ),
        show,
    ),
    Text(
        "**Read the picture.** Crossed lines mean that a thread waits for Python's lock. With one busy thread every "
        "piece of Python waits for a switch interval. Set the busy threads to none and the lines are gone.\n\n"
        "Processes have a lock each. The busy thread then holds up nobody, and is left out here. But an accelerator "
        "belongs to one process. Sharing it among processes takes a server, whose cost is not modelled."
    ),
    Fact(
        "The same invoke took 2.88 ms in the main thread and 3.45 ms in a fresh Python thread for each call. Threads "
        "cost when they start, so keep them.",
        "google-coral/pycoral issue 12, a maintainer's test on a Raspberry Pi",
        of_kept_threads,
    ),
)  # fmt: skip

EXERCISES = (
    Number(
        "Four workers run without any other thread, and then beside one busy Python thread. How many times as many "
        "inferences do they give without it?",
        "times", times_slower,
    ),
    Number(
        "Beside the busy thread, what do the four workers reach after `sys.setswitchinterval(0.0001)`?", "/s",
        quick_switch,
    ),
    Number(
        "A server with two cores runs MobileNet v1 0.5 with a frame to resize. How many times as many inferences do "
        "eight threads give as two?",
        "times", two_cores, 0.05,
    ),
)  # fmt: skip

QUIZ = (
    known(
        "When does a thread that uses the accelerator let go of Python's lock of its own accord?",
        (
            "during `invoke()`", "never before it ends", "only while it resizes the frame",
            "only when another thread has waited for a switch interval",
        ),
        0, "The call into the driver releases it. So several threads can wait for the accelerator at the same time.",
    ),
    best(
        "Four workers beside one busy Python thread. Which switch interval gives most inferences a second?",
        tuple(INTERVALS_MS), intervals,
    ),
    binned(
        "A second busy Python thread joins the first. What becomes of the workers' throughput?",
        (0.25, 0.8), ("a tenth is left", "about half is left", "it stays: the lock was full already"), second_busy,
    ),
    binned(
        "No other Python thread computes. What do processes gain over threads for four workers?",
        (1.15, 1.8), ("next to nothing", "about a half", "a factor of two or more"), processes,
    ),
    binned(
        "No other Python thread computes, eight workers, one core instead of four. What is left of the throughput?",
        (0.4, 0.7, 0.95), ("a quarter", "about half", "more than three quarters", "all of it"), one_core,
    ),
    binned(
        "Beside a busy thread, one worker changes from the smallest MobileNet to MobileNet v2. How much longer does a "
        "request take?",
        (1.4, 2.6), ("hardly longer", "about twice as long", "five times as long"), faster_network,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=3,
    title="The GIL and the cores",
    question="When do Python threads get in each other's way?",
    minutes=25,
    goals=(
        "Say which parts of a Python program around `invoke()` hold the global interpreter lock.",
        "Predict what a busy Python thread does to inferences, and what the switch interval changes.",
        "Decide between threads and processes, and say what processes cost.",
    ),
    before=("Lessons 1 and 2.", "What a thread and a process are."),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
