"""Hosts: cores, what a CPU operator, a copy, a Python call and an inference's dispatch cost on them.

Constants live in the part files of ``hosts/``. The source of each says with which kernels, threads and word size it was
measured.

What a CPU operator, a frame or a result costs with these numbers: :mod:`hwmodels.cpu`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import ClassVar

from hwmodels.part_keys import number, rows
from hwmodels.parts import Part, load

__all__ = ["BusCosts", "Host", "load_host"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BusCosts:
    """What one bus reaches with a host's controller and driver. A rate or floor of 0 means the link's own."""

    out_bytes_per_s: float = number("Rate towards the accelerator.", 0)
    in_bytes_per_s: float = number("Rate towards the host.", 0)
    floor_ns: float = number("Fixed time of an inference: dispatch and completion.", 0)
    instruction_ns_per_byte: float = number("Time of the driver for a byte of instructions, on top of its transfer.", 0)
    clock_hz: float = number("Of a memory: clock of the accelerators on this board; 0: their own.", 0)
    port_factor: float = number("Of a memory: factor on the rate of every accelerator's port.", 1)
    slow_port: int = number("Of a memory: number of the accelerator whose port is slower, from 1; 0: none.", 0)
    slow_port_factor: float = number("Of a memory: what that port carries, as a share of the others'.", 1)
    dsp: int = number("Of a memory: multiplier blocks of the chip that accelerators are drawn into; 0: unknown.", 0)
    places: int = number("Accelerators that find a place without a switch; 255: as many as one likes.", 255)
    lane_generation: int = number(
        "Generation of the one PCIe lane that all cards share; 0: a lane each, or unknown.", 0
    )


NO_BUS = BusCosts()  # of a link that a host does not know


@dataclass(frozen=True, kw_only=True)
class Host(Part):
    """A host computer: times in ns (of one core), rates in bytes/s, powers in W.

    What each number means stands beside it. An operator's constant holds for one thread and for the kernels that the
    file's comment names.
    """

    DIVISORS: ClassVar[frozenset[str]] = frozenset(["cores"])

    cores: int = number("Cores that threads run on.", most=4096)
    conv_ns_per_mac: float = number("A multiply-accumulate of a convolution.", effect="operator")
    depthwise_ns_per_mac: float = number("A multiply-accumulate of a depthwise convolution.", effect="operator")
    dense_ns_per_mac: float = number("A multiply-accumulate of a fully connected layer.", effect="operator")
    elementwise_ns_per_element: float = number(
        "An output element of an addition, a multiplication or an operator without a constant of its own.",
        effect="operator",
    )
    activation_ns_per_element: float = number("An output element of an activation function.", effect="operator")
    softmax_ns_per_element: float = number(
        "An output element of a softmax, an exponential or a root.", effect="operator"
    )
    move_ns_per_byte: float = number(
        "A byte that a reshape, a slice, a padding or a concatenation moves.", effect="operator"
    )
    resize_ns_per_element: float = number("An output element of a resize.", effect="operator")
    anchor_ns: float = number("A score (box times class) of the detection post-processing.", effect="operator")
    keypoint_ns: float = number("An input element of the pose decoder.", effect="operator")
    op_ns: float = number("Fixed time of an operator.", effect="operator")
    builtin_slowdown: float = number(
        "Factor on arithmetic where TFLite's built-in kernels run, not XNNPACK.", effect="operator"
    )
    thread_efficiency: float = number(
        "What a further interpreter thread adds to a convolution's speed, as a share of the first.", effect="operator"
    )
    copy_ns_per_byte: float = number("A byte of a tensor copied to or from the driver's buffers.")
    driver_cpu_ns: float = number("CPU time of the driver for an inference.")
    python_call_ns: float = number("A call of the interpreter from Python.")
    frame_ns_per_pixel: float = number("A pixel of a camera frame that is scaled down.", effect="frame")
    cast_ns_per_byte: float = number("A byte of a network's input that is converted and copied in.", effect="frame")
    decode_ns_per_element: float = number("An output element that Python decodes.", effect="frame")
    gil_share: float = number("Share of pre- and post-processing that holds Python's global lock (0 to 1).")
    switch_ns: float = number("A context switch.")
    lock_wake_ns: float = number(
        "From letting go of a lock to the woken waiter's having it, where a core is free; 0: not known, left out.", 0
    )
    stay_load: float = number(
        "Load, in busy cores, below which a waiter that is woken for a lock stays on the core of whoever let go, and "
        "takes no idle one; 0: it takes an idle one at once.",
        0,
    )
    gil_handover_ns: float = number("Hand-over of the global lock, on top of a switch interval.")
    python_stage_ns: float = number(
        "What a pipeline of Python threads and queues does for a segment under the global lock."
    )
    thread_wake_ns: float = number("Time from putting into a queue to its reader running.")
    jitter_cv: float = number("Coefficient of variation of an invoke.")
    pointwise_ns_per_mac: float = number(
        "A multiply-accumulate of a 1x1 convolution; 0: as any convolution's.", 0, effect="operator"
    )
    conv_ns_per_element: float = number(
        "An element that a convolution reads or writes, on top of its arithmetic.", 0, effect="operator"
    )
    pool_ns_per_tap: float = number(
        "A tap of a pooling window; 0: as a depthwise convolution's MAC.", 0, effect="operator"
    )
    argmax_ns_per_element: float = number(
        "An input element of ARG_MAX; 0: as any element-wise operator's.", 0, effect="operator"
    )
    overlap_ns: float = number(
        "A box compared with a detection that is kept, in the same operator.", 0, effect="operator"
    )
    builtin_element_slowdown: float = number("Like builtin_slowdown, for element-wise operators.", 1, effect="operator")
    stream_ns_per_byte: float = number("A byte of dense weights that come out of main memory.", 0, effect="operator")
    cached_weight_bytes: float = number(
        "Dense weights of a layer that stay in the cache; 0: no limit.", 0, effect="operator"
    )
    first_touch_ns_per_byte: float = number(
        "What an interpreter's first inference pays for a byte of result memory that nobody used before.", 0
    )
    submit_ns: float = number("Handing a pass to an accelerator of the board, by a compiled program.", 0)
    input_ns_per_pixel: float = number("A pixel of the input that such a program scales and copies in.", 0)
    box_ns_per_element: float = number("An output element of a YOLO network that such a program decodes.", 0)
    parallel_cores: float = number("Cores' worth of work that all cores do together; 0: as many as there are.", 0)
    power_board_w: float = number("The board, its cores left out.")
    power_core_busy_w: float = number("A busy core.")
    power_core_idle_w: float = number("An idle core.")
    power_awake_w: float = number("What is awake with the cores while work is in flight.", 0)
    usb_ports_a: float = number("Amperes that all USB ports give together; 0: not known.", 0)
    buses: Mapping[str, BusCosts] = rows("bus", BusCosts)

    @classmethod
    @cache
    def acts_on(cls, key: str) -> str:
        """Return what a number acts on: an ``operator`` on the CPU, the ``frame`` of a request, or any ``program``."""
        spec = next((spec for spec in fields(cls) if spec.name == key), None)
        return str(spec.metadata.get("effect", "program")) if spec else "program"

    def bus(self, *names: str) -> tuple[str, BusCosts]:
        """Return the row of the first of these buses that the host knows, and its name; no name where it knows none.

        Parameters
        ----------
        names
            A link's name, then the names of the links that it is based on.
        """
        name = next((name for name in names if name in self.buses), "")
        return name, self.buses[name] if name else NO_BUS


def load_host(name_or_path: str) -> Host:
    """Load a host by name (``x86-xeon``, ``raspberry-pi-4``, ...) or from a part file.

    Raises
    ------
    InputError
        For an unknown name (with the nearest one), an unreadable file, an unknown key, or a number out of its range.
    """
    return load("host", Host, name_or_path)
