import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gradprobe.data import split_molecules
from gradprobe.errors import InputError, TrainingError
from gradprobe.records.cell import CellStamp
from gradprobe.records.compare import CellKey, CellMetrics
from gradprobe.records.record import read_record
from gradprobe.records.study import read_study
from gradprobe.studies import Plan, grid, make_config, plan_study, run_study
from gradprobe.studies.compare_cell import CompareWork
from gradprobe.studies.desk import Desk
from gradprobe.trace import Trace

from ._tables import small_config, write_table


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write_table(tmp_path / "table.csv")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A study that ran through, one cell at a time."""
    folder = tmp_path_factory.mktemp("study")
    plan = plan_study(
        small_config(write_table(folder / "table.csv"), single_task=True), folder / "out", command=["x"]
    )
    run_study(plan, jobs=1)
    return plan


def finished_cells(out: Path) -> list[Path]:
    """The folders of the cells that count as finished: their stamps have checksums."""
    stamps = {path.parent: read_record(path, CellStamp) for path in out.glob("cells/*/cell.json")}
    return [place for place, stamp in stamps.items() if stamp and stamp.files]


def results(plan: Plan) -> list[dict[str, str]]:
    with plan.folder.results.open() as file:
        return list(csv.DictReader(file))


def test_every_cell_and_task_has_one_test_row(finished: Plan) -> None:
    rows = results(finished)
    assert tuple(rows[0]) == CellMetrics.columns
    cells = {row["cell"] for row in rows}
    assert cells == {f"mlp-{c}-seed{s}" for c in ("average", "pcgrad", "single_task") for s in (0, 1)}
    for name in cells:
        tasks = [row["task"] for row in rows if row["cell"] == name]
        assert sorted(tasks) == (["boiling"] if "single_task" in name else ["boiling", "long", "polar"])
    assert {row["split"] for row in rows} == {"test"}


def test_a_regression_has_rae_and_a_classification_has_auroc(finished: Plan) -> None:
    for row in results(finished):
        assert bool(row["rae"]) == (row["task"] != "long")
        assert bool(row["auroc"]) == (row["task"] == "long")


def test_cells_of_one_seed_share_their_test_molecules_and_first_losses(finished: Plan) -> None:
    """Paired differences between combiners need the same split, the same start, the same batches."""
    traces = [
        Trace.load(finished.folder.trace(CellKey(encoder="mlp", combiner=name, seed=1)))
        for name in ("average", "pcgrad")
    ]
    first = [next(record for record in trace.gramians if record.split == "minibatch") for trace in traces]
    assert (first[0].gramian.values == first[1].gramian.values).all()


def test_random_start_training_and_end_are_all_measured(finished: Plan) -> None:
    trace = Trace.load(finished.folder.trace(CellKey(encoder="mlp", combiner="average", seed=0)))
    seen = {(record.split, record.epoch) for record in trace.gramians}
    assert {("heldout", -1), ("train", -1), ("heldout", 1), ("train", 1), ("minibatch", 0)} <= seen
    steps = [record.step for record in trace.gramians if record.split == "minibatch"]
    assert steps == list(range(0, steps[-1] + 1, 2))
    assert trace.header.batches.startswith("balanced")


def test_results_do_not_depend_on_how_many_cells_run_side_by_side(finished: Plan, tmp_path: Path) -> None:
    plan = plan_study(finished.work.config, tmp_path / "out", command=["x"])
    run_study(plan, jobs=2)
    # Equal bytes across processes: on one machine, one installation and one thread a process, as here.
    assert plan.folder.results.read_bytes() == finished.folder.results.read_bytes()


def test_a_killed_study_goes_on_and_ends_in_the_same_results(finished: Plan, tmp_path: Path) -> None:
    config = tmp_path / "study.toml"
    options = finished.work.config
    config.write_text(
        f'table = "{options.table}"\nfocal = "boiling"\nencoders = ["mlp"]\n'
        'combiners = ["average", "pcgrad"]\n'
        "single_task = true\nseeds = 2\nepochs = 2\nbatch_size = 16\nprobe_every = 2\n"
        "[encoder_options.mlp]\nwidth = 8\ndepth = 1\n"
    )
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "gradprobe",
        "compare",
        "--config",
        str(config),
        "--out",
        str(out),
        "--jobs",
        "1",
    ]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while not finished_cells(out) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {place / "metrics.json" for place in finished_cells(out)}
    assert 1 <= len(done) < 6, "the kill should have come in the middle"
    stamps = {path: path.stat().st_mtime_ns for path in done}
    run_study(plan_study(options, out, command=["x"]), jobs=1)
    # Equal bytes across processes: on one machine, one installation and one thread a process, as here.
    assert (out / "results.csv").read_bytes() == finished.folder.results.read_bytes()
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items()), "finished cells ran again"


def test_a_process_killed_from_outside_is_named_with_its_remedy(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_study(small_config(table, seeds=1), tmp_path / "out")
    run = grid._Cell.__call__

    def killed(cell: grid._Cell, key: CellKey) -> object:
        if key == plan.manifest.cells[-1]:
            raise BrokenExecutor
        return run(cell, key)

    monkeypatch.setattr(grid._Cell, "__call__", killed)
    with pytest.raises(TrainingError, match=r"one was killed.* finished cells are kept.* fewer jobs"):
        run_study(plan, jobs=1)
    assert {row["cell"] for row in results(plan)} == {key.id for key in plan.manifest.cells[:-1]}


def test_a_failed_cell_keeps_its_reason_and_the_others_go_on(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_study(small_config(table, seeds=1), tmp_path / "out")
    run = CompareWork.__call__

    def fail_once(work: CompareWork, key: CellKey, desk: Desk) -> CellMetrics:
        if key.combiner == "average":
            raise TrainingError("the loss of 'boiling' is NaN at epoch 1, step 7")
        return run(work, key, desk)

    monkeypatch.setattr(CompareWork, "__call__", fail_once)
    outcome = run_study(plan, jobs=1)
    assert [(failure.key.combiner, failure.error) for failure in outcome.failures] == [
        ("average", "the loss of 'boiling' is NaN at epoch 1, step 7")
    ]
    assert outcome.finished == 1
    assert {row["combiner"] for row in results(plan)} == {"pcgrad"}
    monkeypatch.undo()
    again = run_study(plan, jobs=1)
    assert (again.finished, again.failures) == (2, ())


def test_a_diverging_run_fails_with_its_task_and_step(table: Path, tmp_path: Path) -> None:
    plan = plan_study(
        small_config(table, seeds=1, combiners=("average",), learning_rate=1e30), tmp_path / "out"
    )
    failure = run_study(plan, jobs=1).failures[0]
    assert "step" in failure.error
    assert "expected finite" in failure.error


def test_the_folder_of_another_study_is_refused_and_left_alone(finished: Plan) -> None:
    other = make_config(**(finished.work.config.model_dump() | {"epochs": 9}))
    before = finished.folder.manifest.read_bytes()
    with pytest.raises(InputError, match=r"out: .* differs in epochs; name another folder"):
        plan_study(other, finished.folder.path)
    assert finished.folder.manifest.read_bytes() == before


def test_changed_data_make_another_study(table: Path, tmp_path: Path) -> None:
    config = small_config(table)
    plan_study(config, tmp_path / "out")
    table.write_text(table.read_text().replace("CCO,", "CCCCCCCCCCCCCCO,"))
    with pytest.raises(InputError, match="differs in the data"):
        plan_study(config, tmp_path / "out")


def test_unreadable_molecules_are_listed_and_the_study_goes_on(table: Path, tmp_path: Path) -> None:
    table.write_text(table.read_text() + "not a molecule,1.0,2.0,0.0\n")
    plan = plan_study(small_config(table), tmp_path / "out")
    assert plan.manifest.skipped == 1
    assert "not a molecule" in (plan.folder.path / "skipped.csv").read_text()


def test_metrics_tell_what_was_trained(finished: Plan) -> None:
    key = CellKey(encoder="mlp", combiner="average", seed=0)
    metrics = read_record(finished.folder.cell(key) / "metrics.json", CellMetrics)
    assert metrics is not None
    assert metrics.trunk_parameters == 2048 * 8 + 8
    assert [row.epoch for row in metrics.history] == [0, 1]
    assert metrics.steps == metrics.history[-1].step + 1
    assert metrics.notes["features"] == "morgan"


def test_saved_predictions_give_the_scores_and_have_a_checksum(finished: Plan) -> None:
    key = CellKey(encoder="mlp", combiner="average", seed=0)
    place = finished.folder.cell(key)
    frame = pd.read_parquet(place / "predictions.parquet")
    assert list(frame) == ["cell", "molecule", "task", "split", "label", "prediction"]
    assert set(frame["cell"]) == {key.id}
    table = finished.work.table
    labels = {task: dict(zip(table.smiles, table.column(task), strict=True)) for task in table.tasks}
    for _, row in frame.iterrows():
        assert row["label"] == pytest.approx(labels[row["task"]][row["molecule"]], rel=1e-12)
    metrics = read_record(place / "metrics.json", CellMetrics)
    stamp = read_record(place / "cell.json", CellStamp)
    assert metrics is not None
    assert stamp is not None
    assert "predictions.parquet" in stamp.files
    for row in metrics.metrics:
        own = frame[(frame["task"] == row.task) & (frame["split"] == row.split)]
        assert len(own) == row.n
        if row.mae is not None:
            assert row.mae == pytest.approx((own["label"] - own["prediction"]).abs().mean(), rel=1e-12)


def test_constants_to_beat_are_those_of_the_train_labels(finished: Plan) -> None:
    for seed in (0, 1):
        key = CellKey(encoder="mlp", combiner="average", seed=seed)
        metrics = read_record(finished.folder.cell(key) / "metrics.json", CellMetrics)
        assert metrics is not None
        row = next(row for row in metrics.metrics if row.task == "boiling" and row.split == "test")
        split = split_molecules(finished.work.table, kind="random", seed=seed, focal="boiling")
        column = finished.work.table.column("boiling")
        train, test = (own[~np.isnan(own)] for own in (column[split.train], column[split.test]))
        spread = sum(abs(y - sum(test) / len(test)) for y in test)
        assert row.mean_rae == pytest.approx(sum(abs(y - train.mean()) for y in test) / spread)
        assert row.median_rae == pytest.approx(sum(abs(y - np.median(train)) for y in test) / spread)


def test_predictions_can_be_switched_off_for_the_same_study(table: Path, tmp_path: Path) -> None:
    config = small_config(table, combiners=("average",), seeds=1, predictions=False)
    plan = plan_study(config, tmp_path / "out")
    run_study(plan, jobs=1)
    assert not list(tmp_path.glob("out/cells/*/predictions.parquet"))
    more = plan_study(small_config(table, combiners=("average",), seeds=2), tmp_path / "out")
    assert more.manifest.digest == plan.manifest.digest


def test_a_comparison_of_version_0_1_0_is_resumed_and_gets_checksums(finished: Plan, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished.folder.path, out)
    content = json.loads((out / "study.json").read_text())
    # As that version wrote it: labels as a dense matrix in the order of the tasks, NaN where missing.
    table = finished.work.table
    dense = np.stack([table.column(task) for task in table.tasks], axis=1)
    head = {"smiles": table.smiles, "tasks": [[task, table.kinds[task]] for task in table.tasks]}
    data = hashlib.sha256(json.dumps(head).encode() + b"\n" + dense.astype("<f8").tobytes()).hexdigest()
    cells_only = {"encoders", "combiners", "seeds", "single_task", "vary", "one_at_a_time", "preset"}
    cells_only.add("predictions")
    options = {name: value for name, value in content["options"].items() if name not in cells_only}
    text = json.dumps({"options": options | {"table": data}}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    del content["identity"]["split_rule"]
    for name in ("kind", "identity", "calls", "checksum"):
        del content[name]
    content |= {"schema_version": 1, "data_digest": data, "digest": digest}
    (out / "study.json").write_text(json.dumps(content))
    for path in out.glob("cells/*/cell.json"):
        path.write_text('{"encoder": "mlp"}')
    assert len(read_study(out).results) == 6
    stamps = {path: path.stat().st_mtime_ns for path in out.glob("cells/*/metrics.json")}
    outcome = run_study(plan_study(finished.work.config, out, command=["x"]), jobs=1)
    assert outcome.finished == 6
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())
    assert all(cell.versions == content["versions"] for cell in read_study(out).cells)
    shutil.rmtree(next(out.glob("cells/*")))
    with pytest.raises(InputError, match="1 cells to run; its random splits were drawn by another rule"):
        plan_study(finished.work.config, out, command=["x"])
    (out / "study.json").write_text(json.dumps(content | {"options": content["options"] | {"epochs": 300}}))
    with pytest.raises(InputError, match="the file was changed"):
        read_study(out)
