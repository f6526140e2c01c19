"""gradprobe graph depth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gradprobe.commands.arguments import Out, names
from gradprobe.commands.running import run_and_report


def depth(  # noqa: PLR0913 - a command has as many options as its study
    dataset: Annotated[
        str | None,
        typer.Argument(
            help="A graph such as cora or sbm:0.3. Default: the karate club, which needs no download."
        ),
    ] = None,
    *,
    model: Annotated[str | None, typer.Option(help="gcn or gat.")] = None,
    layers: Annotated[str | None, typer.Option(help="Depths such as 2,8,32,64,128.")] = None,
    residual: Annotated[
        bool | None, typer.Option("--residual", help="Also with skip connections, beside plain networks.")
    ] = None,
    normalize: Annotated[
        float | None,
        typer.Option(help="Also with weight matrices at this Frobenius norm, such as 4."),
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each depth and architecture.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Epochs of each run.")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the hidden layers.")] = None,
    root: Annotated[Path | None, typer.Option(help="The folder of PyG's data sets.")] = None,
    jobs: Annotated[int, typer.Option(help="Runs side by side; results do not depend on it.")] = 0,
    out: Out = None,
) -> None:
    """Measure oversmoothing, vanishing and expansion of gradients in graph networks of many depths."""
    from gradprobe.studies.depth import depth_config, plan_depth

    given: dict[str, Any] = {
        "dataset": dataset,
        "model": model,
        "layers": names(layers),
        "residual": residual,
        "normalize": normalize,
        "seeds": seeds,
        "epochs": epochs,
        "width": width,
    }
    config = depth_config(**{name: value for name, value in given.items() if value is not None})
    folder = out or Path("runs") / "depth"
    run_and_report(plan_depth(config, folder, root=root), jobs)
