"""gradprobe graph edit."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradprobe.commands.arguments import Out, names
from gradprobe.commands.running import run_and_report


def edit(  # noqa: PLR0913 - a command has as many options as its study
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="A graph such as cora or sbm:0.3. Default: the karate club, which needs no download."
        ),
    ] = None,
    *,
    model: Annotated[str | None, typer.Option(help="Such as gcn,sage,mlp.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Some of gd,gre,gre_plus,egnn,egnn_gre,egnn_gre_plus.")
    ] = None,
    protocol: Annotated[str | None, typer.Option(help="Some of independent,sequential,batch.")] = None,
    edits: Annotated[int | None, typer.Option(help="Wrong predictions to put right in each run.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Trained models of each kind.")] = None,
    anchors: Annotated[
        int | None, typer.Option(help="Parts of the training nodes that GRE+ protects.")
    ] = None,
    refresh: Annotated[
        int | None, typer.Option(help="Take anchors anew after this many edits; 0: never.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the edits' plain gradient descent.")] = None,
    max_steps: Annotated[int | None, typer.Option(help="Steps after which an edit gives up.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of training before the edits.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder of PyG's data sets.")] = None,
    jobs: Annotated[int, typer.Option(help="Runs side by side; results do not depend on it.")] = 0,
    out: Out = None,
) -> None:
    """Put wrong predictions of trained node models right, and measure what that costs elsewhere."""
    from gradprobe.studies.editing import edit_config, plan_edits

    given: dict[str, Any] = {
        "dataset": dataset,
        "models": names(model),
        "methods": names(method),
        "protocols": names(protocol),
        "edits": edits,
        "seeds": seeds,
        "anchors": anchors,
        "refresh": refresh,
        "learning_rate": learning_rate,
        "max_steps": max_steps,
        "epochs": epochs,
    }
    config = edit_config(**{name: value for name, value in given.items() if value is not None})
    folder = out or Path("runs") / "edit"
    run_and_report(plan_edits(config, folder, root=root), jobs)
