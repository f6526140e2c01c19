"""gradprobe graph: studies of networks on graphs."""

from __future__ import annotations

import typer

from gradprobe.commands import depth, dynamics, edit, nodes

COMMANDS = (nodes.nodes, edit.edit, depth.depth, dynamics.dynamics)

app = typer.Typer(
    help="Networks on graphs: gradients of nodes, edits, depth, training dynamics.", no_args_is_help=True
)
for command in COMMANDS:
    app.command()(command)
