"""Numbers as people read them: no exponents where figures and limits can do without."""

from __future__ import annotations

from decimal import Decimal

__all__ = ["exact_number", "plain_number"]


def plain_number(value: float, digits: int) -> str:
    """Return a number with so many digits at least, and never with an exponent from 1 on."""
    return f"{value:.0f}" if abs(value) >= 10**digits else f"{value:.{digits}g}"


def exact_number(value: float) -> str:
    """Return every digit of a number, without an exponent: 0.0001, 1000000."""
    return f"{Decimal(repr(value)).normalize():f}"
