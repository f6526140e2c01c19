"""gradprobe graph dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradprobe.commands.arguments import Out, names
from gradprobe.commands.running import run_and_report


def dynamics(
    datasets: Annotated[
        str | None,
        typer.Argument(
            help="Graphs such as cora,texas,sbm:0.3. Default: the karate club and block models of homophily "
            "0.1 to 0.9, which need no download."
        ),
    ] = None,
    *,
    seeds: Annotated[int | None, typer.Option(help="Runs of each graph.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each network.")] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes between which kernels are measured.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder of PyG's data sets.")] = None,
    jobs: Annotated[int, typer.Option(help="Cells that run side by side; results do not depend on it.")] = 0,
    out: Out = None,
) -> None:
    """Align kernels with graph and labels over training, and put residual propagation beside a GCN."""
    from gradprobe.studies.dynamics import dynamics_config, plan_dynamics

    given: dict[str, Any] = {"datasets": names(datasets), "seeds": seeds, "epochs": epochs, "nodes": nodes}
    config = dynamics_config(**{name: value for name, value in given.items() if value is not None})
    folder = out or Path("runs") / "dynamics"
    run_and_report(plan_dynamics(config, folder, root=root), jobs)
