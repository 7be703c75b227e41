"""Lesson 9: one large accelerator or three small ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodels import load_part
from sim.lab.kit import NETWORKS, answer, latency_ms, point, rate_ips
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

V1, V2, RESNET = "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "resnet_50_v1_224"
LARGE, SMALL = "1 x B4096", "3 x B1024"
#: Cores that need about the same multipliers of the chip -> their sizes.
MIXES = {
    LARGE: ("dpu-b4096",), SMALL: ("dpu-b1024",) * 3, "2 x B1600": ("dpu-b1600",) * 2,
    "B2304 and B1024": ("dpu-b2304", "dpu-b1024"),
}  # fmt: skip
#: Operations in a cycle, which are in the name of a size.
OPERATIONS = (512, 800, 1024, 1152, 1600, 2304, 3136, 4096)
BOARDS = ("kv260", "zcu102")
FIGURES = (
    "throughput_ips", "speedup_vs_one_thread", "latency_ms.mean", "energy_mj_per_inference", "utilisation.accelerator",
)  # fmt: skip


def cores(mix: str, network: str = V2, threads: int = 8, host: str = BOARDS[0]) -> Scenario:
    """The scenario of a mix: a request goes to whichever core is least loaded where they differ."""
    sizes = MIXES[mix]
    unlike: dict[str, Any] = {"size": ",".join(sizes), "dispatch": "least_loaded"}
    options = unlike if len(set(sizes)) > 1 else {"size": sizes[0]}
    return Scenario(models=network, accelerators=len(sizes), threads=threads, host=host, **options)


def single(operations: int, network: str = V2) -> Scenario:
    """One core of a size, and one thread."""
    return Scenario(models=network, size=f"dpu-b{operations}", host=BOARDS[0])


def dsp_of(size: str) -> int:
    """Multiplier blocks of the chip that a core takes."""
    found = load_part("accelerator", size).quantities["dsp"].value
    return int(found) if isinstance(found, int | float) else 0


def multipliers(mix: str) -> int:
    """Multiplier blocks of the chip that a mix takes."""
    return sum(dsp_of(size) for size in MIXES[mix])


def more_from() -> Solution:
    """Three small cores against the large one, for MobileNet v2."""
    large, small = rate_ips(cores(LARGE)), rate_ips(cores(SMALL))
    return Solution(
        small / large,
        f"The large core reaches {large:.0f} /s, the three small ones {small:.0f} /s. Depthwise layers and thin maps "
        "use the small arrays better.",
    )


def show_mix(values: Mapping[str, Any]) -> list[View]:
    """The chosen cores, beside the large one."""
    scenario = cores(values["mix"], values["network"], int(values["threads"]), values["host"])
    large = rate_ips(cores(LARGE, values["network"], int(values["threads"]), values["host"]))
    words = (
        f"These cores take {multipliers(values['mix'])} multiplier blocks, one B4096 takes {multipliers(LARGE)}. With "
        f"as many threads, one B4096 gives {large:.0f} inferences a second."
    )
    return [Figures(scenario, FIGURES), Limit(scenario), Words(words), Timeline(scenario)]


def show_sizes(values: Mapping[str, Any]) -> list[View]:
    """Every size as one core with one thread."""
    rows = [point(single(operations, values["network"])) for operations in OPERATIONS]
    rate = tuple(row["throughput_ips"] for row in rows)
    first = OPERATIONS.index(int(values["operations"]))
    ideal = tuple(rate[first] * operations / OPERATIONS[first] for operations in OPERATIONS)
    lines = {"simulated": rate, "in step with the chosen size": ideal}
    used = rate[first] / rate[-1] / (OPERATIONS[first] / OPERATIONS[-1])
    words = (
        f"An operation of the B{OPERATIONS[first]} brings {used:.1f} times as many inferences a second as one of the "
        "B4096."
    )
    chart = Chart("one core, one thread (inferences/s)", "operations in a cycle", OPERATIONS, lines, OPERATIONS[first])
    return [Figures(single(OPERATIONS[first], values["network"]), FIGURES), Words(words), chart]


def of_those_sizes() -> str:
    """How much longer a B1024 takes than a B4096, for two networks of the zoo."""
    resnet, mobilenet = (latency_ms(single(1024, name)) / latency_ms(single(4096, name)) for name in (RESNET, V1))
    return (
        f"For ImageNet's pictures, which are larger, a B1024 takes {resnet:.1f} times as long with ResNet-50 and "
        f"{mobilenet:.1f} times with MobileNet v1."
    )


def lone_latency() -> Solution:
    """Latency of a lone ResNet-50 on a small core against the large one."""
    large, small = (latency_ms(cores(mix, RESNET, 1)) for mix in (LARGE, SMALL))
    return Solution(
        small / large,
        f"{small:.1f} ms instead of {large:.1f} ms: a lone request runs on one small core while the others rest.",
    )


def lone_energy() -> Solution:
    """Energy of a lone ResNet-50 on the small cores against the large one."""
    large, small = (float(point(cores(mix, RESNET, 1))["energy_mj_per_inference"]) for mix in (LARGE, SMALL))
    return Solution(
        small / large,
        f"{small:.0f} mJ instead of {large:.0f} mJ: it takes longer, and two of three cores idle meanwhile.",
    )


def small_one_thread() -> Solution:
    """One thread on three small cores."""
    one, eight = rate_ips(cores(SMALL, threads=1)), rate_ips(cores(SMALL))
    return Solution(one, f"{one:.0f} /s, of {eight:.0f} /s with eight threads: one thread sees one core at a time.")


def four_times_the_array(network: str) -> Solution:
    """One B4096 against one B1024 with one thread."""
    small, large = point(single(1024, network)), point(single(4096, network))
    return Solution(
        large["throughput_ips"] / small["throughput_ips"],
        f"{large['throughput_ips']:.0f} instead of {small['throughput_ips']:.0f} inferences a second. The array "
        f"computes for {large['time_breakdown_ms']['compute']:.1f} ms instead of "
        f"{small['time_breakdown_ms']['compute']:.1f} ms.",
    )


def larger_array() -> Solution:
    """One B4096 against one B1024, for MobileNet v2."""
    return four_times_the_array(V2)


def larger_array_resnet() -> Solution:
    """The same for ResNet-50."""
    return four_times_the_array(RESNET)


def busy_resnet() -> Solution:
    """ResNet-50 on three small cores against the large one."""
    large, small = rate_ips(cores(LARGE, RESNET)), rate_ips(cores(SMALL, RESNET))
    return Solution(
        small / large,
        f"{small:.0f} /s against {large:.0f} /s: its layers fill the large array, which has more operations than the "
        "three.",
    )


def three_threads() -> Solution:
    """Three threads on three small cores against one."""
    one, three = rate_ips(cores(SMALL, threads=1)), rate_ips(cores(SMALL, threads=3))
    return Solution(three / one, f"{three:.0f} instead of {one:.0f} inferences a second: each thread has a core.")


def mixes() -> tuple[dict[str, float], str]:
    """Every mix with eight threads of MobileNet v2."""
    found = {mix: rate_ips(cores(mix)) for mix in MIXES}
    return found, f"They reach {', '.join(f'{ips:.0f} /s ({mix})' for mix, ips in found.items())}."


def second_thread() -> Solution:
    """A second thread on the large core."""
    found = answer(cores(LARGE, threads=2))["speedup_vs_one_thread"]
    held = point(cores(LARGE, threads=1))["utilisation"]["accelerator"]
    return Solution(
        found, f"The gain is {found:.2f} x. One thread alone keeps the core busy {held:.0%} of the time already."
    )


PARTS = (
    Text(
        "AMD's DPU is drawn into a chip's programmable logic, in one of eight sizes. The name says how many "
        "operations a core does in a cycle. In the place of one large **B4096** there is room for three small "
        "**B1024**.\n\n"
        "The large one has 4096 operations in a cycle, the three have 3072. But a layer seldom fills a large array, "
        "and a small map leaves most of its rows idle. Three cores also have three **ports** to memory."
    ),
    binned(
        "MobileNet v2 on a KV260 with eight threads: what gives more inferences a second?",
        (0.9, 1.1), ("the large core", "neither: within 10 %", "the three small ones"), more_from,
    ),
    Explore(
        (
            Menu("mix", "cores", tuple(MIXES), SMALL),
            Slider("threads", "threads", (1, 2, 3, 4, 5, 6, 7, 8), 8),
            Menu("network", "network", tuple(NETWORKS), V2),
            Menu("host", "board", BOARDS, BOARDS[0]),
        ),
        show_mix,
    ),
    Text(
        "**Read the picture.** Every core has a row of its own. A thread is bound to one core, so a single thread "
        "sees one small core only. The large one answers a lone request first.\n\n"
        "### Every size alone\n\n"
        "The second chart has one core and one thread. If a network filled every array, the curve would follow the "
        "straight line."
    ),
    Explore(
        (
            Menu("network", "network", tuple(NETWORKS), V2),
            Slider("operations", "operations in a cycle", OPERATIONS, 1024),
        ),
        show_sizes,
    ),
    Fact(
        "A B4096 with four times the array of a B1024 took 5.29 s instead of 14.41 s for the same images with "
        "ResNet-50, 2.7 times less. With MobileNet it took 0.657 s instead of 0.733 s.",
        "MaistoV/multi_dpu, measures by size; CIFAR-100",
        of_those_sizes,
    ),
)  # fmt: skip

EXERCISES = (
    Number("One thread runs MobileNet v2 on three B1024. What does it reach?", "/s", small_one_thread),
    Number(
        "A camera sends one frame at a time to ResNet-50. How many times as long does it wait on three B1024 as on "
        "one B4096?",
        "times", lone_latency,
    ),
    Number("And how many times as much energy does such an inference take?", "times", lone_energy),
)  # fmt: skip

QUIZ = (
    known(
        "What does the 4096 in B4096 count?",
        ("operations in a cycle", "multiplier blocks of the chip", "kilobytes of memory", "inferences a second"),
        0, "So a B1024 does a quarter of that, and both run at the same clock.",
    ),
    binned(
        "One core, one thread, MobileNet v2: a B4096 instead of a B1024. How many times as many inferences?",
        (1.15, 2.5), ("hardly more", "one and a half times", "about four times"), larger_array,
    ),
    binned(
        "The same with ResNet-50: how many times as many inferences does the B4096 give?",
        (1.2, 1.8, 3.5), ("hardly more", "one and a half times", "two to three times", "four times or more"),
        larger_array_resnet,
    ),
    binned(
        "Eight threads of ResNet-50: three B1024 against one B4096?",
        (0.85, 1.2), ("the large one is far ahead", "about the same", "the three are far ahead"), busy_resnet,
    ),
    best("Eight threads of MobileNet v2: which cores give most inferences a second?", tuple(MIXES), mixes),
    binned(
        "Three threads instead of one on three B1024: how many times as many inferences of MobileNet v2?",
        (1.3, 2.3), ("as many: they share a memory", "about twice as many", "nearly three times"), three_threads,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=9,
    title="One large accelerator or three small ones",
    question="What is the same area worth as one core, or as several?",
    minutes=25,
    goals=(
        "Say why a network does not gain in step with the size of an array.",
        "Choose between one large core and several small ones for throughput, latency and energy.",
        "Explain what several cores on one memory share.",
    ),
    before=("Lesson 2: a second thread.", "Lesson 5: more accelerators."),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
