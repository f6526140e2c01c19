"""Tables for a terminal."""

from __future__ import annotations

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from gradprobe.reports.compare.cells import Table

_NAME_WIDTH = 40
_FIRST_WIDTH = 20  # up to this, what a row is about is not cut while there are numbers to fold


def rich_table(table: Table) -> RichTable:
    """A table for a rich console; every name and number is plain text, never markup."""
    shown = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        caption=Text(table.note, style="dim") if table.note else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
    )
    for position, column in enumerate(table.columns):
        named = position < table.names
        longest = max((len(row[position]) for row in table.rows), default=0)
        shown.add_column(
            Text(column),
            justify="left" if named else "right",
            overflow="ellipsis" if named else "fold",
            max_width=_NAME_WIDTH if named else None,
            no_wrap=position == 0 and longest <= _FIRST_WIDTH,
        )
    for row in table.rows:
        shown.add_row(*(Text(cell) for cell in row))
    return shown
