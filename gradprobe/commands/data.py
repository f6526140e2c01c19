"""gradprobe data: list, describe, audit, join and write tables of molecules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradprobe.commands.arguments import TABLE
from gradprobe.commands.tables import (
    Censored,
    Classes,
    Duplicates,
    Exclude,
    Log10,
    Missing,
    Smiles,
    SplitColumn,
    Standardize,
    Stratify,
    reading_bar,
    table_options,
)

if TYPE_CHECKING:
    from gradprobe.data import MoleculeTable

app = typer.Typer(
    help="Tables of molecules: list, describe, audit, join, write the embedded one.", no_args_is_help=True
)


@app.command("list")
def list_data() -> None:
    """List the embedded data sets."""
    from gradprobe.data import list_datasets

    for entry in list_datasets():
        typer.echo(f"{entry.name}: {entry.description}")


@app.command()
def describe(table: Annotated[str, typer.Argument(help=TABLE)], *, smiles: Smiles = None) -> None:
    """Describe the tasks of a table: kind, labels, range, unit; then what was left out."""
    from gradprobe.data import describe as describe_table
    from gradprobe.data import load_table
    from gradprobe.data.text import as_text, left_out

    with reading_bar() as progress:
        read = load_table(table, smiles=smiles, progress=progress)
    typer.echo(as_text(describe_table(read)))
    for line in left_out(read):
        typer.echo(line)


@app.command()
def audit(  # noqa: PLR0913 - as many options as there are ways to read a table
    table: Annotated[str, typer.Argument(help=TABLE)],
    *,
    smiles: Smiles = None,
    focal: Annotated[str | None, typer.Option(help="The task to compare the others with.")] = None,
    log10: Log10 = None,
    missing: Missing = None,
    classes: Classes = None,
    exclude: Exclude = None,
    censored: Censored = None,
    duplicates: Duplicates = None,
    standardize: Standardize = None,
    split: Annotated[str, typer.Option(help="random, scaffold or parent.")] = "random",
    split_column: SplitColumn = None,
    stratify: Stratify = None,
    seed: Annotated[int, typer.Option(help="The seed of the split.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Say what a table holds and what becomes of every column, before anything is trained."""
    from gradprobe.data import load_table
    from gradprobe.data.audit import audit_as_text, audit_table

    options = table_options(
        missing=missing,
        classes=classes,
        exclude=exclude,
        censored=censored,
        duplicates=duplicates,
        standardize=standardize,
        split_column=split_column,
        stratify=stratify,
    )
    with reading_bar() as progress:
        read = load_table(table, smiles=smiles, log10=log10 or (), options=options, progress=progress)
    found = audit_table(
        read,
        source=table,
        focal=focal or "",
        kind=split,  # type: ignore[arg-type]
        seed=seed,
        options=options,
    )
    typer.echo(found.model_dump_json(indent=1) if as_json else audit_as_text(found))


@app.command("join")
def join_data(
    tables: Annotated[list[str], typer.Argument(help="Files, or FILE:COLUMN for a column of its own each.")],
    *,
    smiles: Smiles = None,
    value: Annotated[
        list[str] | None, typer.Option(help="A column of labels in every file without one; repeat.")
    ] = None,
    log10: Annotated[list[str] | None, typer.Option(help="A task, or TASK:OFFSET; repeat.")] = None,
    standardize: Standardize = None,
    out: Annotated[Path, typer.Option(help="The CSV or Parquet file to write.")],
) -> None:
    """Make one table of columns of several files."""
    from gradprobe.data import join_tables
    from gradprobe.data.join import files_of
    from gradprobe.data.writing import check_not_input

    check_not_input(out, files_of(tables))
    options = table_options(standardize=standardize)
    joined = join_tables(tables, smiles=smiles, values=value or (), log10=log10 or (), options=options)
    _write(joined, out)


@app.command("physchem")
def write_physchem(
    *, out: Annotated[Path, typer.Option(help="The CSV or Parquet file to write.")] = Path("physchem.csv")
) -> None:
    """Write the embedded table of measured properties of organic compounds."""
    from gradprobe.data import physchem

    _write(physchem(), out)


def _write(table: MoleculeTable, out: Path) -> None:
    from gradprobe.data import write_skipped, write_table

    skipped = _for_skipped(out)
    write_table(table, out)
    typer.echo(f"{out}: {len(table.smiles)} molecules, {len(table.tasks)} tasks, {table.merged} rows merged")
    for note in table.notes:
        typer.echo(note)
    if table.skipped:
        write_skipped(table, skipped)
        typer.echo(f"{skipped}: {len(table.skipped)} rows left out, with the reason for each")


def _for_skipped(out: Path) -> Path:
    """Where to write the rows left out: skipped.csv, unless someone else's file has that name."""
    from gradprobe.data.writing import SKIPPED_HEADER

    place = out.with_name("skipped.csv")
    if place.exists() and not place.read_bytes().startswith(",".join(SKIPPED_HEADER).encode()):
        return out.with_name(f"{out.name.split('.')[0]}.skipped.csv")
    return place
