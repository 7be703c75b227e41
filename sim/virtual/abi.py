"""Declarations of TFLite's delegate interface for ctypes: what a delegate must read and fill in.

Facts of ``tensorflow/lite/core/c/common.h`` (LP64; TFLite since 2.3 and LiteRT). TFLite only appends fields, so a
prefix of most structures is enough; a tensor is declared whole, because tensors lie in an array. Device code: standard
library only, Python 3.8 or newer.
"""

from __future__ import annotations

import ctypes as c
from collections.abc import Iterator
from typing import Any

__all__ = [
    "OPERATOR", "Context", "Delegate", "Node", "Parameters", "Registration", "Tensor",
    "custom_options", "integers", "node_at", "one_integer", "tensor_fault",
]  # fmt: skip

OPERATOR = b"edgetpu-custom-op"
OK, ERROR = 0, 1
#: Bytes of an element by TfLiteType; types that no accelerator reads or writes are left out.
ELEMENT_BYTES = {1: 4, 2: 4, 3: 1, 4: 8, 6: 1, 7: 2, 9: 1, 10: 2}
MOST_NODES, MOST_EXTENTS = 1 << 20, 8


class Integers(c.Structure):
    """TfLiteIntArray: a count, and that many numbers behind it."""

    _fields_ = [("size", c.c_int), ("first", c.c_int)]


class Quantisation(c.Structure):
    """A tensor's scale and zero point."""

    _fields_ = [("scale", c.c_float), ("zero_point", c.c_int32)]


class Tensor(c.Structure):
    """TfLiteTensor, whole: 112 bytes."""

    _fields_ = [
        ("type", c.c_int), ("data", c.c_void_p), ("dims", c.POINTER(Integers)), ("parameters", Quantisation),
        ("allocation_type", c.c_int), ("bytes", c.c_size_t), ("allocation", c.c_void_p), ("name", c.c_char_p),
        ("delegate", c.c_void_p), ("buffer_handle", c.c_int), ("data_is_stale", c.c_bool), ("is_variable", c.c_bool),
        ("quantisation_type", c.c_int), ("quantisation", c.c_void_p), ("sparsity", c.c_void_p),
        ("dims_signature", c.c_void_p),
    ]  # fmt: skip


class Node(c.Structure):
    """TfLiteNode, as far as the custom options."""

    _fields_ = [
        ("inputs", c.POINTER(Integers)), ("outputs", c.POINTER(Integers)), ("intermediates", c.c_void_p),
        ("temporaries", c.c_void_p), ("user_data", c.c_void_p), ("builtin_data", c.c_void_p),
        ("custom_options", c.c_void_p), ("custom_bytes", c.c_int),
    ]  # fmt: skip


INIT = c.CFUNCTYPE(c.c_void_p, c.c_void_p, c.c_void_p, c.c_size_t)
FREE = c.CFUNCTYPE(None, c.c_void_p, c.c_void_p)
STEP = c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(Node))
PREPARE = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_void_p)


class Registration(c.Structure):
    """TfLiteRegistration, passed by value: as long as the newest, with zeros where older ones end."""

    _fields_ = [
        ("init", INIT), ("free", FREE), ("prepare", STEP), ("invoke", STEP), ("profiling_string", c.c_void_p),
        ("builtin_code", c.c_int32), ("custom_name", c.c_char_p), ("version", c.c_int), ("external", c.c_void_p),
        ("async_kernel", c.c_void_p), ("inplace_operator", c.c_uint64),
    ]  # fmt: skip


class Context(c.Structure):
    """TfLiteContext, as far as the call that replaces nodes."""

    _fields_ = [
        ("tensors_size", c.c_size_t),
        ("get_execution_plan", c.CFUNCTYPE(c.c_int, c.c_void_p, c.POINTER(c.POINTER(Integers)))),
        ("tensors", c.c_void_p), ("impl", c.c_void_p), ("resize_tensor", c.c_void_p),
        ("report_error", c.CFUNCTYPE(None, c.c_void_p, c.c_char_p)), ("add_tensors", c.c_void_p),
        ("get_node", c.CFUNCTYPE(
            c.c_int, c.c_void_p, c.c_int, c.POINTER(c.POINTER(Node)), c.POINTER(c.POINTER(Registration)))),
        ("replace_nodes", c.CFUNCTYPE(c.c_int, c.c_void_p, Registration, c.POINTER(Integers), c.c_void_p)),
    ]  # fmt: skip


class Parameters(c.Structure):
    """TfLiteDelegateParams: the nodes that a delegate's kernel stands for."""

    _fields_ = [
        ("delegate", c.c_void_p), ("nodes", c.POINTER(Integers)), ("inputs", c.POINTER(Integers)),
        ("outputs", c.POINTER(Integers)),
    ]  # fmt: skip


class Delegate(c.Structure):
    """TfLiteDelegate."""

    _fields_ = [
        ("data", c.c_void_p), ("prepare", PREPARE), ("copy_from_buffer", c.c_void_p), ("copy_to_buffer", c.c_void_p),
        ("free_buffer", c.c_void_p), ("flags", c.c_int64), ("opaque_builder", c.c_void_p),
    ]  # fmt: skip


def integers(array: Any) -> list[int]:
    """Return the numbers of a TfLiteIntArray; raises :class:`ValueError` for a count that none can have."""
    if not array:
        return []
    size = array.contents.size
    if not 0 <= size <= MOST_NODES:
        raise ValueError(f"an array of {size} numbers")
    first = c.addressof(array.contents) + Integers.first.offset
    return list((c.c_int * size).from_address(first))


def one_integer(value: int) -> Any:
    """A TfLiteIntArray of one number."""
    return c.byref(Integers(1, value))


def node_at(context: int, number: int) -> Any:
    """Return the node and registration with this number; raises :class:`ValueError` where there is none."""
    node, registration = c.POINTER(Node)(), c.POINTER(Registration)()
    get = Context.from_address(context).get_node
    if get(context, number, c.byref(node), c.byref(registration)) != OK or not node or not registration:
        raise ValueError(f"no node {number}")
    return node.contents, registration.contents


def custom_options(node: Any) -> bytes:
    """Return the custom options of a node."""
    if not node.custom_options or node.custom_bytes <= 0:
        raise ValueError("a compiled operator without a program")
    return c.string_at(node.custom_options, node.custom_bytes)


def tensors_of(context: int, array: Any) -> Iterator[Any]:
    """Yield the tensors with the numbers of an array."""
    whole = Context.from_address(context)
    for number in integers(array):
        if not 0 <= number < whole.tensors_size:
            raise ValueError(f"no tensor {number}")
        yield Tensor.from_address(whole.tensors + number * c.sizeof(Tensor))


def tensor_fault(context: int, node: Any) -> str:
    """Say which tensor of a node contradicts itself (empty where none does): then these declarations do not fit.

    A tensor's bytes must be the product of its extents and of its element's bytes.
    """
    for array in (node.inputs, node.outputs):
        for tensor in tensors_of(context, array):
            extents = integers(tensor.dims)
            count = ELEMENT_BYTES.get(tensor.type, 0)
            for extent in extents:
                count *= extent
            if len(extents) > MOST_EXTENTS or count != tensor.bytes:
                return f"{extents} of type {tensor.type} and {tensor.bytes} bytes"
    return ""
