"""A TFLite delegate whose kernels pass through a virtual device instead of computing.

Device code: standard library only, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes as c
import hashlib
import os
import random
import sys
import traceback
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from typing import Any

from . import abi
from .device import Machine
from .planfile import RECORDED
from .realtime import Visit, now_ns
from .twin import Twin

__all__ = ["VirtualDelegate", "measure_own_cost", "say"]

NAME = b"EdgeTpuDelegateForCustomOp"
DYNAMIC_TENSORS = 1  # the flag that libedgetpu sets
NOISE_BYTES = 1 << 20
TRIALS = 41
_references = count(1)


def say(text: str) -> None:
    """One line for the user, where a driver's messages go."""
    print(f"edgetpusim virtual: {text}", file=sys.stderr, flush=True)


class Kernel:
    """A compiled operator of one interpreter on one device."""

    __slots__ = ("at", "operator", "reference", "twin")

    def __init__(self, operator: int) -> None:
        self.operator = operator
        # The driver knows a network by its registration: two interpreters of one file are two.
        self.reference = os.getpid() << 32 | next(_references)
        self.at = 0  # in the recorded outputs
        self.twin: Twin | None = None


def guarded(function: Callable[..., int], failed: int) -> Callable[..., int]:
    """Turn an exception into an error code: one that leaves a callback of ctypes would count as success."""

    def call(*arguments: Any) -> int:
        """Call the function, or say what went wrong."""
        try:
            return function(*arguments)
        except Exception:
            traceback.print_exc()
            return failed

    return call


class VirtualDelegate:
    """The delegate of one device; ``native`` is the TfLiteDelegate."""

    def __init__(self, machine: Machine, device: int) -> None:
        self.machine, self.device = machine, device
        self.kernels: dict[int, Kernel] = {}
        self.digests = {operator.sha256: number for number, operator in enumerate(machine.plan.operators)}
        self.registration = abi.Registration(
            abi.INIT(guarded(self._init, 0)), abi.FREE(self._free), abi.STEP(guarded(self._prepare_node, abi.ERROR)),
            abi.STEP(guarded(self._invoke, abi.ERROR)), None, 0, NAME, 1, None, None, 0,
        )  # fmt: skip
        prepare = abi.PREPARE(guarded(self._prepare, abi.ERROR))
        self.native = abi.Delegate(None, prepare, None, None, None, DYNAMIC_TENSORS, None)

    @property
    def address(self) -> int:
        """Where the TfLiteDelegate lies."""
        return c.addressof(self.native)

    def _prepare(self, context: int, delegate: int) -> int:
        """Take over every compiled operator of an interpreter."""
        whole, nodes = abi.Context.from_address(context), c.POINTER(abi.Integers)()
        if whole.get_execution_plan(context, c.byref(nodes)) != abi.OK:
            return abi.ERROR
        for number in abi.integers(nodes):
            node, registration = abi.node_at(context, number)
            if registration.custom_name != abi.OPERATOR:
                continue
            fault = abi.tensor_fault(context, node)
            if fault:
                return self._refuse(context, f"this version of TFLite is not known (tensor {fault})")
            if whole.replace_nodes(context, self.registration, abi.one_integer(number), delegate) != abi.OK:
                return abi.ERROR
        return abi.OK

    def _refuse(self, context: int, text: str) -> int:
        say(text)
        message = f"edgetpusim virtual: {text}".replace("%", "%%")  # it is a format for printf
        abi.Context.from_address(context).report_error(context, message.encode())
        return abi.ERROR

    def _init(self, context: int, buffer: int, length: int) -> int:
        """Find the plan of the operator that a kernel stands for; 0 where there is none."""
        del length
        (number,) = abi.integers(abi.Parameters.from_address(buffer).nodes)
        options = abi.custom_options(abi.node_at(context, number)[0])
        digest = hashlib.sha256(options).hexdigest()
        if digest not in self.digests:
            self._refuse(context, f"no times for a program of {len(options)} bytes: name its file with --model FILE")
            return 0
        kernel = Kernel(self.digests[digest])
        if digest in self.machine.twins:
            kernel.twin = Twin(self.machine.twins[digest])
        self.kernels[kernel.reference] = kernel
        return kernel.reference

    def _free(self, context: int, reference: int) -> None:
        del context
        self.kernels.pop(reference, None)

    def _prepare_node(self, context: int, node: Any) -> int:
        del context
        return abi.OK if node.contents.user_data in self.kernels else abi.ERROR

    def _invoke(self, context: int, node: Any) -> int:
        kernel = self.kernels[node.contents.user_data]
        visit = Visit(self.device, kernel.operator, kernel.reference)
        self.machine.begin(visit)
        self._fill(
            context, node.contents, kernel
        )  # while the device computes: whoever waits for it must not wait for this
        self.machine.clock.release(visit)
        return abi.OK

    def _fill(self, context: int, node: Any, kernel: Kernel) -> None:
        """Write zeros, noise, what a twin computes or what was recorded, as the driver copies results."""
        if kernel.twin is not None:
            kernel.twin.compute(context, node)
            return
        outputs = self.machine.plan.settings.outputs
        for tensor in abi.tensors_of(context, node.outputs):
            if not tensor.data:
                continue
            if outputs == RECORDED:
                c.memmove(tensor.data, self._recorded(kernel, tensor.bytes), tensor.bytes)
            elif outputs == "noise":
                for start in range(0, tensor.bytes, NOISE_BYTES):
                    c.memmove(tensor.data + start, noise(), min(NOISE_BYTES, tensor.bytes - start))
            else:
                c.memset(tensor.data, 0, tensor.bytes)

    def _recorded(self, kernel: Kernel, size: int) -> bytes:
        """The next bytes that were recorded; after the last ones the first ones come again."""
        whole, start = self.machine.recorded, kernel.at
        kernel.at = (start + size) % len(whole)
        part = whole[start : start + size]
        while len(part) < size:
            part += whole[: size - len(part)]
        return part


@lru_cache(maxsize=1)
def noise() -> Any:
    """The same random bytes in every process."""
    return c.create_string_buffer(random.Random(1).getrandbits(8 * NOISE_BYTES).to_bytes(NOISE_BYTES, "little"))


def measure_own_cost(machine: Machine) -> tuple[int, int]:
    """Return what this code takes (ns) ahead of and behind the device's time.

    ``machine`` has one device that nobody uses, and one short operator: after a sleep the caches are cold, as they are
    in earnest. Taken is the lower quartile of many passes, since others' work on the cores is no cost of ours.
    """
    whole, before = [], []
    delegate = VirtualDelegate(machine, 0)
    kernel = Kernel(0)
    delegate.kernels[kernel.reference] = kernel
    node = abi.Node(user_data=kernel.reference)
    context = abi.Context()
    for _ in range(TRIALS):
        start_ns = now_ns()
        delegate.registration.invoke(c.addressof(context), c.byref(node))
        returned_ns = now_ns()
        event = machine.memory.event(0, machine.memory.state.devices[0].passes - 1)
        before.append(event.held_ns - start_ns)
        whole.append(returned_ns - start_ns - event.planned_ns)
    quarter = TRIALS // 4
    whole_ns, before_ns = sorted(whole)[quarter], sorted(before)[quarter]
    return before_ns, max(0, whole_ns - before_ns)
