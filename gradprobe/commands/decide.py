"""gradprobe decide."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gradprobe.commands.arguments import TABLE, Out, names
from gradprobe.commands.console import SafeConsole
from gradprobe.commands.running import publish
from gradprobe.commands.tables import (
    Censored,
    Classes,
    Duplicates,
    Exclude,
    Log10,
    Missing,
    Smiles,
    Standardize,
    given_options,
    reading_bar,
)
from gradprobe.errors import InputError

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
# Every action may converge: passes end when validation has stopped improving, not before.
_DEFAULTS: dict[str, Any] = {
    "encoders": "mlp",
    "combiners": ["pcgrad", "cagrad", "rcgrad"],
    "epochs": 200,
    "patience": 15,
}


def decide(  # noqa: PLR0913 - a command has as many options as its study
    table: Annotated[str | None, typer.Argument(help=TABLE)] = None,
    *,
    focal: Annotated[str | None, typer.Option(help="The column of the focal task.")] = None,
    aux: Annotated[
        list[str] | None, typer.Option(help="An auxiliary's column; repeat. Default: all others.")
    ] = None,
    encoder: Annotated[str | None, typer.Option(help="Such as mlp, gine or mlp(width=64).")] = None,
    combiners: Annotated[str | None, typer.Option(help="Those to consider, such as pcgrad,cagrad.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time to spend, such as 30m or 2h.")] = None,
    trainings: Annotated[int | None, typer.Option(help="Trainings to spend, probed ones too.")] = None,
    margin: Annotated[str, typer.Option(help="The smallest improvement worth a change.")] = "2%",
    probes: Annotated[int, typer.Option(help="Probed runs of averaging.")] = 2,
    enter: Annotated[int, typer.Option(help="The most actions in the race.")] = 4,
    smiles: Smiles = None,
    log10: Log10 = None,
    missing: Missing = None,
    classes: Classes = None,
    exclude: Exclude = None,
    censored: Censored = None,
    duplicates: Duplicates = None,
    standardize: Standardize = None,
    split: Annotated[str | None, typer.Option(help="random, scaffold or parent.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Molecules per task per step.")] = None,
    epochs: Annotated[int | None, typer.Option(help="The most epochs; early stopping ends before.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without improvement before it stops.")] = None,
    probe_every: Annotated[
        int | None, typer.Option(help="Steps from one minibatch measurement to the next.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Trainings side by side; results do not depend on it.")] = 0,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the options of the table and of training.")
    ] = None,
    out: Out = None,
) -> None:
    """Decide which auxiliaries, at what weight, and whether surgery pays: predicted, raced, confirmed."""
    from gradprobe.studies import make_config, read_config
    from gradprobe.studies.decide import decide_options, question

    options = _DEFAULTS | (read_config(config) if config else {})
    options |= given_options(
        table=table,
        focal=focal,
        aux=aux,
        encoders=encoder,
        combiners=names(combiners),
        smiles=smiles,
        log10=log10,
        missing=missing,
        classes=classes,
        exclude=exclude,
        censored=censored,
        duplicates=duplicates,
        standardize=standardize,
        split=split,
        batch_size=batch_size,
        epochs=epochs,
        patience=patience,
        probe_every=probe_every,
    )
    asked = decide_options(
        trainings=trainings,
        seconds=None if budget is None else seconds(budget),
        margin=share(margin),
        probes=probes,
        enter=enter,
    )
    with reading_bar() as progress:
        found = question(make_config(**options), asked, progress=progress)
    _run(found, out or Path("runs") / "decide", jobs)


def seconds(text: str) -> float:
    """A time such as 90s, 30m or 1.5h in seconds; without a unit, minutes.

    >>> seconds("30m"), seconds("1.5h")
    (1800.0, 5400.0)

    Raises:
        InputError: it is no time.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip().lower())
    if match is None or not float(match[1]) > 0.0:
        raise InputError(f"budget: expected a time such as 30m or 2h, got {text!r}")
    return float(match[1]) * _UNITS[match[2] or "m"]


def share(text: str) -> float:
    """A percentage as a part of one: `2%` and `0.02` are the same.

    >>> share("2%"), share("0.02")
    (0.02, 0.02)

    Raises:
        InputError: it is none between 0 and 100 %.
    """
    digits = text.strip().removesuffix("%")
    try:
        value = float(digits) / (100.0 if text.strip().endswith("%") else 1.0)
    except ValueError:
        value = 0.0
    if not 0.0 < value < 1.0:
        raise InputError(f"margin: expected a percentage such as 2% (or a part such as 0.02), got {text!r}")
    return value


def _run(asked: Any, out: Path, jobs: int) -> None:
    from gradprobe.reports import load
    from gradprobe.studies.decide import run_decision
    from gradprobe.studies.progress import progress_bars

    console = SafeConsole()

    def tell(text: str) -> None:
        console.print(text, soft_wrap=True, highlight=False, markup=False)

    try:
        with progress_bars(console) as watch:
            run_decision(asked, out, jobs=jobs, watch=watch, tell=tell)
    except KeyboardInterrupt:
        console.print("\ninterrupted; run the same command again to resume")
        sys.exit(130)
    publish(load(out), {}, console)
