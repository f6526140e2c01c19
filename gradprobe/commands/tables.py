"""The options with which commands read a table, and a bar while they do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradprobe.commands.arguments import names

if TYPE_CHECKING:
    from gradprobe.data import TableOptions
    from gradprobe.data.formats.raw import Progress

Smiles = Annotated[
    str | None,
    typer.Option(
        help="The column of SMILES. Default: smiles, or the only column with that word in its name."
    ),
]
Log10 = Annotated[
    list[str] | None,
    typer.Option(help="A column to take log10 of, or COLUMN:OFFSET where it has zeros; repeat."),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(help="Marks that mean missing beside the usual ones, such as -999,ND; repeat."),
]
Classes = Annotated[
    list[str] | None, typer.Option(help="A column whose two values are classes, such as 1 and 2; repeat.")
]
Exclude = Annotated[list[str] | None, typer.Option(help="A column to leave out; repeat.")]
Censored = Annotated[
    str | None, typer.Option(help="What becomes of <5 and >100: drop (default), value or loss (one-sided).")
]
Duplicates = Annotated[
    str | None, typer.Option(help="One label from a molecule's several: mean (default), median or drop.")
]
Standardize = Annotated[
    str | None,
    typer.Option(help="none (default), parent (largest fragment, neutral) or tautomer (its canonical form)."),
]
SplitColumn = Annotated[str | None, typer.Option(help="A column that says train, validation or test.")]
Stratify = Annotated[str | None, typer.Option(help="A column whose classes each fold gets its share of.")]

# Reading fewer rows than this is over before a bar would show.
_SHOWN_FROM = 20_000


def given_options(**given: Any) -> dict[str, Any]:
    """The options that were given, lists split at commas where they hold marks."""
    if given.get("missing"):
        given["missing"] = [mark for text in given["missing"] for mark in names(text) or ()]
    return {name: value for name, value in given.items() if value not in (None, [])}


def table_options(**given: Any) -> TableOptions:
    """The options of reading a table, checked.

    Raises:
        InputError: one is not among the choices.
    """
    from pydantic import ValidationError

    from gradprobe.data import TableOptions
    from gradprobe.errors import InputError

    try:
        return TableOptions(**given_options(**given))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place, message = ".".join(map(str, first["loc"])), first["msg"]
        raise InputError(f"{place}: {message[0].lower()}{message[1:]}, got {first['input']!r}") from error


@contextmanager
def reading_bar() -> Iterator[Progress]:
    """What reading a table calls to move a bar on the error stream; a small table shows none."""
    from rich.progress import Progress as Bar

    from gradprobe.commands.console import SafeConsole

    with ExitStack() as shown:
        bars: list[Bar] = []
        stages: dict[str, Any] = {}

        def moved(stage: str, done: int, total: int | None) -> None:
            if (total or done) < _SHOWN_FROM:
                return
            if not bars:
                bars.append(shown.enter_context(Bar(console=SafeConsole(stderr=True), transient=True)))
            if stage not in stages:
                stages[stage] = bars[0].add_task(f"reading {stage}", total=total)
            bars[0].update(stages[stage], completed=done, total=total)

        yield moved
