"""A scenario: every option of one simulated set-up, in the words of the command line.

An option is a field of :class:`Scenario`: its default, its help and what it may be stand there, and the command line,
sweep specs and the JSON answer follow from it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache, partial
from typing import Any

from hwmodels.cpu import KERNELS
from hwmodels.errors import InputError, nearest
from hwmodels.families import NEWEST, family_named
from hwmodels.host import load_host
from hwmodels.link import usual_link
from hwmodels.networks.readers import is_network_file, is_profile
from hwmodels.numerals import exact_number
from hwmodels.parts import meant_name, part_names
from hwmodels.thermal import ambient_c
from sim.machine.cameras import parse_cameras
from sim.machine.workloads import Arrivals, parse_arrivals, positive

__all__ = [
    "DEFAULT_FRAME", "MAX_SEGMENTS", "Scenario", "app_ms_and_kind", "flag", "frame_size", "in_turn",
    "mixed_accelerators", "name_and_count", "option_defaults", "option_fields", "parse_cascade", "parse_models",
    "parse_rates", "place", "usual_places",
]  # fmt: skip

DEFAULT_FRAME = (1280, 720)
PARTS = ("size", "link", "host")  # the options that name parts
MAX_COUNT = 4096
MAX_SEGMENTS = 16
LEAST_INTERVAL_MS = 0.01  # a hand-over takes longer than that
MAX_BACKGROUND = 0.95
LEAST_MOTION = 1e-4
MAX_APP_MS = 1e6
LARGEST_HEAD = 10_000  # classes or boxes of a detector
APP_KINDS = ("locked", "wait")


def _option(default: Any, text: str, **checks: Any) -> Any:
    """Declare an option: ``range`` is its least and most value, ``choices`` are its words, ``flag`` another name."""
    return field(default=default, metadata={"help": text, **checks})


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One set-up, in the words of the command line (``edgetpusim run --help``); units are in the names.

    ``models`` is a network, or several with threads (``a:2,b:1``); ``size`` and ``link`` may name one for each
    accelerator. Zero stands for "not limited" (``inferences``, ``duration_s``) or "as the part says" (``cores``).
    ``link`` and ``host`` are those that the size's family goes with where they are not given.
    ``numbers`` replaces numbers of the parts: ``{"host.gil_share": 0.5}``, likewise ``size.KEY`` and ``link.KEY``.
    Where an option names several parts, the number of each is replaced. They are kept as sorted pairs.

    Raises
    ------
    InputError
        For a plain value out of its range, with the option's name.
    """

    models: str
    size: str = _option("coral", "coral, small, large, dpu-b512 to dpu-b4096 or FILE.toml; several: coral:2,large:1.")
    link: str = _option(
        "",
        "usb3, usb2, pcie, memory or FILE.toml; a comma list gives each accelerator its own. "
        "None: usb3, or the fastest that the host has; memory for a DPU.",
    )
    clock: str = _option("max", "max or std (250 MHz, only coral and small over USB).")
    host: str = _option("", "A host's name (also pi4, Pi 5) or FILE.toml. None: x86-xeon, and kv260 for a DPU.")
    cores: int = _option(0, "Cores of the host (0: as its part file says).", range=(0, MAX_COUNT))
    threads: int = _option(1, "Application threads.", range=(1, MAX_COUNT))
    accelerators: int = _option(
        1, "How many (0: everything on the CPU); or sizes with counts: coral:2,large:1.", range=(0, MAX_COUNT)
    )
    mode: str = _option(
        "threads", "threads, processes, pipeline, or coexec (threads beyond one an accelerator run on the CPU).",
        choices=("threads", "processes", "pipeline", "coexec"),
    )  # fmt: skip
    num_segments: int = _option(
        0, f"Segments of a pipeline, up to {MAX_SEGMENTS} (0: one for each accelerator).", range=(0, MAX_SEGMENTS)
    )
    segmentation: str = _option(
        "compiler",
        "compiler (equal parameters), profiled (equal time), best (as simulated) or numbers such as 12,30.",
    )
    batch: int = _option(0, "Inputs that enter a pipeline at once (0: it is kept filled).", range=(0, 10**6))
    runner: str = _option(
        "pipelined",
        "pipelined (pycoral's), python (threads and queues) or chained (one thread, one segment after the other).",
        choices=("pipelined", "python", "chained"),
    )
    dispatch: str = _option("bind", "bind, round_robin, least_loaded, affinity or package.module:function.")
    discipline: str = _option("fifo", "fifo, priority, shortest, affinity or package.module:function.")
    lock: str = _option(
        "mutex", "mutex (a thread that comes back at once may go on before the one it woke) or fair.",
        choices=("mutex", "fair"),
    )  # fmt: skip
    affinity_batch: int = _option(
        8, "Requests of one network that --discipline affinity serves in a row at most.", range=(1, MAX_COUNT)
    )
    compiler: str = _option(NEWEST, f"{', '.join(part_names('compiler'))} or FILE.toml: which version of the compiler.")
    cocompile: bool = _option(False, "Compile the models together: one token.")
    classes: int = _option(
        0, "Classes that the head of a detector tells apart (0: as in the zoo).", range=(0, LARGEST_HEAD)
    )
    max_boxes: int = _option(
        0, "Boxes that a detector with post-processing keeps (0: as in the zoo).", range=(0, LARGEST_HEAD)
    )
    preprocess: str = _option(
        "none", "none, or resize[:WxH]: resize a frame (1280x720), cast, decode the result on the host."
    )
    app_ms: str = _option(
        "0",
        "Your program's own work on each result, ms: 12 (on a core), 12:locked (under the GIL) or 12:wait (no core).",
    )
    cpu_kernels: str = _option("xnnpack", "xnnpack or builtin.", choices=KERNELS)
    num_threads: int = _option(1, "The interpreter's threads for CPU operators.", range=(1, MAX_COUNT))
    switch_interval_ms: float = _option(5.0, "Python's switch interval.", range=(LEAST_INTERVAL_MS, 1e6))
    busy_python_threads: int = _option(
        0, "Other Python threads of the process that compute all the time.", range=(0, 64)
    )
    background_load: float = _option(
        0.0, "Share of the cores' time that other programs take (0 to 0.95).", range=(0, MAX_BACKGROUND)
    )
    arrivals: str = _option(
        "closed",
        "closed, poisson:RATE, periodic:RATE, trace:FILE, singlestream, multistream:N, server:RATE or offline:N.",
    )
    cameras: str = _option("", "NxFPS: N cameras of FPS frames a second, which keep two frames and drop late ones.")
    motion: float = _option(1.0, "Share of the cameras' frames that need inference.", range=(LEAST_MOTION, 1))
    regions: float = _option(1.0, "Inferences of such a frame on average, one after the other.", range=(1, 1000))
    scene_s: float = _option(
        0.0, "Seconds for which a camera sees about as much motion, on average (0: each frame differs).", range=(0, 1e5)
    )
    deadline_ms: float = _option(
        0.0, "Also say which share of requests, or of frames, takes longer (0: none).", range=(0, 1e9)
    )
    jitter: str = _option("none", "none, or measured: the published spread of latencies.", choices=("none", "measured"))
    thermal: str = _option(
        "off", "off, or the ambient temperature in C: the PCIe driver lowers the clock at 85, 90 and 95 C."
    )
    inferences: int = _option(0, "Stop after K inferences (0: until steady).", range=(0, 10**9))
    duration_s: float = _option(
        0.0, "Stop after so many simulated seconds (0: until steady).", range=(0, 1e6), flag="--duration"
    )
    seed: int = _option(0, "Seed of every random stream.", range=(0, 2**63))
    numbers: Mapping[str, float] | tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Check every plain value; parts and networks are checked when they are loaded."""
        object.__setattr__(self, "host", meant_name("host", self.host or family_named(self.size).host))
        object.__setattr__(self, "link", _meant_links(self.link) or _usual_link(self.host, self.size))
        for name, (default, check) in _checks().items():
            if (value := getattr(self, name)) is not default:
                check(value)
        parse_arrivals(self.arrivals)
        parse_cameras(self.cameras)
        ambient_c(self.thermal)
        frame_size(self.preprocess)
        app_ms_and_kind(self.app_ms)
        parse_models(self.models)
        object.__setattr__(self, "numbers", _pairs(dict(self.numbers)))  # frozen, and hashable in any case

    @cached_property
    def arrival_process(self) -> Arrivals:
        """When requests come, with the traits of that process; rates of networks are Poisson's."""
        seen = parse_cameras(self.cameras, self.motion, self.regions, self.scene_s)
        rates = parse_rates(self.models)
        if seen:
            found = Arrivals("cameras", seen.inferences_per_s, cameras=seen)
        else:
            found = Arrivals("poisson", sum(rates), rates=rates) if rates else parse_arrivals(self.arrivals)
        cascade = parse_cascade(self.models)
        return found.followed(float(cascade.share)) if cascade else found

    @property
    def is_on_cpu(self) -> bool:
        """Whether there is no accelerator: every operator runs on the CPU."""
        return self.accelerators == 0

    def options(self) -> dict[str, Any]:
        """Every option by name, for the JSON answer; ``numbers`` only where there are any."""
        named = {spec.name: getattr(self, spec.name) for spec in fields(self)}
        numbers = dict(named.pop("numbers"))
        return named | ({"numbers": numbers} if numbers else {})

    def numbers_of(self, option: str) -> dict[str, float]:
        """Return the numbers that are replaced in the parts of an option (``size``, ``link`` or ``host``), by key."""
        front = f"{option}."
        return {key.removeprefix(front): n for key, n in dict(self.numbers).items() if key.startswith(front)}

    def with_options(self, **options: Any) -> Scenario:
        """Return the scenario with other options; numbers that were replaced in a part go with that part.

        With a size of another family, link and host are that family's where they were those of the old one.
        """
        family = family_named(self.size)
        if "size" in options and family_named(options["size"]) is not family:
            usual = {key: "" for key, value in usual_places(self).items() if getattr(self, key) == value}
            options = usual | options
        gone = {name for name, value in options.items() if value != getattr(self, name)}
        kept = {key: value for key, value in dict(self.numbers).items() if key.partition(".")[0] not in gone}
        return replace(self, **{"numbers": kept, **options})


def usual_places(scenario: Scenario) -> dict[str, str]:
    """Return host and link as they are where a scenario like this names none."""
    return {"host": family_named(scenario.size).host, "link": _usual_link(scenario.host, scenario.size)}


def _meant_links(text: str) -> str:
    return ",".join(meant_name("link", name) for name in text.split(","))


def _usual_link(host: str, size: str) -> str:
    """The family's link, or the one that the host has. That there is no such host is said when it is loaded."""
    usual = family_named(size).link
    with suppress(InputError):
        return usual_link(load_host(host), usual)
    return usual


def place(options: Mapping[str, Any]) -> str:
    """Return where the networks of a scenario run, in words, from its options by name."""
    if options["accelerators"] == 0:
        return f"the CPU of {options['host']}"
    return f"{options['size']} over {options['link']}, host {options['host']}"


@cache
def option_fields() -> dict[str, Field[Any]]:
    """Return the fields that are options of the command line, in the documentation's order."""
    return {spec.name: spec for spec in fields(Scenario) if "help" in spec.metadata}


def option_defaults() -> dict[str, Any]:
    """Return the default of every option; link and host are those of the default size's family."""
    return dict(_defaults())


@cache
def _defaults() -> dict[str, Any]:
    plain: dict[str, Any] = {name: spec.default for name, spec in option_fields().items()}
    family = family_named(plain["size"])
    return plain | {"link": family.link, "host": family.host}


def flag(spec: Field[Any]) -> str:
    """Return an option's name on the command line."""
    return str(spec.metadata.get("flag", f"--{spec.name.replace('_', '-')}"))


@cache
def _checks() -> dict[str, tuple[Any, Callable[[Any], None]]]:
    """The default of each option that has a range or a choice of words, and what checks another value."""
    found: dict[str, tuple[Any, Callable[[Any], None]]] = {}
    for name, spec in option_fields().items():
        for key, check in (("range", _check_range), ("choices", _check_choice)):
            if key in spec.metadata:
                found[name] = spec.default, partial(check, flag(spec), spec.metadata[key])
    return found


def _check_choice(where: str, choices: Sequence[str], value: Any) -> None:
    if value not in choices:
        raise InputError.value(where, value, " or ".join(choices), nearest(str(value), choices))


def _check_range(where: str, span: tuple[float, float], value: Any) -> None:
    least, most = span
    if not isinstance(value, int | float) or not least <= value <= most:
        raise InputError.value(where, value, f"{exact_number(least)} to {exact_number(most)}")


def _pairs(numbers: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    """Numbers of parts in the order of their keys; raises :class:`InputError` for one that no part can have."""
    for key, value in numbers.items():
        option, _, name = key.partition(".")
        if option not in PARTS or not name:
            raise InputError.value("a key of numbers", key, " or ".join(f"{part}.KEY" for part in PARTS))
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise InputError.value(key, value, "a number")
    return tuple(sorted(numbers.items()))


def parse_models(text: str) -> list[tuple[str, int]]:
    """Parse ``a:2,b:1`` into names and thread counts; ``@RATE`` is left out.

    A cascade (``a:2>b:0.3``) is one name with its count.
    Where no network gives a count, all are 0. Where one does, another without has one thread. A network that is named
    twice has the threads of both; with rates it has both rates. Raises :class:`InputError` for an empty name or a count
    that is no whole number of at least 1.
    """
    return list(_models(text))


@lru_cache(maxsize=1024)
def _models(text: str) -> tuple[tuple[str, int], ...]:
    cascade = parse_cascade(text)
    if cascade:
        return ((cascade.name, cascade.threads),)
    pairs = [name_and_count("MODEL", _split_rate(part)[0]) for part in text.split(",")]
    is_repeated = len({name for name, _ in pairs}) < len(pairs) and not any(parse_rates(text))
    counted = any(count for _, count in pairs) or is_repeated
    counts = Counter[str]()
    for name, count in pairs:
        counts[name] += (max(1, count) if counted else 0) if len(pairs) > 1 else count
    return tuple(counts.items())


@lru_cache(maxsize=1024)
def parse_rates(text: str) -> tuple[float, ...]:
    """Parse the requests a second of ``a:1@10,b:2@30``; empty where no network has a rate.

    Raises :class:`InputError` for a rate out of its range, or where only some networks have one.
    """
    rates = [_split_rate(part)[1] for part in text.split(",")]
    if not any(rates):
        return ()
    if not all(rates):
        raise InputError.problem("MODEL", f"{text} gives a rate to some networks only", "give each one, such as a@10")
    whole: dict[str, float] = {}
    for part, rate in zip(text.split(","), rates, strict=True):
        name, _ = name_and_count("MODEL", _split_rate(part)[0])
        whole[name] = whole.get(name, 0.0) + positive("the rate in MODEL", rate)
    return tuple(whole.values())


def _split_rate(part: str) -> tuple[str, str]:
    """A network with its threads, and what stands behind the last ``@`` if that is a number."""
    name, at, rate = part.rpartition("@")
    return (name, rate.strip()) if at and re.fullmatch(r"\s*-?[0-9.]+(e-?[0-9]+)?\s*", rate) else (part, "")


@dataclass(frozen=True)
class Cascade:
    """Two networks: the second one runs on a share of the first one's results, in the same thread."""

    first: str
    second: str
    share: Fraction
    threads: int = 0

    @property
    def name(self) -> str:
        """The cascade as it is written, without its count of threads."""
        return f"{self.first}>{self.second}:{float(self.share):g}"

    @property
    def follows(self) -> tuple[bool, ...]:
        """Whether the second network runs after each of some requests, spread evenly: their share is exact."""
        part, whole = self.share.numerator, self.share.denominator
        return tuple((n + 1) * part // whole > n * part // whole for n in range(whole))

    @property
    def turn(self) -> tuple[str, ...]:
        """The networks in the order in which a thread runs them."""
        return tuple(name for both in self.follows for name in (self.first, *[self.second] * both))


@cache
def parse_cascade(text: str) -> Cascade | None:
    """Parse ``detector:2>classifier:0.3``; None for a text without ``>``.

    Raises :class:`InputError` for a share that is none, and for a cascade beside other networks.
    """
    if ">" not in text or is_network_file(text) or is_profile(text):
        return None
    first, _, rest = text.partition(">")
    second, _, number = rest.rpartition(":")
    name, threads = name_and_count("MODEL", first)
    if not re.fullmatch(r"0?\.[0-9]{1,3}|1", number) or not float(number) or any(c in name + second for c in ",+>@"):
        allowed = "two networks and a share of at most three digits, such as detector>classifier:0.3"
        raise InputError.value("MODEL", text, allowed)
    return Cascade(name, second.strip(), Fraction(number), threads)


@lru_cache(maxsize=1024)
def in_turn(name: str) -> tuple[str, ...]:
    """Return the networks of ``a+b``, which a thread runs in turn; a path with a plus sign is one network.

    Those of a cascade are in the order of the shortest run of requests that keeps its share.
    """
    cascade = parse_cascade(name)
    if cascade:
        return cascade.turn
    is_one = is_network_file(name) or is_profile(name)
    return (name,) if is_one else tuple(part.strip() for part in name.split("+"))


def name_and_count(where: str, part: str) -> tuple[str, int]:
    """Parse ``name:count``; the count is 0 where none is given."""
    name, colon, count = part.strip().rpartition(":")
    if colon and re.fullmatch(r"-?[0-9]{1,9}", count):
        _check_range(f"the count in {where} {part}", (1, MAX_COUNT), int(count))
        return name, int(count)
    if not part.strip():
        raise InputError.value(where, part, "NAME[:COUNT][,NAME[:COUNT]...]")
    return part.strip(), 0


def mixed_accelerators(text: str, size: str) -> dict[str, Any]:
    """Return the options that ``--accelerators`` stands for: a number, or sizes and counts (``coral:2,large:1``).

    Raises :class:`InputError` for anything else, or where another ``--size`` is given beside a mix.
    """
    if re.fullmatch(r"-?[0-9]{1,9}", text.strip()):
        return {"accelerators": int(text)}
    counts = [name_and_count("--accelerators", part)[1] for part in text.split(",")]
    if not all(counts):
        raise InputError.value("--accelerators", text, "a number, or sizes with counts such as coral:2,large:1")
    if size not in (option_defaults()["size"], text):
        what = f"names the size {size}, but --accelerators {text} names the sizes already"
        raise InputError.problem("--size", what, "leave one of the two out")
    return {"size": text, "accelerators": sum(counts)}


@lru_cache(maxsize=1024)
def app_ms_and_kind(text: str) -> tuple[float, str]:
    """Return the time of ``--app-ms`` and where it is spent: ``core``, ``locked`` (under the GIL) or ``wait``."""
    number, colon, kind = text.partition(":")
    try:
        ms = float(number)
    except ValueError:
        ms = -1.0
    if not 0 <= ms <= MAX_APP_MS or (colon and kind not in APP_KINDS):
        allowed = f"ms from 0 to {exact_number(MAX_APP_MS)}, such as 12, 12:locked or 12:wait"
        raise InputError.value("--app-ms", text, allowed, nearest(kind, APP_KINDS) if colon else "")
    return ms, kind or "core"


@lru_cache(maxsize=1024)
def frame_size(text: str) -> tuple[int, int] | None:
    """Return the frame's width and height, or None for ``--preprocess none``."""
    kind, _, size = text.partition(":")
    if kind == "none" and not size:
        return None
    try:
        width, height = (int(number) for number in size.split("x")) if size else DEFAULT_FRAME
    except ValueError:
        width, height = 0, 0
    if kind != "resize" or not (0 < width <= 16384 and 0 < height <= 16384):
        raise InputError.value("--preprocess", text, "none, resize or resize:WxH (up to 16384 each)")
    return width, height
