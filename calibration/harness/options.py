"""The options of ``measure``: each field is an option of the command, with its default and its help."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hwmodels.errors import InputError, either, nearest

__all__ = ["MeasureOptions"]

METER_PLACES = ("board", "stick")
LEAST_WINDOW_S, MOST_WINDOW_S = 0.1, 60.0


def _help(text: str) -> dict[str, str]:
    return {"help": text}


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """What to measure, how often, and what the rows say of the machine.

    Raises :class:`InputError` for a count below its least, or a place that no meter sits at.

    Attributes
    ----------
    output
        CSV file of the measurement schema; rows that are in it already are not measured again.
    models
        Compiled .tflite files (several segments ``NAME_segment_0_of_2_edgetpu.tflite`` make a pipeline). With
        ``fake_device`` names of the zoo or of generated families; with ``host_only`` plain .tflite files or such names,
        timed on the CPU.
    dry_run
        Only list the jobs; neither devices nor files are touched with ``fake_device`` or ``host_only``.
    fake_device
        Replay the simulator: accelerator ``size``, link ``link`` and host ``host_id`` by name or part file.
    host_only
        Measure this host without a device; also writes a part file ``<output stem>.host.toml``, which takes buses and
        power from the shipped part ``host_id``.
    virtual
        Measure real threads on virtual accelerators: rows of a table of their own, with ``window_s`` a window.
    repetitions, warm_up
        Inferences of a row, and inferences before it that do not count.
    threads
        Most threads on one device; 0 stands for 2, and for 8 with ``virtual``.
    devices
        Use at most so many devices; 0 = all (fake: 2).
    meter, meter_at, meter_s
        A power meter's CSV that grows while the harness runs, where the meter sits, and the length of a window in s.
    host_id, link, clock_id
        What the rows say of host part, link (usb3, usb2, pcie) and clock (max, std); empty = found out or not known.
    time_scale
        Fake device: real time times this; 0 = virtual time, without waiting.
    frame
        Width and height of the camera frame for pre- and postprocessing.
    """

    output: Path = Path("measured.csv")
    models: tuple[str, ...] = ()
    dry_run: bool = field(default=False, metadata=_help("Only list what would be done."))
    fake_device: bool = field(default=False, metadata=_help("Replay the simulator instead of a device."))
    host_only: bool = field(default=False, metadata=_help("Measure this host without a device."))
    virtual: bool = field(default=False, metadata=_help("Measure real threads on virtual devices; some 7 minutes."))
    window_s: float = field(default=0.6, metadata=_help("Length of a window of real threads, in s."))
    repetitions: int = field(default=200, metadata=_help("Inferences of a row."))
    warm_up: int = field(default=10, metadata=_help("Inferences before it that do not count."))
    threads: int = field(default=0, metadata=_help("Most threads on one device; 0: 2, and 8 with --virtual."))
    devices: int = field(default=0, metadata=_help("Use at most so many devices; 0 = all."))
    meter: Path | None = field(default=None, metadata=_help("CSV of a power meter that grows while the harness runs."))
    meter_at: str = field(
        default="board", metadata=_help("Where the meter sits: board (the whole board's supply) or stick (a USB plug).")
    )
    meter_s: float = 30.0
    host_id: str = field(default="", metadata=_help("Host part of the rows; found out where empty."))
    link: str = field(default="", metadata=_help("usb3, usb2 or pcie; found out where empty."))
    clock_id: str = field(default="", metadata=_help("max or std; found out where empty."))
    size: str = field(default="coral", metadata=_help("Accelerator of the fake device."))
    time_scale: float = field(default=1.0, metadata=_help("Fake device: real time times this; 0 = without waiting."))
    frame: tuple[int, int] = (1280, 720)

    def __post_init__(self) -> None:
        """Refuse counts that cannot be."""
        for name, least in (("repetitions", 1), ("threads", 0), ("warm_up", 0), ("devices", 0)):
            if getattr(self, name) < least:
                raise InputError.value(
                    f"--{name.replace('_', '-')}", getattr(self, name), f"a whole number from {least}"
                )
        if not LEAST_WINDOW_S <= self.window_s <= MOST_WINDOW_S:
            raise InputError.value("--window-s", self.window_s, f"{LEAST_WINDOW_S:g} to {MOST_WINDOW_S:g} seconds")
        if self.meter_at not in METER_PLACES:
            raise InputError.value(
                "--meter-at", self.meter_at, either(METER_PLACES), nearest(self.meter_at, METER_PLACES)
            )

    @property
    def most_threads(self) -> int:
        """Most threads on one device."""
        return self.threads or (8 if self.virtual else 2)
