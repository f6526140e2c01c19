"""Logs against the real packages on this disk: TensorBoard, W&B offline, MLflow's local store."""

import csv

import pytest
import torch
from torch import nn

import gradprobe
from gradprobe.errors import InputError
from gradprobe.integrations.experiments import to_csv, to_mlflow, to_tensorboard, to_wandb
from gradprobe.integrations.loggers import scalars

COSINE = "gradprobe/minibatch/cosine/b (nM)"


@pytest.fixture(scope="module")
def measured():
    """A probe after two calls, one of them skipped, and what they returned."""
    torch.manual_seed(0)
    model = nn.ModuleDict({"t": nn.Linear(4, 6), "a": nn.Linear(6, 1), "b": nn.Linear(6, 1)})
    probe = gradprobe.GradientProbe(model, focal="a", shared=model["t"], every=2)
    records = []
    for _ in range(3):
        hidden = torch.tanh(model["t"](torch.randn(8, 4)))
        losses = {"a": model["a"](hidden).square()[:, 0], "b (nM)": model["b"](hidden).square()[:, 0]}
        records.append(probe.measure(losses))
    assert records[1] is None
    return probe, records


def expected(records, name=COSINE):
    return [(record.step, scalars(record, focal="a")[name]) for record in records if record is not None]


def test_a_csv_log_holds_every_number_of_every_measured_step_and_continues(measured, tmp_path):
    _, records = measured
    for record in records:
        to_csv(tmp_path / "log.csv", focal="a")(record)
    with (tmp_path / "log.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(int(row["step"]), float(row["value"])) for row in rows if row["name"] == COSINE] == expected(
        records
    )


def test_tensorboard_shows_the_numbers_at_their_steps(measured, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    _, records = measured
    with SummaryWriter(str(tmp_path)) as writer:
        log = to_tensorboard(writer, focal="a")
        for record in records:
            log(record)
    events = EventAccumulator(str(tmp_path)).Reload()
    name = next(tag for tag in events.Tags()["scalars"] if "cosine" in tag)
    shown = [(event.step, event.value) for event in events.Scalars(name)]
    assert [step for step, _ in shown] == [0, 2]
    assert [value for _, value in shown] == pytest.approx([value for _, value in expected(records)], rel=1e-6)


def test_weights_and_biases_keeps_its_own_step_and_the_report(measured, tmp_path, monkeypatch):
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    probe, records = measured
    with wandb.init(mode="offline", project="tests", dir=str(tmp_path)) as run:
        log = to_wandb(run, focal="a")
        log(records[0])
        run.log({"loss": 1.0})
        log(records[2])
        run.log({"loss": 0.5})
        assert run.step == 2  # one row for each of the loop's own calls
        log.file(gradprobe.report(probe.trace, tmp_path / "report.html"))
        summary = dict(run.summary)
    assert summary[COSINE] == expected(records)[-1][1]
    assert summary["gradprobe/step"] == 2


def test_mlflow_keeps_numbers_and_report_under_names_it_takes(measured, tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.joinpath("store").as_uri())
    probe, records = measured
    with mlflow.start_run() as run:
        log = to_mlflow(focal="a")
        for record in records:
            log(record)
        log.file(gradprobe.report(probe.trace, tmp_path / "report.html"))
    client = mlflow.MlflowClient()
    history = client.get_metric_history(run.info.run_id, COSINE.replace("(", "_").replace(")", "_"))
    assert [(entry.step, entry.value) for entry in history] == expected(records)
    assert [file.path for file in client.list_artifacts(run.info.run_id, "gradprobe")] == [
        "gradprobe/report.html"
    ]


def test_mlflow_without_a_run_says_how_to_start_one(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(tmp_path.as_uri())
    with pytest.raises(InputError, match=r"call mlflow.start_run\(\)"):
        to_mlflow(focal="a")


def test_what_is_no_summary_writer_is_refused():
    with pytest.raises(InputError, match="expected a SummaryWriter, got str"):
        to_tensorboard("runs", focal="a")
