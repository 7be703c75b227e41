"""Lesson 7: estimate first, simulate after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sim.lab.kit import HOSTS, NETWORKS, latency_ms, point, rate_ips
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
from sim.lab.solutions import binned, known
from sim.lab.theory import bound_ips, demands_ms, mva_ips
from sim.scenario import Scenario

__all__ = ["LESSON"]

V1, V2 = "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224"
PLACE: dict[str, Any] = {"host": "raspberry-pi-4", "preprocess": "resize:3840x2160"}
FIGURES = ("throughput_ips", "latency_ms.mean", "utilisation.accelerator", "utilisation.gil")
MEETS = 0.1  # how close an estimate must come
ESTIMATES = ("the bound", "mean value analysis", "neither within 10 %")
ALONE = ("no", "yes")
#: A card with Edge TPUs over PCIe, each with a thread of its own.
CARD: dict[str, Any] = {"models": "inception_v1_224", "host": "x86-crl-g18u", "link": "pcie"}
RANDOM_IPS = 100


def on_pi(threads: int = 1, models: str = V2, **options: Any) -> Scenario:
    """MobileNet v2 with a 4K frame to resize on a Raspberry Pi 4."""
    return Scenario(models=models, threads=threads, **PLACE, **options)


def demands() -> tuple[float, float]:
    """D and Z of one thread alone, in ms."""
    return demands_ms(point(on_pi()))


def better() -> Solution:
    """Which estimate meets the simulator for two threads."""
    found = rate_ips(on_pi(2))
    off = [abs(estimate(2, *demands()) / found - 1) for estimate in (bound_ips, mva_ips)]
    return Solution(
        ESTIMATES[2] if min(off) > MEETS else ESTIMATES[off.index(min(off))],
        f"The simulator says {found:.0f} /s. The bound is off by {off[0]:.1%}, mean value analysis by {off[1]:.1%}. "
        "An inference takes the same time every time, so there is no chance that would cost anything.",
    )


def as_chosen(values: Mapping[str, Any]) -> tuple[Scenario, list[str]]:
    """The scenario of the controls, and its networks."""
    partner = V1 if values["network"] != V1 else V2
    names = [values["network"], *([partner] if values["other"] == "yes" else [])]
    scenario = on_pi(
        max(int(values["threads"]), len(names)), ",".join(names), cores=int(values["cores"]),
        busy_python_threads=int(values["busy"]),
    )  # fmt: skip
    return replace(scenario, host=values["host"]), names


def show(values: Mapping[str, Any]) -> list[View]:
    """The chosen set-up, and the simulator beside two estimates over threads."""
    scenario, names = as_chosen(values)
    alone = replace(scenario, threads=1, busy_python_threads=0)
    pairs = [demands_ms(point(replace(alone, models=name))) for name in names]
    held, elsewhere = (sum(column) / len(pairs) for column in zip(*pairs, strict=True))
    counts = tuple(n for n in (1, 2, 3, 4, 5, 6, 7, 8) if n >= len(names))
    lines = {
        "simulated": tuple(rate_ips(replace(scenario, threads=n)) for n in counts),
        "bound": tuple(bound_ips(n, held, elsewhere) for n in counts),
        "mean value analysis": tuple(mva_ips(n, held, elsewhere) for n in counts),
    }
    knee = (held + elsewhere) / held
    words = f"D = {held:.2f} ms, Z = {elsewhere:.2f} ms, so the knee lies at (D + Z) / D = {knee:.1f} threads."
    chart = Chart("throughput (inferences/s)", "threads", counts, lines, scenario.threads)
    return [Figures(scenario, FIGURES), Limit(scenario), Words(words), chart, Timeline(scenario)]


def of_that_card() -> str:
    """The fact's card as the simulator has it."""
    one, eight = (rate_ips(Scenario(threads=n, accelerators=n, **CARD)) for n in (1, 8))
    return (
        f"It is {one:.0f} and {eight:.0f} inferences a second, {eight / one:.1f} times as much. Their program lets "
        "all threads wait for each other before every inference, and their network is a variant. The simulator knows "
        "neither."
    )


def knee() -> Solution:
    """The number of threads at which the bound turns flat."""
    held, elsewhere = demands()
    at = (held + elsewhere) / held
    return Solution(at, f"(D + Z) / D is {at:.2f}: D is {held:.2f} ms and Z is {elsewhere:.2f} ms.")


def held_ms() -> Solution:
    """D of one thread."""
    held, _ = demands()
    return Solution(held, f"D is {held:.2f} ms, so no number of threads gives more than {1e3 / held:.0f} /s.")


def in_turn() -> Solution:
    """How far the bound is off for two networks that take turns."""
    found, bound = rate_ips(on_pi(2, f"{V2},{V1}")), bound_ips(2, *demands())
    return Solution(
        bound / found,
        f"It says at most {bound:.0f} /s, the simulator {found:.0f} /s. One thread alone never loads its parameters "
        "again, so its D does not know of that.",
    )


def random_estimate() -> Solution:
    """Mean value analysis for two threads against the simulator."""
    found, estimate = rate_ips(on_pi(2)), mva_ips(2, *demands())
    return Solution(
        estimate / found,
        f"It says {estimate:.0f} /s, the simulator {found:.0f} /s. It expects service times to vary, and threads to "
        "meet at the accelerator.",
    )


def many_threads() -> Solution:
    """Both estimates for eight threads."""
    bound, estimate = bound_ips(8, *demands()), mva_ips(8, *demands())
    return Solution(
        estimate / bound, f"{estimate:.0f} /s and {bound:.0f} /s: with so many threads the accelerator never rests."
    )


def one_core() -> Solution:
    """The bound for two threads against one core."""
    found, bound = rate_ips(on_pi(2, cores=1)), bound_ips(2, *demands())
    return Solution(
        bound / found,
        f"It says {bound:.0f} /s, the simulator {found:.0f} /s. On one core the host work of two threads takes turns.",
    )


def busy_thread() -> Solution:
    """The bound for two threads beside a busy Python thread."""
    found, bound = rate_ips(on_pi(2, busy_python_threads=1)), bound_ips(2, *demands())
    return Solution(
        bound / found,
        f"It says {bound:.0f} /s, the simulator {found:.0f} /s: D and Z hold no waiting for Python's lock.",
    )


def at_random() -> Solution:
    """Latency with random arrivals at two thirds of what one thread can do."""
    alone = latency_ms(on_pi())
    found = latency_ms(on_pi(arrivals=f"poisson:{RANDOM_IPS}"))
    return Solution(
        found / alone,
        f"{found:.1f} ms instead of {alone:.1f} ms. One thread could do {1e3 / alone:.0f} /s, but some requests come "
        "close together and wait.",
    )


PARTS = (
    Text(
        "One thread alone tells two numbers: how long an inference **holds** the accelerator (D), and how long it is "
        "**elsewhere** (Z). Two classics predict N threads from them.\n\n"
        "- The **asymptotic bound** is `X(N) <= min(N / (D + Z), 1 / D)`. Either threads never wait, or the "
        "accelerator never rests.\n"
        "- **Mean value analysis** is `X(n) = n / (Z + D (1 + Q(n-1)))`. It takes every service to last a random "
        "(exponential) time."
    ),
    Choice(
        "Two threads of MobileNet v2 resize a 4K frame on a Raspberry Pi 4. Which estimate meets the simulator?",
        ESTIMATES, better,
    ),
    Explore(
        (
            Slider("threads", "threads", (1, 2, 3, 4, 5, 6, 7, 8), 2),
            Menu("network", "network", tuple(NETWORKS), V2),
            Menu("host", "host", tuple(HOSTS), "raspberry-pi-4"),
            Slider("cores", "cores", (1, 2, 3, 4), 4),
            Slider("busy", "other busy Python threads", (0, 1, 2), 0),
            Menu("other", "a second network takes turns", ALONE, "no"),
        ),
        show,
    ),
    Text(
        "**Read the chart.** The estimates know one thread without company. Turn on what they do not know: a second "
        "network that evicts the first one's parameters, a busy Python thread, a single core.\n\n"
        "An estimate is worth its assumptions. Where it fails, it tells you which resource it did not count."
    ),
    Fact(
        "Inception v1 on a card with eight Edge TPUs gave 200.1 inferences a second with one of them. With all eight, "
        "a thread each, it gave 1421.8, 7.1 times as much. The bound says eight times.",
        "SPARTA, ASUS CRL-G18U-P3DF card, one interpreter and thread for each accelerator",
        of_that_card,
    ),
)  # fmt: skip

EXERCISES = (
    Number("How long does one inference hold the accelerator (D), with the 4K frame?", "ms", held_ms),
    Number("Where does the bound's knee lie, from which more threads do not help?", "threads", knee, 0.05),
    Number("Two networks take turns, a thread each. How many times too high is the bound?", "times", in_turn),
)  # fmt: skip

QUIZ = (
    known(
        "What is Z?",
        (
            "the time for which an inference holds the accelerator",
            "the time it spends elsewhere, with nobody in its way",
            "the time it waits for the accelerator", "the number of threads at the knee",
        ),
        1, "D and Z are what one thread alone shows. Waiting is what the estimate has to find.",
    ),
    binned(
        "Two threads: what does mean value analysis say, against the simulator?",
        (0.92, 1.08), ("too little", "the same", "too much"), random_estimate,
    ),
    binned(
        "Eight threads: how do the two estimates compare?",
        (0.8, 1.2), ("mean value analysis lies far below the bound", "they agree", "it lies far above the bound"),
        many_threads,
    ),
    binned(
        "The two threads get one core instead of four. How many times too high is the bound?",
        (1.15, 2.5), ("it still fits", "about one and a half times", "about five times"), one_core,
    ),
    binned(
        "A busy Python thread joins the two threads. How many times too high is the bound?",
        (1.2, 3), ("it still fits", "about twice", "more than three times"), busy_thread,
    ),
    binned(
        "One thread, and 100 requests a second at random, which the bound says it can do. How long does a request "
        "take, against one alone?",
        (1.2, 4), ("as long", "about twice as long", "ten times as long"), at_random,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=7,
    title="Estimate first, simulate after",
    question="How far do bounds and mean value analysis carry?",
    minutes=30,
    goals=(
        "Compute the asymptotic bound and the knee from one thread's D and Z.",
        "Explain why mean value analysis expects more waiting than the simulator finds.",
        "Say which effects an estimate from one thread cannot know.",
    ),
    before=("Lessons 2 to 4.", "What a mean is; no queueing theory."),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
