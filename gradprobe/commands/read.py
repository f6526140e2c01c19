"""Commands that read a study or a trace: report, show, verdict, watch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gradprobe.commands.console import SafeConsole

Source = Annotated[Path, typer.Argument(help="The folder of a study of any kind, or of a trace.")]


def report(
    source: Source,
    *,
    out: Annotated[Path | None, typer.Option(help="The HTML file to write.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON too.")] = False,
) -> None:
    """Write the HTML report of a study or a trace, finished or not."""
    from gradprobe.reports import load
    from gradprobe.reports import report as write_report
    from gradprobe.reports.kit.json import as_json as render

    loaded = load(source)
    written = write_report(loaded, out)
    if as_json:
        typer.echo(render(loaded.document), nl=False)
        typer.echo(f"report: {written}", err=True)
    else:
        typer.echo(written)


def show(
    source: Source, *, as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False
) -> None:
    """Show the numbers of a study or a trace in the terminal."""
    from gradprobe.reports import load
    from gradprobe.reports import show as in_terminal
    from gradprobe.reports.kit.json import as_json as render

    loaded = load(source)
    if as_json:
        typer.echo(render(loaded.document), nl=False)
    else:
        SafeConsole().print(in_terminal(loaded))


def verdict(
    source: Source,
    *,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="As JSON, as in verdict.json or decision.json where there is one.",
        ),
    ] = False,
) -> None:
    """Say what a study or a trace comes to: averaging is safe, surgery may help, or it cannot be told."""
    from gradprobe.reports import load
    from gradprobe.reports.kit.terminal import show_cards

    loaded = load(source)
    if as_json:
        typer.echo(loaded.verdict, nl=False)
    else:
        SafeConsole().print(show_cards(loaded.document))


def watch(
    trace: Annotated[Path, typer.Argument(help="The folder of a trace, of a run in progress.")],
    *,
    refresh: Annotated[float, typer.Option(help="Seconds from one look to the next.")] = 1.0,
) -> None:
    """Follow a running trace in the terminal until Ctrl-C."""
    from gradprobe.reports.watch.view import watch as follow

    follow(trace, SafeConsole(), refresh_seconds=refresh)
