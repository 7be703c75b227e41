"""Lesson 4: the parameter cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.lab.kit import answer, invoke_ms, point, rate_ips, share, value
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

V1, V2, SMALL = "mobilenet_v1_1.0_224", "mobilenet_v2_1.0_224", "mobilenet_v1_0.25_128"
NAMES = (V1, V2, SMALL, "inception_v1_224", "efficientnet_edgetpu_s_224", "resnet_50_v1_224")
FIGURES = (
    "throughput_ips", "latency_ms.mean", "latency_ms.p95", "time_breakdown_ms.load_parameters",
    "time_breakdown_ms.parameters",
)  # fmt: skip
#: Who is next -> the options.
TURNS: dict[str, dict[str, Any]] = {
    "in strict turn (a fair lock)": {"lock": "fair"}, "whoever comes first (a mutex)": {"lock": "mutex"},
    "the loaded network first (affinity)": {"lock": "fair", "discipline": "affinity"},
}  # fmt: skip
TOGETHER = ("apart", "together")
WIDTHS = (600, 1200, 1600, 1750, 1900, 2200, 2500)
WAYS: dict[str, dict[str, Any]] = {
    "strict turns as they are": {}, "compile both together": {"cocompile": True},
    "serve the loaded network first": {"discipline": "affinity"}, "a second accelerator": {"accelerators": 2},
}  # fmt: skip


def in_turn(first: str = V1, second: str = V2, **options: Any) -> Scenario:
    """Two networks, a thread each, in strict turn on one accelerator."""
    return Scenario(**{"models": f"{first}:1,{second}:1", "lock": "fair", **options})


def dense(width: int, link: str = "usb3") -> Scenario:
    """A network of dense layers of some width."""
    return Scenario(models=f"fc5_n{width}_in64_out10", link=link)


def pair_ms(scenario: Scenario) -> float:
    """How long a run of both networks takes, in ms."""
    return 2e3 / rate_ips(scenario)


def turns() -> Solution:
    """A pair in turn against the sum of both alone."""
    pair, alone = pair_ms(in_turn()), sum(invoke_ms(Scenario(models=name)) for name in (V1, V2))
    again = value(point(in_turn()), "time_breakdown_ms.load_parameters")
    return Solution(
        pair / alone,
        f"A pair takes {pair:.1f} ms, both alone {alone:.1f} ms. Every turn sends a network's parameters again, which "
        f"takes {again:.1f} ms.",
    )


def as_chosen(values: Mapping[str, Any]) -> Scenario:
    """The scenario of the controls; one network with itself is neither compiled together nor served first."""
    copies, options = int(values["copies"]), dict(TURNS[values["turns"]])
    if values["first"] == values["second"]:
        options.pop("discipline", None)
    elif values["compiled"] == TOGETHER[1]:
        options["cocompile"] = True
    return Scenario(
        models=f"{values['first']}:{copies},{values['second']}:{copies}", link=values["link"], **options
    )  # fmt: skip


def show(values: Mapping[str, Any]) -> list[View]:
    """Two networks that share the chip, and one that outgrows it."""
    scenario = as_chosen(values)
    rows = [point(dense(width, values["link"])) for width in WIDTHS]
    lines = {
        "invoke()": tuple(row["invoke_ms"]["mean"] for row in rows),
        "streaming": tuple(row["time_breakdown_ms"]["parameters"] for row in rows),
    }
    found = answer(scenario)
    words = (
        f"Of an inference's time on the accelerator, {held_share(found, 'load_parameters'):.0%} is loading parameters "
        f"again and {held_share(found, 'parameters'):.0%} is streaming."
    )
    chart = Chart("dense layers of N neurons: time (ms)", "N", WIDTHS, lines, 1900)
    return [Figures(scenario, FIGURES), Words(words), Timeline(scenario, is_cold=True), chart]


def held_share(found: Mapping[str, Any], state: str) -> float:
    """The share of a state in a request's time without waiting."""
    return share(found, state) / (1 - share(found, "wait", "gil_wait"))


def of_that_pair() -> str:
    """The fact's pair as the simulator has it."""
    same: dict[str, Any] = {"compiler": "2020", "host": "x86-xeon-w2135"}
    apart, together = pair_ms(in_turn(**same)), pair_ms(in_turn(cocompile=True, **same))
    return f"With files of 2020 on that host it is {apart:.2f} ms apart and {together:.2f} ms together."


def together_brings() -> Solution:
    """What compiling together brings."""
    apart, joint = answer(in_turn()), answer(in_turn(cocompile=True))
    return Solution(
        joint["throughput_ips"] / apart["throughput_ips"],
        f"{joint['throughput_ips']:.0f} instead of {apart['throughput_ips']:.0f} inferences a second. Nothing is "
        f"loaded again, and {joint['time_breakdown_ms']['parameters']:.2f} ms of streaming in an inference are left.",
    )


def second_accelerator() -> Solution:
    """What a second accelerator brings instead."""
    one, two = answer(in_turn()), answer(in_turn(accelerators=2))
    return Solution(
        two["throughput_ips"] / one["throughput_ips"],
        f"{two['throughput_ips']:.0f} instead of {one['throughput_ips']:.0f} inferences a second. Each network stays "
        f"on its chip, so {two['time_breakdown_ms']['load_parameters']:.0f} ms instead of "
        f"{one['time_breakdown_ms']['load_parameters']:.1f} ms go into loading.",
    )


def streamed() -> Solution:
    """How long an inference of ResNet-50 streams parameters."""
    found = point(Scenario(models="resnet_50_v1_224"))
    return Solution(
        found["time_breakdown_ms"]["parameters"],
        f"{found['time_breakdown_ms']['parameters']:.1f} of {found['invoke_ms']['mean']:.1f} ms: what does not fit on "
        "the chip is fetched again in every inference. The array computes for "
        f"{found['time_breakdown_ms']['compute']:.1f} ms.",
    )


def over_usb2() -> Solution:
    """The pair over USB 2 against USB 3."""
    fast, slow = pair_ms(in_turn()), pair_ms(in_turn(link="usb2"))
    return Solution(
        slow / fast, f"A pair takes {slow:.0f} ms instead of {fast:.1f} ms: nearly all of it is sending parameters."
    )


def ways() -> tuple[dict[str, float], str]:
    """Throughput of the pair by what is done about it."""
    found = {words: rate_ips(in_turn(**options)) for words, options in WAYS.items()}
    return found, f"They reach {', '.join(f'{ips:.0f} /s ({words})' for words, ips in found.items())}."


def outgrown() -> Solution:
    """Dense layers that just do not fit, against some that just do."""
    small, large = point(dense(1600)), point(dense(1900))
    before, after = small["invoke_ms"]["mean"], large["invoke_ms"]["mean"]
    return Solution(
        after / before,
        f"{after:.2f} ms instead of {before:.3f} ms. With N = 1600 everything fits on the chip. With 1900 an "
        f"inference streams for {large['time_breakdown_ms']['parameters']:.2f} ms.",
    )


def tail() -> Solution:
    """The 95th percentile with affinity, against strict turns."""
    turn, batch = answer(in_turn()), answer(in_turn(discipline="affinity"))
    return Solution(
        batch["latency_ms"]["p95"] / turn["latency_ms"]["p95"],
        f"It is {batch['latency_ms']['p95']:.0f} ms instead of {turn['latency_ms']['p95']:.0f} ms, although the mean "
        f"falls from {turn['latency_ms']['mean']:.1f} to {batch['latency_ms']['mean']:.1f} ms. The other network "
        "waits until a batch is over.",
    )


def both_fit() -> Solution:
    """A pair that fits together, against one that does not: the share of streaming."""
    found, spilled = answer(in_turn(second=SMALL, cocompile=True)), answer(in_turn(cocompile=True))
    return Solution(
        found["time_breakdown_ms"]["parameters"] / found["time_breakdown_ms"]["compute"],
        f"{found['time_breakdown_ms']['parameters']:.2f} ms an inference, against "
        f"{spilled['time_breakdown_ms']['parameters']:.2f} ms for MobileNet v1 with v2. This pair fits on the chip.",
    )


PARTS = (
    Text(
        "About 8 MB of on-chip memory keep a network's parameters between inferences. They are sent **once**, and "
        "stay until another network's **token** takes the memory. Then the whole set is forgotten and sent again at "
        "the next change. Compiled **together**, networks share a token. What does not fit is **streamed** with every "
        "inference."
    ),
    binned(
        "MobileNet v1 and v2 take strict turns on one accelerator. How long does a pair take, against the sum of both "
        "alone?",
        (1.4, 3), ("about as long", "about twice as long", "more than three times as long"), turns,
    ),
    Explore(
        (
            Menu("first", "network A", NAMES, V1),
            Menu("second", "network B", NAMES, V2),
            Slider("copies", "threads of each", (1, 2, 3, 4), 1),
            Menu("compiled", "compiled", TOGETHER, TOGETHER[0]),
            Menu("turns", "who is next", tuple(TURNS), next(iter(TURNS))),
            Menu("link", "link", ("usb3", "usb2", "pcie"), "usb3"),
        ),
        show,
    ),
    Text(
        "**Read the picture.** Plain purple is the whole set being sent again, striped purple what is streamed. "
        "Compile both together: the plain purple goes after the first turn, and if both do not fit, stripes come "
        "instead.\n\n"
        "With a mutex a thread may go on before the one that it woke. Its network is still loaded, so it loads less. "
        "Affinity goes further: it stays with one network as long as somebody waits for it, at the price of the "
        "other's tail.\n\n"
        "The chart shows one network that outgrows the chip: five dense layers of N neurons. Beyond the capacity one "
        "layer after the other is streamed with **every** inference."
    ),
    Fact(
        "One run of MobileNet v1 and one of v2 in turn took 22.61 ms compiled apart and 7.36 ms compiled together.",
        "google-coral/edgetpu@eel, benchmarks/reference/cocompilation_reference_x86_64.csv, Xeon W-2135, USB 3",
        of_that_pair,
    ),
)  # fmt: skip

EXERCISES = (
    Number(
        "Compile MobileNet v1 and v2 together. How many times as many inferences do they give as in strict turns?",
        "times", together_brings,
    ),
    Number(
        "A second accelerator instead, one for each network: how many times as many inferences?", "times",
        second_accelerator,
    ),
    Number("How long does one inference of ResNet-50 stream parameters over USB 3?", "ms", streamed),
)  # fmt: skip

QUIZ = (
    known(
        "What is a network's token for?",
        (
            "It says whose parameters lie on the chip; another one makes it forget them.",
            "It says which thread may use the accelerator next.",
            "It says how many bytes of parameters are streamed.",
        ),
        0, "Networks that were compiled together share one, so they do not evict each other.",
    ),
    binned(
        "The pair in strict turn moves from USB 3 to USB 2. How much longer does it take?",
        (1.5, 6), ("hardly longer", "two to five times", "about ten times"), over_usb2,
    ),
    best(
        "MobileNet v1 and v2, a thread each. What gives most inferences a second?", tuple(WAYS), ways,
    ),
    binned(
        "Five dense layers grow from 1600 to 1900 neurons, which is two fifths more parameters. How much longer does "
        "`invoke()` take?",
        (2, 10), ("a little longer", "about three times", "more than ten times"), outgrown,
    ),
    binned(
        "The accelerator serves the loaded network first. What does that do to the 95th percentile of latency, "
        "against strict turns?",
        (0.8, 1.25), ("it falls", "it stays", "it rises"), tail,
    ),
    binned(
        "MobileNet v1 is compiled together with the smallest MobileNet instead of v2. How much do they stream, "
        "against their computing?",
        (0.1, 0.9), ("nearly nothing", "about half as long", "longer than they compute"), both_fit,
    ),
)  # fmt: skip

LESSON = Lesson(
    number=4,
    title="The parameter cache",
    question="What does it cost to swap, to share and to spill?",
    minutes=25,
    goals=(
        "Say when parameters are loaded once, when they are loaded again, and when they are streamed.",
        "Predict what two networks on one accelerator cost each other.",
        "Choose between compiling together, affinity and a second accelerator.",
    ),
    before=("Lessons 1 and 2.",),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
