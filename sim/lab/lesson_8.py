"""Lesson 8: your own question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hwmodels.errors import InputError
from hwmodels.networks.zoo import names
from hwmodels.parts import part_names
from sim.lab.kit import answer, latency_ms, point, rate_ips
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
    Table,
    Text,
    Timeline,
    View,
    Words,
)
from sim.lab.solutions import best, binned, known
from sim.scenario import Scenario

__all__ = ["LESSON"]

V2, DETECTOR, RECORDER = "mobilenet_v2_1.0_224", "ssd_mobilenet_v2_coco_300", "ssdlite_mobiledet_320"
PI: dict[str, Any] = {"host": "raspberry-pi-4", "preprocess": "resize"}
FRIGATE: dict[str, Any] = {
    "models": RECORDER, "host": "x86-desktop", "preprocess": "resize", "cameras": "16x5", "regions": 3.5,
}  # fmt: skip
#: People with a question -> their set-up; the slider adds accelerators, with a thread each.
PRESETS: dict[str, dict[str, Any]] = {
    "a Frigate box: 16 cameras, SSDLite MobileDet": FRIGATE,
    "a pupil's Raspberry Pi 4 with a camera": {"models": V2, **PI, "cameras": "1x30"},
    "a pupil's Raspberry Pi 3B with a camera": {
        "models": V2, "host": "raspberry-pi-3b", "link": "usb2", "preprocess": "resize", "cameras": "1x30",
    },
    "a classroom: 20 pupils ask one Raspberry Pi 4": {"models": V2, **PI, "arrivals": "poisson:20"},
    "a Raspberry Pi 5 with an M.2 card": {
        "models": DETECTOR, "host": "raspberry-pi-5", "link": "pcie", "preprocess": "resize",
    },
    "a Dev Board that looks for poses": {
        "models": "posenet_mobilenet_v1_0.75_353x481", "host": "dev-board", "preprocess": "resize",
    },
}  # fmt: skip
FIGURES = (
    "throughput_ips", "latency_ms.mean", "latency_ms.p95", "power_w.total", "energy_mj_per_inference",
    "utilisation.accelerator", "utilisation.link_out", "utilisation.cpu",
)  # fmt: skip
COUNTS = (1, 2, 4, 8)
NONE = "none"
SECOND = (NONE, V2, "mobilenet_v1_0.25_128", "posenet_mobilenet_v1_0.75_353x481")
SIZES = ("coral", "small", "large")
FRAMES = {
    "none": "none", "1280x720": "resize", "1920x1080": "resize:1920x1080", "3840x2160": "resize:3840x2160",
}  # fmt: skip
CLOSED, RANDOM, REGULAR, CAMERAS = "one after the other", "at random", "at equal distances", "from cameras"
#: Hosts that an Edge TPU is plugged into; the DPU's boards are lesson 9's.
HOSTS = tuple(name for name in part_names("host") if name not in ("kv260", "ultra96", "zcu102", "zcu104"))


def on_pi(threads: int = 2, **options: Any) -> Scenario:
    """A detector with a frame to resize on a Raspberry Pi 4."""
    return Scenario(**{"models": DETECTOR, "threads": threads, **PI, **options})


def recorder(accelerators: int) -> Scenario:
    """The Frigate box with some sticks, a thread each."""
    return Scenario(**FRIGATE, accelerators=accelerators, threads=accelerators)


def dropped(scenario: Scenario) -> float:
    """Share of the cameras' frames that nobody looks at."""
    return float(point(scenario)["skipped_share"])


def one_stick() -> Solution:
    """Frames that the Frigate box drops with one stick."""
    found = point(recorder(1))
    return Solution(
        found["skipped_share"],
        f"{found['skipped_share']:.0%} are dropped. The cameras ask for {16 * 5 * 3.5:.0f} inferences a second, and "
        f"one thread on one stick gives {found['throughput_ips']:.0f}.",
    )


def about(scenario: Scenario) -> list[View]:
    """What the cameras lose, and what the simulator remarks."""
    found = answer(scenario)
    lost = [Words(f"Of the cameras' frames, {found['skipped_share']:.0%} are dropped.")] if scenario.cameras else []
    notes = tuple((note,) for note in found["warnings"])
    return [*lost, *([Table(("the simulator remarks",), notes)] if notes else [])]


def show_preset(values: Mapping[str, Any]) -> list[View]:
    """Somebody's set-up with some accelerators."""
    count = int(values["accelerators"])
    scenario = Scenario(**PRESETS[values["preset"]], accelerators=count, threads=count)
    return [Figures(scenario, FIGURES), Limit(scenario), *about(scenario), Timeline(scenario)]


def arrivals(values: Mapping[str, Any]) -> dict[str, Any]:
    """How requests come, as options."""
    rate = int(values["rate"])
    ways: dict[str, dict[str, Any]] = {
        CLOSED: {}, RANDOM: {"arrivals": f"poisson:{rate}"}, REGULAR: {"arrivals": f"periodic:{rate}"},
        CAMERAS: {"cameras": f"{max(1, rate // 30)}x30"},
    }  # fmt: skip
    return ways[values["arrivals"]]


def acts(name: str, values: Mapping[str, Any]) -> bool:
    """Whether an option can act beside the others; one that cannot is left out."""
    if name in ("busy_python_threads", "switch_interval_ms"):
        return bool(values["mode"] == "threads")
    if name == "dispatch":
        return bool(values["accelerators"] > 1)
    return name != "discipline" or values["second"] != NONE


def as_chosen(values: Mapping[str, Any]) -> Scenario:
    """The scenario of all controls; raises :class:`InputError` for options that do not go together."""
    whole = ("cores", "threads", "accelerators", "num_threads", "busy_python_threads")
    plain = (
        "size", "link", "clock", "host", "mode", "dispatch", "discipline", "lock", "compiler", "cpu_kernels",
        "background_load", "switch_interval_ms", "jitter",
    )  # fmt: skip
    chosen: dict[str, Any] = {name: int(values[name]) for name in whole} | {name: values[name] for name in plain}
    chosen = {name: value for name, value in chosen.items() if acts(name, values)}
    if values["mode"] == "pipeline":
        chosen["threads"] = 1  # every segment has its own
    networks = [values["network"], *([values["second"]] if values["second"] != NONE else [])]
    return Scenario(
        models=",".join(networks), preprocess=FRAMES[values["frame"]], app_ms=f"{values['app_ms']:g}", **chosen,
        **arrivals(values),
    )  # fmt: skip


def show(values: Mapping[str, Any]) -> list[View]:
    """The reader's own set-up; where requests come one after the other, also throughput over threads."""
    try:
        scenario = as_chosen(values)
        remarks, charts = about(scenario), over_threads(values) if values["arrivals"] == CLOSED else []
    except InputError as error:
        return [Words(f"That does not go together. {error}.")]
    return [Figures(scenario, FIGURES), Limit(scenario), *remarks, Timeline(scenario), *charts]


def over_threads(values: Mapping[str, Any]) -> list[View]:
    """Throughput over the number of threads, as far as it is free."""
    if values["mode"] == "pipeline":
        return []
    counts = tuple(sorted({*COUNTS, int(values["threads"])}))
    rates = tuple(rate_ips(as_chosen({**values, "threads": n})) for n in counts)
    return [Chart("throughput (inferences/s)", "threads", counts, {"simulated": rates}, int(values["threads"]))]


def of_that_recorder() -> str:
    """The recorder's rates with two and three accelerators."""
    two, three = (
        point(Scenario(**{**FRIGATE, "regions": n}, accelerators=k, threads=k)) for k, n in ((2, 4.1), (3, 4.4))
    )
    return (
        f"For as many regions on a desktop PC over USB 3 it is {two['throughput_ips']:.0f} and "
        f"{three['throughput_ips']:.0f} inferences a second, with {two['utilisation']['cpu']:.0%} and "
        f"{three['utilisation']['cpu']:.0%} of the cores busy. Host and link of that box are not known, and its other "
        "work is left out here."
    )


def two_sticks() -> Solution:
    """What the detector reaches with two sticks."""
    one, two = rate_ips(on_pi()), rate_ips(on_pi(4, accelerators=2))
    return Solution(two, f"{two:.0f} /s, instead of {one:.0f} /s with one stick and two threads.")


def camera_power() -> Solution:
    """Power of a pupil's Raspberry Pi 4 with a camera."""
    found = point(Scenario(**PRESETS["a pupil's Raspberry Pi 4 with a camera"]))
    return Solution(
        found["power_w"]["total"],
        f"{found['power_w']['total']:.2f} W, and the accelerator is held {found['utilisation']['accelerator']:.0%} of "
        "the time.",
    )


def second_stick_drops() -> Solution:
    """Inferences a second of the Frigate box with two sticks."""
    two = point(recorder(2))
    return Solution(
        two["throughput_ips"],
        f"{two['throughput_ips']:.0f} /s, and {two['skipped_share']:.0%} of the frames are dropped instead of "
        f"{dropped(recorder(1)):.0%}.",
    )


def remedies() -> tuple[dict[str, float], str]:
    """What the detector reaches with each change."""
    found = {words: rate_ips(on_pi(**options)) for words, options in CHANGES.items()}
    return found, f"They give {', '.join(f'{ips:.0f} /s ({words})' for words, ips in found.items())}."


def over_usb2() -> Solution:
    """The detector on a USB 2 port."""
    fast, slow = rate_ips(on_pi()), rate_ips(on_pi(link="usb2"))
    parts = point(on_pi(link="usb2"))["time_breakdown_ms"]
    return Solution(
        slow / fast,
        f"{slow:.0f} /s instead of {fast:.0f} /s. The output alone takes {parts['output']:.1f} ms of an inference.",
    )


def tail() -> Solution:
    """The 95th percentile at random arrivals against a request alone."""
    alone = latency_ms(on_pi(1))
    found = point(on_pi(arrivals="poisson:50"))["latency_ms"]["p95"]
    return Solution(
        found / alone,
        f"{found:.0f} ms instead of {alone:.1f} ms. Two threads could do {rate_ips(on_pi()):.0f} /s, but requests "
        "that come close together wait.",
    )


def fewer_cameras() -> Solution:
    """Frames that the Frigate box drops with eight cameras against sixteen."""
    eight = dropped(Scenario(**{**FRIGATE, "cameras": "8x5"}))
    sixteen = dropped(recorder(1))
    return Solution(
        eight / sixteen, f"{eight:.0%} instead of {sixteen:.0%}: only what exceeds the stick's rate is dropped."
    )


def detectors() -> tuple[dict[str, float], str]:
    """Some detectors on the Raspberry Pi 4."""
    found = {name: rate_ips(on_pi(models=name)) for name in OF_THREE}
    return found, f"They give {', '.join(f'{ips:.0f} /s ({name})' for name, ips in found.items())}."


CHANGES: dict[str, dict[str, Any]] = {
    "eight threads instead of two": {"threads": 8}, "eight cores": {"cores": 8},
    "processes instead of threads": {"mode": "processes"}, "a second stick": {"threads": 4, "accelerators": 2},
}  # fmt: skip
OF_THREE = (DETECTOR, "yolov8n_320", "efficientdet_lite0_320")

ALL = (
    Menu("network", "network", tuple(sorted(names())), DETECTOR),
    Menu("second", "second network", SECOND, NONE),
    Menu("host", "host", HOSTS, "raspberry-pi-4"),
    Slider("threads", "threads", (1, 2, 3, 4, 6, 8), 2),
    Slider("accelerators", "accelerators (0: the CPU alone)", (0, 1, 2, 3, 4), 1),
    Menu("link", "link", ("usb3", "usb2", "pcie"), "usb3"),
    Menu("frame", "frame to resize", tuple(FRAMES), "1280x720"),
    Menu("arrivals", "requests come", (CLOSED, RANDOM, REGULAR, CAMERAS), CLOSED),
    Slider("rate", "requests a second (not one after the other)", (5, 10, 30, 60, 90, 120, 240), 60),
    Menu("size", "size", SIZES, "coral"),
    Menu("clock", "clock", ("max", "std"), "max"),
    Menu("compiler", "compiler", tuple(part_names("compiler")), Scenario.compiler),
    Menu("mode", "workers", ("threads", "processes", "pipeline"), "threads"),
    Menu("dispatch", "dispatch (of several accelerators)", ("bind", "round_robin", "least_loaded", "affinity"), "bind"),
    Menu("discipline", "who is next (with a second network)", ("fifo", "priority", "shortest", "affinity"), "fifo"),
    Menu("lock", "lock", ("mutex", "fair"), "mutex"),
    Slider("cores", "cores (0: as the host has)", (0, 1, 2, 4, 8), 0),
    Slider("app_ms", "your own work on a result (ms)", (0, 2, 5, 10, 20), 0),
    Slider("background_load", "share of the cores that others use", (0, 0.25, 0.5, 0.75, 0.9), 0),
    Slider("busy_python_threads", "other busy Python threads (beside threads)", (0, 1, 2), 0),
    Slider("switch_interval_ms", "switch interval (ms)", (0.5, 1, 5, 10), 5),
    Slider("num_threads", "the interpreter's threads", (1, 2, 4), 1),
    Menu("cpu_kernels", "operators on the CPU", ("xnnpack", "builtin"), "xnnpack"),
    Menu("jitter", "spread of latencies", ("none", "measured"), "none"),
)

PARTS = (
    Text(
        "Every network of the zoo, every host, and nearly every option. Write your question down, **predict the "
        "answer**, then look. The page Ask takes the same options and sends you a link to an answer.\n\n"
        "Begin with somebody else's question. A camera recorder looks at parts of frames in which something moves. "
        "What comes while it is busy, it drops."
    ),
    binned(
        "A Frigate box has 16 cameras of 5 frames a second, and each frame has 3.5 regions to look at. One stick, one "
        "thread. How many frames are dropped?",
        (0.1, 0.45, 0.85), ("next to none", "about a quarter", "about two thirds", "nearly all"), one_stick,
    ),
    Explore(
        (
            Menu("preset", "who asks", tuple(PRESETS), next(iter(PRESETS))),
            Slider("accelerators", "accelerators, with a thread each", (1, 2, 3, 4), 1),
        ),
        show_preset,
    ),
    Text(
        "### Now yours\n\n"
        "Choose a set-up and read what limits it. Then change one thing, and predict before you look. Sizes `small` "
        "and `large` were never built, so their answers are extrapolations. The simulator remarks where nothing was "
        "measured: trust such an answer less."
    ),
    Explore(ALL, show),
    Fact(
        "A camera recorder with 16 streams reached 236 detections a second with two Edge TPUs and 308 with three. Its "
        "CPU was 77 to 89 % busy, so the host counts, too.",
        "blakeblackshear/frigate issue 7247, SSDLite MobileDet",
        of_that_recorder,
    ),
)  # fmt: skip

EXERCISES = (
    Number(
        "A Raspberry Pi 4 runs SSD MobileNet v2 for four cameras of 30 frames a second. How many inferences a second "
        "do two sticks with four threads reach?",
        "/s", two_sticks,
    ),
    Number("How many inferences a second does the Frigate box do with two sticks?", "/s", second_stick_drops),
    Number(
        "A pupil's Raspberry Pi 4 runs MobileNet v2 on a camera of 30 frames a second. What does it draw?", "W",
        camera_power,
    ),
)  # fmt: skip

QUIZ = (
    best(
        "SSD MobileNet v2 with a frame on a Raspberry Pi 4, one stick, two threads. Which change brings the most?",
        tuple(CHANGES), remedies,
    ),
    binned(
        "The same stick moves to a USB 2 port. What is left of the throughput?",
        (0.2, 0.6, 0.9), ("a tenth", "about a third", "three quarters", "nearly all"), over_usb2,
    ),
    binned(
        "Two threads, and 50 requests a second at random, well below what they can do. How long do 95 % of the "
        "requests take at most, against one alone?",
        (1.3, 2.2, 6), ("as long", "about twice as long", "about three times as long", "ten times as long"), tail,
    ),
    known(
        "The simulator remarks that a host was never measured over a link. What does that mean?",
        (
            "the answer is wrong", "the set-up cannot be built",
            "the answer follows from other measurements, so trust it less", "the answer holds for one thread only",
        ),
        2, "The numbers of the parts come from other set-ups. Where it matters, measure.",
    ),
    binned(
        "The Frigate box keeps one stick but has 8 cameras instead of 16. How many of the frames are dropped, against "
        "before?",
        (0.15, 0.65, 0.9), ("none", "about half the share", "three quarters of it", "the same share"), fewer_cameras,
    ),
    best("Which of these detectors is fastest with two threads on the Raspberry Pi 4?", OF_THREE, detectors),
)  # fmt: skip

LESSON = Lesson(
    number=8,
    title="Your own question",
    question="What do you want to know?",
    minutes=30,
    goals=(
        "Turn a question about a device into a set-up and a figure to read.",
        "Say what limits a set-up, and choose the change that helps.",
        "Decide how far to trust an answer.",
    ),
    before=("Lessons 1 to 6.",),
    parts=PARTS,
    exercises=EXERCISES,
    quiz=QUIZ,
)
