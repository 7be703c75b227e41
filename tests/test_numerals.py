"""Numbers as people read them."""

from __future__ import annotations

import pytest

from hwmodels.errors import InputError
from hwmodels.numerals import exact_number, plain_number
from sim.scenario import Scenario, option_fields


@pytest.mark.parametrize(("value", "text"), [(8231.4, "8231"), (1861, "1861"), (84.747, "84.7"), (0.00123, "0.00123")])
def test_numbers_have_no_exponent(value, text):
    assert plain_number(value, 3) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(1e6, "1000000"), (1e-4, "0.0001"), (1e-6, "0.000001"), (0, "0"), (0.95, "0.95"), (4096, "4096")],
)
def test_limits_have_every_digit(value, text):
    assert exact_number(value) == text


@pytest.mark.parametrize("name", [name for name, spec in option_fields().items() if "range" in spec.metadata])
def test_no_limit_of_an_option_has_an_exponent(name):
    """Law: what an option may be is written out."""
    with pytest.raises(InputError) as error:
        Scenario(models="lenet_5_28", **{name: -1})
    assert "e+" not in error.value.allowed and "e-" not in error.value.allowed
