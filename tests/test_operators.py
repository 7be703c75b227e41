"""What operators are, by hand and by the TFLite schema; test_structure.py counts the tables that name them."""

from __future__ import annotations

import pytest
import tflite
from layers import conv, dense, depthwise, layer

from hwmodels.networks.operators import OPERATORS, operator

CUSTOM = {"PosenetDecoderOp", "TFLite_Detection_PostProcess"}


def test_the_vocabulary_is_tflite_s():
    names = {name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    assert set(OPERATORS) - names == CUSTOM


@pytest.mark.parametrize(
    ("one", "macs"),
    [
        (conv(8, 4, 16), 8 * 8 * 16 * 9 * 4),
        (depthwise(8, 16), 8 * 8 * 16 * 9),
        (dense(100, 10), 1000),
        (layer("TRANSPOSE_CONV", (1, 4, 4, 8), (1, 8, 8, 2), (2, 3, 3, 8)), 4 * 4 * 2 * 9 * 8),
        (layer("BATCH_MATMUL", (1, 4, 8), (1, 4, 16)), 4 * 16 * 8),
        (layer("UNIDIRECTIONAL_SEQUENCE_LSTM", (1, 10, 8), (1, 10, 4), (4, 8), (4, 4), (4,)), 10 * (32 + 16)),
        (layer("ADD", (1, 4, 4, 8), (1, 4, 4, 8)), 0),
        (layer("SOMETHING_NEW", (1, 4, 4, 8), (1, 4, 4, 8)), 0),
    ],
)
def test_multiply_accumulates_by_hand(one, macs):
    assert one.macs == macs


def test_what_has_multiply_accumulates_of_a_filter_says_its_layout():
    assert {name for name, one in OPERATORS.items() if one.filter} <= {
        name for name, one in OPERATORS.items() if one.macs
    }


def test_nothing_is_known_of_an_operator_that_is_not_in_the_vocabulary():
    assert operator("SOMETHING_NEW").macs is None
