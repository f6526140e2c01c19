"""gradprobe compare and gradprobe demo."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradprobe.commands.arguments import TABLE, Out, names
from gradprobe.commands.console import SafeConsole
from gradprobe.commands.running import publish, run_and_report
from gradprobe.commands.tables import (
    Censored,
    Classes,
    Duplicates,
    Exclude,
    Log10,
    Missing,
    Smiles,
    SplitColumn,
    Standardize,
    Stratify,
    given_options,
    reading_bar,
)

if TYPE_CHECKING:
    from gradprobe.studies import StudyConfig

_MOLECULES = ("rdkit", "chemprop", "torch_geometric", "chemicals")


def compare(  # noqa: PLR0913 - a command has as many options as a study
    table: Annotated[str | None, typer.Argument(help=TABLE)] = None,
    *,
    smiles: Smiles = None,
    focal: Annotated[str | None, typer.Option(help="The column of the focal task.")] = None,
    aux: Annotated[
        list[str] | None, typer.Option(help="An auxiliary's column; repeat. Default: all others.")
    ] = None,
    log10: Log10 = None,
    missing: Missing = None,
    classes: Classes = None,
    exclude: Exclude = None,
    min_labels: Annotated[
        int | None, typer.Option(help="Leave out unnamed auxiliaries with fewer labels. Default: 20.")
    ] = None,
    censored: Censored = None,
    duplicates: Duplicates = None,
    standardize: Standardize = None,
    encoders: Annotated[str | None, typer.Option(help="Such as mlp,gine or mlp(width=64),mlp.")] = None,
    combiners: Annotated[str | None, typer.Option(help="Such as average,pcgrad,cagrad.")] = None,
    single_task: Annotated[
        bool | None, typer.Option("--single-task/--no-single-task", help="Also train the focal task alone.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each encoder and combiner.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the focal train fold.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Molecules per task per step.")] = None,
    batching: Annotated[str | None, typer.Option(help="balanced or union.")] = None,
    split: Annotated[str | None, typer.Option(help="random, scaffold or parent.")] = None,
    split_column: SplitColumn = None,
    stratify: Stratify = None,
    probe_every: Annotated[
        int | None, typer.Option(help="Steps from one minibatch measurement to the next.")
    ] = None,
    probe_rows: Annotated[
        int | None, typer.Option(help="Measure whole folds on at most this many rows a task.")
    ] = None,
    heldout_rows: Annotated[
        int | None,
        typer.Option(help="Validation rows beside each measured minibatch; 0: none. Default: batch size."),
    ] = None,
    accelerator: Annotated[
        str | None, typer.Option(help="cpu, gpu or auto; cells side by side share a GPU.")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(help="32-true or bf16-mixed, for forward and backward passes.")
    ] = None,
    predictions: Annotated[
        bool | None,
        typer.Option("--predictions/--no-predictions", help="Save predictions of validation and test rows."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="A study with claims to test, such as scaling; other options come before its own."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(help="An axis such as batch_size=64,128 or auxiliaries=0,1,3,all; repeat."),
    ] = None,
    one_at_a_time: Annotated[
        bool | None,
        typer.Option("--one-at-a-time/--full-grid", help="With several --vary: each axis by itself."),
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Which auxiliaries come first: given, relatedness or size.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Cells that run side by side; results do not depend on it.")] = 0,
    backend: Annotated[
        str, typer.Option(help="A backend of joblib: loky on this machine, dask on a cluster.")
    ] = "loky",
    scheduler: Annotated[str | None, typer.Option(help="The address of dask's scheduler.")] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with these options, except jobs and out.")
    ] = None,
    out: Out = None,
) -> None:
    """Compare encoders and combiners on a table of molecules, and measure their task gradients."""
    from gradprobe.studies import make_config, read_axes, read_config, read_preset

    options = read_config(config) if config else {}
    if preset or options.get("preset"):
        options = read_preset(preset or options["preset"]).options | options
    given: dict[str, Any] = {
        "table": table,
        "smiles": smiles,
        "focal": focal,
        "aux": aux,
        "log10": log10,
        "missing": missing,
        "classes": classes,
        "exclude": exclude,
        "min_labels": min_labels,
        "censored": censored,
        "duplicates": duplicates,
        "standardize": standardize,
        "encoders": encoders,
        "combiners": names(combiners),
        "single_task": single_task,
        "seeds": seeds,
        "epochs": epochs,
        "batch_size": batch_size,
        "batching": batching,
        "split": split,
        "split_column": split_column,
        "stratify": stratify,
        "probe_every": probe_every,
        "probe_rows": probe_rows,
        "heldout_rows": heldout_rows,
        "vary": read_axes(vary) if vary else None,
        "accelerator": accelerator,
        "precision": precision,
        "predictions": predictions,
        "preset": preset,
        "one_at_a_time": one_at_a_time,
        "order": order,
    }
    options |= given_options(**given)
    _run(make_config(**options), out or Path("runs") / "compare", jobs, backend=backend, scheduler=scheduler)


def demo(
    *,
    out: Out = None,
    jobs: Annotated[int, typer.Option(help="Cells side by side.")] = 0,
    synthetic: Annotated[
        bool, typer.Option("--synthetic", help="Made-up tasks; needs no packages for molecules.")
    ] = False,
) -> None:
    """Run a small comparison on the embedded data and report it."""
    folder = out or Path("runs") / "demo"
    missing = [package for package in _MOLECULES if find_spec(package) is None]
    if missing and not synthetic:
        typer.echo(
            f"{', '.join(missing)} not installed: showing made-up tasks. For the comparison of encoders on "
            "molecules: pip install 'gradprobe[molecules]'"
        )
    if missing or synthetic:
        _run_synthetic(folder)
        return
    from gradprobe.studies import demo_config

    _run(demo_config(), folder, jobs)


def _run_synthetic(folder: Path) -> None:
    from gradprobe.reports import load
    from gradprobe.studies.synthetic import run_synthetic_demo

    publish(load(run_synthetic_demo(folder)), {}, SafeConsole())


def _run(
    config: StudyConfig, out: Path, jobs: int, *, backend: str = "loky", scheduler: str | None = None
) -> None:
    from gradprobe.data.audit import audit_in_brief
    from gradprobe.reports.compare.audit import read_audit
    from gradprobe.studies import plan_study

    with reading_bar() as progress:
        plan = plan_study(config, out, progress=progress)
    console = SafeConsole()
    audit = read_audit(plan.folder.path)
    for line in () if audit is None else audit_in_brief(audit):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    run_and_report(plan, jobs, strict=False, backend=backend, scheduler=scheduler)
