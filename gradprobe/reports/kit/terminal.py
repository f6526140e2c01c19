"""A document for a terminal: its words and its open tables. Every name and number is text, never markup."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table as RichTable
from rich.text import Text

from gradprobe.reports.kit.document import Card, Document, Section, Table

_NAME_WIDTH = 40
_FIRST_WIDTH = 20  # up to this, what a row is about is not cut while there are numbers to fold
_STYLES = {"safe": "green", "help": "yellow", "insufficient": "cyan"}


def show(document: Document) -> RenderableType:
    """The document for a rich console."""
    return Group(
        Text(document.title, style="bold"),
        Text(document.subtitle, style="dim"),
        show_cards(document),
        *(shown for section in document.sections for shown in _section(section)),
    )


def show_cards(document: Document) -> RenderableType:
    """The headline, what qualifies it, and the judgements, for a rich console."""
    said = Group(
        Text(document.headline, style="bold"),
        *(Text(f"  • {point}") for point in document.points),
        *map(_card, document.cards),
    )
    return Panel(said, box=box.ROUNDED) if document.cards else Group(Text(""), said, Text(""))


def show_table(table: Table) -> RichTable:
    """A table for a rich console."""
    shown = RichTable(
        title=Text(table.title, style="bold"),
        title_justify="left",
        caption=Text(table.note, style="dim") if table.note else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_header=bool(table.columns),
    )
    width = len(table.columns) or max((len(row) for row in table.rows), default=0)
    for position in range(width):
        named = position < table.names
        longest = max((len(row[position]) for row in table.rows), default=0)
        shown.add_column(
            Text(table.columns[position] if table.columns else ""),
            justify="left" if named else "right",
            overflow="ellipsis" if named else "fold",
            max_width=_NAME_WIDTH if named else None,
            no_wrap=position == 0 and longest <= _FIRST_WIDTH,
        )
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown


def _section(section: Section) -> Iterator[RenderableType]:
    if section.brief:
        yield from (show_table(table) for table in section.tables if table.rows and not table.folded)
    for name, text in section.remarks:
        yield Text(name, style="bold")
        yield Text(f"{text}\n")


def _card(card: Card) -> Text:
    text = Text()
    text.append(f"\n{card.name}: ", style="bold").append(card.call, style=_STYLES[card.tone])
    for position, paragraph in enumerate(card.paragraphs):
        text.append(f"\n{paragraph}")
        if position == 0 and card.caution:
            text.append(f" Note: {card.caution}", style="italic")
    for advice in card.advice:
        text.append(f"\n  → {advice}")
    return text
