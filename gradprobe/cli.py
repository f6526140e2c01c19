"""The command line: parse, call, print. Whatever is heavy is imported by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from gradprobe import __version__
from gradprobe.errors import GradprobeError

if TYPE_CHECKING:
    from gradprobe.data import MoleculeTable
    from gradprobe.studies import StudyConfig

app = typer.Typer(
    name="gradprobe",
    help="What your task gradients do to each other, and whether gradient surgery is worth it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data = typer.Typer(
    help="Tables of molecules: list, describe, join, write the embedded one.", no_args_is_help=True
)
app.add_typer(data, name="data")

Out = Annotated[Path | None, typer.Option(help="The folder to write to.")]
_TABLE = "A CSV or Parquet file, or the name of an embedded data set."


def main() -> None:
    """Run the command line; errors of the user's input are one sentence and exit code 2."""
    try:
        app()
    except GradprobeError as error:
        Console(stderr=True, highlight=False).print(f"gradprobe: {error}", markup=False, soft_wrap=True)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command()
def compare(  # noqa: PLR0913 - a command has as many options as a study
    table: Annotated[str | None, typer.Argument(help=_TABLE)] = None,
    *,
    smiles: Annotated[str | None, typer.Option(help="The column of SMILES.")] = None,
    focal: Annotated[str | None, typer.Option(help="The column of the focal task.")] = None,
    aux: Annotated[
        list[str] | None, typer.Option(help="An auxiliary's column; repeat. Default: all others.")
    ] = None,
    log10: Annotated[list[str] | None, typer.Option(help="A column to take log10 of; repeat.")] = None,
    encoders: Annotated[str | None, typer.Option(help="Such as mlp,dmpnn,gine.")] = None,
    combiners: Annotated[str | None, typer.Option(help="Such as average,pcgrad,cagrad.")] = None,
    single_task: Annotated[
        bool | None, typer.Option("--single-task", help="Also train the focal task alone.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each encoder and combiner.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the focal train fold.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Molecules a task and step.")] = None,
    batching: Annotated[str | None, typer.Option(help="balanced or union.")] = None,
    split: Annotated[str | None, typer.Option(help="random or scaffold.")] = None,
    probe_every: Annotated[
        int | None, typer.Option(help="Steps from one minibatch measurement to the next.")
    ] = None,
    probe_rows: Annotated[
        int | None, typer.Option(help="Measure whole folds on at most this many rows a task.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Cells that run side by side; results do not depend on it.")] = 0,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with these options, less jobs and out.")
    ] = None,
    out: Out = None,
) -> None:
    """Compare encoders and combiners on a table of molecules, and measure their task gradients."""
    from gradprobe.studies import make_config, read_config

    options = read_config(config) if config else {}
    given: dict[str, Any] = {
        "table": table,
        "smiles": smiles,
        "focal": focal,
        "aux": aux,
        "log10": log10,
        "encoders": _names(encoders),
        "combiners": _names(combiners),
        "single_task": single_task,
        "seeds": seeds,
        "epochs": epochs,
        "batch_size": batch_size,
        "batching": batching,
        "split": split,
        "probe_every": probe_every,
        "probe_rows": probe_rows,
    }
    options |= {name: value for name, value in given.items() if value not in (None, [])}
    _run(make_config(**options), out or Path("runs") / "compare", jobs)


@app.command()
def demo(*, out: Out = None, jobs: Annotated[int, typer.Option(help="Cells side by side.")] = 0) -> None:
    """Run a small comparison on the embedded data and report it."""
    from gradprobe.studies import demo_config

    _run(demo_config(), out or Path("runs") / "demo", jobs)


@app.command()
def report(
    source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")],
    *,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Write the HTML report of a study or a trace, finished or not."""
    from gradprobe.reports import report as write_report

    typer.echo(write_report(source, out))


@app.command()
def show(source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")]) -> None:
    """Show the numbers of a study or a trace in the terminal."""
    from gradprobe.reports import show as render
    from gradprobe.reports import summarise

    Console().print(render(summarise(source)))


@app.command()
def verdict(
    source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, like verdict.json of a study.")] = False,
) -> None:
    """Say whether averaging is safe, surgery may help, or the evidence is insufficient."""
    from gradprobe.reports import summarise
    from gradprobe.reports.text import show_verdicts
    from gradprobe.reports.verdict_file import verdict_json

    summary = summarise(source)
    if as_json:
        typer.echo(verdict_json(summary), nl=False)
    else:
        Console().print(show_verdicts(summary))


@app.command()
def watch(
    trace: Annotated[Path, typer.Argument(help="The folder of a trace, of a run that goes on.")],
    *,
    refresh: Annotated[float, typer.Option(help="Seconds from one look to the next.")] = 1.0,
) -> None:
    """Follow a running trace in the terminal until Ctrl-C."""
    from gradprobe.reports.watch import watch as follow

    follow(trace, Console(), refresh_seconds=refresh)


@data.command("list")
def list_data() -> None:
    """List the embedded data sets."""
    from gradprobe.data import list_datasets

    for entry in list_datasets():
        typer.echo(f"{entry.name}: {entry.description}")


@data.command()
def describe(
    table: Annotated[str, typer.Argument(help=_TABLE)],
    *,
    smiles: Annotated[str, typer.Option(help="The column of SMILES.")] = "smiles",
) -> None:
    """Describe the tasks of a table: kind, labels, range, unit."""
    from gradprobe.data import describe as describe_table
    from gradprobe.data import load_table
    from gradprobe.data.text import as_text

    typer.echo(as_text(describe_table(load_table(table, smiles=smiles))))


@data.command("join")
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


@data.command("physchem")
def write_physchem(
    *, out: Annotated[Path, typer.Option(help="The CSV or Parquet file to write.")] = Path("physchem.csv")
) -> None:
    """Write the embedded table of measured properties of organic compounds."""
    from gradprobe.data import physchem

    _write(physchem(), out)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


def _write(table: MoleculeTable, out: Path) -> None:
    from gradprobe.data import write_skipped, write_table

    write_table(table, out)
    typer.echo(f"{out}: {len(table.smiles)} molecules, {len(table.tasks)} tasks, {table.merged} rows merged")
    if table.skipped:
        skipped = out.with_name("skipped.csv")
        write_skipped(table, skipped)
        typer.echo(f"{skipped}: {len(table.skipped)} rows left out, with the reason for each")


def _run(config: StudyConfig, out: Path, jobs: int) -> None:
    from gradprobe.reports import report as write_report
    from gradprobe.reports import show as render
    from gradprobe.reports import summarise
    from gradprobe.studies import plan_study, run_study
    from gradprobe.studies.progress import progress_bars

    console = Console()
    plan = plan_study(config, out)
    try:
        with progress_bars(plan, console) as watch:
            outcome = run_study(plan, jobs=jobs, watch=watch)
    except KeyboardInterrupt:
        console.print("\ninterrupted; the same command goes on from here")
        sys.exit(130)
    summary = summarise(out)
    console.print(render(summary))
    console.print(f"report: {write_report(summary)}", soft_wrap=True, highlight=False, markup=False)
    for failure in outcome.failures:
        console.print(f"failed: {failure.key.id}: {failure.error}", soft_wrap=True, markup=False)
    if not outcome.finished:
        sys.exit(1)
