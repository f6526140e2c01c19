"""Commands that read a study or a trace: report, show, verdict, watch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def report(
    source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")],
    *,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
) -> None:
    """Write the HTML report of a study or a trace, finished or not."""
    from gradprobe.reports import report as write_report

    typer.echo(write_report(source, out))


def show(source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")]) -> None:
    """Show the numbers of a study or a trace in the terminal."""
    from gradprobe.reports import show as render
    from gradprobe.reports import summarise

    Console().print(render(summarise(source)))


def verdict(
    source: Annotated[Path, typer.Argument(help="The folder of a study or of a trace.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, like verdict.json of a study.")] = False,
) -> None:
    """Say whether averaging is safe, surgery may help, or the evidence is insufficient."""
    from gradprobe.reports import summarise
    from gradprobe.reports.compare.text import show_verdicts
    from gradprobe.reports.compare.verdict_file import verdict_json

    summary = summarise(source)
    if as_json:
        typer.echo(verdict_json(summary), nl=False)
    else:
        Console().print(show_verdicts(summary))


def watch(
    trace: Annotated[Path, typer.Argument(help="The folder of a trace, of a run that goes on.")],
    *,
    refresh: Annotated[float, typer.Option(help="Seconds from one look to the next.")] = 1.0,
) -> None:
    """Follow a running trace in the terminal until Ctrl-C."""
    from gradprobe.reports.watch.view import watch as follow

    follow(trace, Console(), refresh_seconds=refresh)
