"""Measurements in an experiment tracker: TensorBoard, Weights & Biases, MLflow or a CSV file.

In the loop: `log = to_wandb(run, focal="logP")`, then `log(probe.measure(losses))`; at the end
`log.file(gradprobe.report(probe.trace, "report.html"))`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from gradprobe.errors import InputError, missing_extra
from gradprobe.integrations.loggers import scalars
from gradprobe.trace import GramianRecord

# What MLflow does not take in the name of a metric.
_UNFIT = re.compile(r"[^\w\-./: ]")


class Tracker(Protocol):
    """Where numbers and files of an experiment go."""

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        """Keep the numbers of a step."""

    def file(self, path: Path) -> None:
        """Keep a file with the run; a tracker of numbers alone leaves it where it is."""


class ExperimentLog:
    """Hands each record's main numbers to a tracker, and at the end the report.

    The names are those of `loggers.scalars`, such as `gradprobe/minibatch/cosine/logP`. Undefined numbers
    are left out. Logging changes nothing that is measured or trained.
    """

    def __init__(self, tracker: Tracker, *, focal: str) -> None:
        self._tracker = tracker
        self._focal = focal

    def __call__(self, record: GramianRecord | None) -> None:
        """Log one record; None, what `measure` returns for a skipped step, logs nothing."""
        if record is not None:
            self._tracker.metrics(scalars(record, focal=self._focal), step=max(record.step, 0))

    def file(self, path: str | Path) -> None:
        """Keep a file with the run, such as the report; a tracker of numbers alone leaves it where it is."""
        self._tracker.file(Path(path))


def to_tensorboard(writer: Any, *, focal: str) -> ExperimentLog:
    """A log into a `torch.utils.tensorboard.SummaryWriter`, which keeps numbers, not files."""
    if not hasattr(writer, "add_scalar"):
        raise InputError(f"writer: expected a SummaryWriter, got {type(writer).__name__}")
    return ExperimentLog(_TensorBoard(writer), focal=focal)


def to_wandb(run: Any, *, focal: str) -> ExperimentLog:
    """A log into a run of Weights & Biases, offline or not, whose own step counter it does not move.

    The numbers have their own axis, `gradprobe/step`. The report becomes an artefact of type `report`.

    Raises:
        MissingExtraError: wandb is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise missing_extra("wandb", "wandb") from error
    return ExperimentLog(_WandB(wandb, run), focal=focal)


def to_mlflow(*, focal: str, run_id: str | None = None) -> ExperimentLog:
    """A log into MLflow's active run, or into the one of that id.

    Characters that MLflow does not take in names become `_`. The report is an artefact under `gradprobe/`.

    Raises:
        MissingExtraError: mlflow is not installed.
        InputError: no active run and no id.
    """
    try:
        import mlflow
    except ImportError as error:
        raise missing_extra("mlflow", "mlflow") from error
    active = mlflow.active_run()
    chosen = run_id or (None if active is None else active.info.run_id)
    if chosen is None:
        raise InputError("run_id: expected an active run, got none; call mlflow.start_run() or name one")
    return ExperimentLog(_MLflow(mlflow, chosen), focal=focal)


def to_csv(path: str | Path, *, focal: str) -> ExperimentLog:
    """A log into a CSV file of (step, name, value), one row a number; an existing file is continued."""
    return ExperimentLog(_CSV(Path(path)), focal=focal)


class _TensorBoard:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def file(self, path: Path) -> None:
        """TensorBoard shows no HTML files."""


class _WandB:
    def __init__(self, library: Any, run: Any) -> None:
        self._library, self._run = library, run
        run.define_metric("gradprobe/step", hidden=True)
        run.define_metric("gradprobe/*", step_metric="gradprobe/step")

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        # Without committing: the numbers join the row that the loop itself logs next.
        self._run.log({**values, "gradprobe/step": step}, commit=False)

    def file(self, path: Path) -> None:
        artefact = self._library.Artifact(f"gradprobe-{self._run.id}", type="report")
        artefact.add_file(str(path))
        self._run.log_artifact(artefact)


class _MLflow:
    def __init__(self, library: Any, run_id: str) -> None:
        self._library, self._run_id = library, run_id

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        fit = {_UNFIT.sub("_", name): value for name, value in values.items()}
        self._library.log_metrics(fit, step=step, run_id=self._run_id)

    def file(self, path: Path) -> None:
        self._library.log_artifact(str(path), "gradprobe", run_id=self._run_id)


class _CSV:
    def __init__(self, path: Path) -> None:
        self._path = path

    def metrics(self, values: Mapping[str, float], *, step: int) -> None:
        new = not self._path.exists()
        with self._path.open("a", encoding="utf-8", newline="") as stream:
            rows = csv.writer(stream, lineterminator="\n")
            if new:
                rows.writerow(("step", "name", "value"))
            rows.writerows((step, name, value) for name, value in values.items())

    def file(self, path: Path) -> None:
        """The report stays where it was written."""
