"""Tables on the terminal: names to the left, numbers to the right, and no number is cut."""

from __future__ import annotations

from rich.table import Table

__all__ = ["new_table"]


def new_table(title: str, *columns: str) -> Table:
    """Return an empty table with a title above it ("" for none)."""
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    for i, column in enumerate(columns):
        # A name may wrap; a number that is cut is none.
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0, overflow="fold")
    return table
