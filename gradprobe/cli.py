"""The command line: every command in one line. Whatever is heavy is imported by the command that needs it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gradprobe import __version__
from gradprobe.commands import compare, data, decide, graph, read
from gradprobe.commands.console import SafeConsole
from gradprobe.commands.terminal import open_terminal
from gradprobe.errors import GradprobeError

app = typer.Typer(
    name="gradprobe",
    help="What your task gradients do to each other, and whether gradient surgery is worth it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (compare.compare, decide.decide, read.report, read.verdict, read.show, read.watch):
    app.command()(command)
app.add_typer(data.app, name="data")
app.command()(compare.demo)
app.add_typer(graph.app, name="graph")
# As version 0.1.0 called them, so that its folders can be resumed with the command that they hold.
for older in graph.COMMANDS:
    app.command(hidden=True)(older)


def main() -> None:
    """Run the command line; errors of the user's input are one sentence and exit code 2."""
    open_terminal()
    try:
        app()
    except GradprobeError as error:
        SafeConsole(stderr=True, highlight=False).print(f"gradprobe: {error}", markup=False, soft_wrap=True)
        sys.exit(2)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(__version__)
        raise typer.Exit
