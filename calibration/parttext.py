"""Numbers written into the text of a part file; comments, order and everything else stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hwmodels.errors import InputError, need, reason
from hwmodels.part_keys import split_key
from hwmodels.quantities import Quantity

if TYPE_CHECKING:
    from tomlkit.items import Item

__all__ = ["with_quantities"]


def with_quantities(text: str, quantities: Mapping[str, Quantity], digits: int = 6, error_digits: int = 3) -> str:
    """Return a part file's text with numbers set; those that it does not hold are added behind the others.

    Parameters
    ----------
    text
        Of a part file.
    quantities
        Number by key; ``bus.usb3.floor_ns`` is ``floor_ns`` below ``[bus.usb3]``.
    digits, error_digits
        Significant digits of a value and of a standard error.

    Raises
    ------
    InputError
        For a text that is not TOML, or where tomlkit is not installed.
    """
    tomlkit = need("tomlkit", "calibrate")
    try:
        document = tomlkit.parse(text)
    except tomlkit.exceptions.ParseError as error:
        raise InputError.problem("the part file", f"is no TOML file ({reason(error)})") from None
    for key, quantity in quantities.items():
        table, row, column = split_key(key)
        place = _row(document, table, row) if row else document
        place[column or key] = _item(quantity, digits, error_digits)
    return str(tomlkit.dumps(document))


def _row(document: Any, table: str, row: str) -> Any:
    """The table ``[table.row]``, made where it is missing."""
    import tomlkit

    if table not in document:
        document[table] = tomlkit.table(is_super_table=True)
    if row not in document[table]:
        document[table][row] = tomlkit.table()
    return document[table][row]


def _item(quantity: Quantity, digits: int, error_digits: int) -> Item:
    """The inline table of a number, with the spaces of the shipped files."""
    import tomlkit

    source = tomlkit.string(quantity.source).as_string()
    error = f", std_error = {quantity.std_error:.{error_digits}g}" if quantity.std_error else ""
    value = _digits(quantity.value, digits)
    reach = "" if quantity.range is None else f", range = [{', '.join(_digits(end, digits) for end in quantity.range)}]"
    return tomlkit.value(f'{{ value = {value}, status = "{quantity.status}", source = {source}{error}{reach} }}')


def _digits(value: float | list[list[float]], digits: int) -> str:
    """A number or a table of pairs with so many significant digits."""
    if isinstance(value, list | tuple):
        return "[" + ", ".join(f"[{limit:.{digits}g}, {number:.{digits - 1}g}]" for limit, number in value) + "]"
    return f"{value:.{digits}g}"
