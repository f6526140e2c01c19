"""gradprobe data: list, describe, join and write tables of molecules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradprobe.commands.arguments import TABLE

if TYPE_CHECKING:
    from gradprobe.data import MoleculeTable

app = typer.Typer(
    help="Tables of molecules: list, describe, join, write the embedded one.", no_args_is_help=True
)


@app.command("list")
def list_data() -> None:
    """List the embedded data sets."""
    from gradprobe.data import list_datasets

    for entry in list_datasets():
        typer.echo(f"{entry.name}: {entry.description}")


@app.command()
def describe(
    table: Annotated[str, typer.Argument(help=TABLE)],
    *,
    smiles: Annotated[str, typer.Option(help="The column of SMILES.")] = "smiles",
) -> None:
    """Describe the tasks of a table: kind, labels, range, unit."""
    from gradprobe.data import describe as describe_table
    from gradprobe.data import load_table
    from gradprobe.data.text import as_text

    typer.echo(as_text(describe_table(load_table(table, smiles=smiles))))


@app.command("join")
def join_data(
    tables: Annotated[list[Path], typer.Argument(help="One file a task; tasks are named after them.")],
    *,
    smiles: Annotated[str, typer.Option(help="The column of SMILES in every file.")] = "smiles",
    value: Annotated[list[str], typer.Option(help="A column of labels in every file; repeat.")],
    log10: Annotated[list[str] | None, typer.Option(help="A task to take log10 of; repeat.")] = None,
    out: Annotated[Path, typer.Option(help="The CSV or Parquet file to write.")],
) -> None:
    """Make one table of several files that hold one task each."""
    from gradprobe.data import join_tables

    _write(join_tables(tables, smiles=smiles, values=value, log10=log10 or ()), out)


@app.command("physchem")
def write_physchem(
    *, out: Annotated[Path, typer.Option(help="The CSV or Parquet file to write.")] = Path("physchem.csv")
) -> None:
    """Write the embedded table of measured properties of organic compounds."""
    from gradprobe.data import physchem

    _write(physchem(), out)


def _write(table: MoleculeTable, out: Path) -> None:
    from gradprobe.data import write_skipped, write_table

    write_table(table, out)
    typer.echo(f"{out}: {len(table.smiles)} molecules, {len(table.tasks)} tasks, {table.merged} rows merged")
    if table.skipped:
        skipped = out.with_name("skipped.csv")
        write_skipped(table, skipped)
        typer.echo(f"{skipped}: {len(table.skipped)} rows left out, with the reason for each")
