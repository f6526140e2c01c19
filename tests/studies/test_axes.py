"""Options that vary between the cells of one comparison."""

import csv
from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import MoleculeTable
from gradprobe.errors import InputError
from gradprobe.records.compare import CellKey
from gradprobe.records.study import read_study
from gradprobe.reports import summarise
from gradprobe.studies import make_config, plan_study, read_axes, run_study
from gradprobe.studies.axes import cells, points
from gradprobe.studies.order import kinships, ordered
from gradprobe.trace import Trace

from ._tables import small_config, write_table

BASE = {"batch_size": 16, "epochs": 2}


def test_a_full_grid_has_every_pair_and_leaves_out_what_the_study_has_anyway() -> None:
    axes = {"batch_size": (16, 32), "epochs": (1, 2)}
    assert points(axes, BASE, one_at_a_time=False) == (
        (("epochs", 1),),
        (),
        (("batch_size", 32), ("epochs", 1)),
        (("batch_size", 32),),
    )


def test_one_axis_at_a_time_keeps_the_others_as_the_study_has_them() -> None:
    axes = {"batch_size": (16, 32), "epochs": (1, 2, 3)}
    found = points(axes, BASE, one_at_a_time=True)
    assert found == ((), (("batch_size", 32),), (("epochs", 1),), (("epochs", 3),))


def test_without_auxiliaries_the_focal_task_alone_stands_in_for_every_combiner() -> None:
    keys = cells(
        ((("auxiliaries", 0),), (("auxiliaries", 1),), ()),
        seeds=1,
        encoders=("mlp",),
        combiners=("average", "pcgrad"),
        single_task=True,
    )
    assert [key.id for key in keys] == [
        "mlp-single_task-seed0",
        "mlp-average-auxiliaries=1-seed0",
        "mlp-pcgrad-auxiliaries=1-seed0",
        "mlp-average-seed0",
        "mlp-pcgrad-seed0",
    ]


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        (["batch=3"], ["vary", "auxiliaries, batch_size", "'batch'", "did you mean batch"]),
        (["focal=a,b"], ["vary", "'focal'"]),
        (["batch_size=64,x"], ["vary: batch_size", "integer", "'x'"]),
        (["batch_size=0"], ["vary: batch_size", "greater than or equal to 1"]),
        (["split=random,by date"], ["vary: split", "'by date'"]),
        (["auxiliaries=1,-1"], ["vary", "auxiliaries=-1"]),
    ],
)
def test_an_axis_that_cannot_be_used_is_named(vary: list[str], words: list[str]) -> None:
    with pytest.raises(InputError) as error:
        make_config(table="t.csv", focal="y", vary=read_axes(vary))
    assert all(word in str(error.value) for word in words), str(error.value)


@pytest.mark.parametrize("text", ["batch_size", "=3", "batch_size="])
def test_an_axis_of_another_form_is_shown_with_the_right_one(text: str) -> None:
    with pytest.raises(InputError, match=r"NAME=VALUE,VALUE such as batch_size=64,128, got"):
        read_axes([text])


def test_more_auxiliaries_than_there_are_are_refused(tmp_path: Path) -> None:
    config = small_config(write_table(tmp_path / "t.csv"), vary={"auxiliaries": [1, 3]})
    with pytest.raises(InputError, match="at most the table's 2 auxiliaries, got auxiliaries=3"):
        plan_study(config, tmp_path / "out")


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study along both axes by themselves: 0, 1 and all auxiliaries, batches of 16 and 32."""
    folder = tmp_path_factory.mktemp("swept")
    vary = read_axes(["auxiliaries=0,1,all", "batch_size=16,32"])
    options = {"vary": vary, "one_at_a_time": True, "combiners": ("average",), "seeds": 1}
    config = small_config(write_table(folder / "table.csv"), **options)
    run_study(plan_study(config, folder / "out", command=["x"]), jobs=1)
    return folder / "out"


def test_every_point_is_a_cell_and_the_results_have_a_column_for_each_axis(
    swept: Path,
) -> None:
    with (swept / "results.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == "boiling"]
    assert {(row["combiner"], row["auxiliaries"], row["batch_size"]) for row in rows} == {
        ("single_task", "0", "16"),
        ("average", "1", "16"),
        ("average", "2", "16"),
        ("average", "2", "32"),
    }
    assert len(rows) == 4
    assert len({row["n"] for row in rows}) == 1


def test_cells_along_an_axis_have_the_same_split_start_and_focal_batches(swept: Path) -> None:
    """The focal task's first gradient has the same length, whatever tasks stand beside it."""
    study = read_study(swept)
    firsts = {}
    for key in study.results:
        if key.combiner == "average" and dict(key.axes).get("batch_size", 16) == 16:
            trace = Trace.load(study.folder.trace(key))
            gramian = next(r.gramian for r in trace.gramians if r.split == "minibatch").by_task()
            firsts[len(gramian.tasks)] = gramian.total[0, 0]
    assert set(firsts) == {2, 3}
    np.testing.assert_allclose(firsts[2], firsts[3], rtol=1e-5)


def test_the_axis_of_batches_changes_the_batches(swept: Path) -> None:
    study = read_study(swept)
    steps = {
        dict(key.axes).get("batch_size", 16): result.steps
        for key, result in study.results.items()
        if "auxiliaries" not in dict(key.axes)
    }
    # 64 focal molecules of 80 train: 4 steps of 16 and 2 of 32 an epoch, for two epochs.
    assert steps == {16: 8, 32: 4}


def test_more_values_and_another_axis_keep_the_finished_cells(swept: Path, tmp_path: Path) -> None:
    table = Path(read_study(swept).manifest.table)
    options = {"combiners": ("average",), "seeds": 1}
    out = tmp_path / "out"
    run_study(plan_study(small_config(table, **options), out, command=["x"]), jobs=1)
    done = out / "cells" / "mlp-average-seed0" / "metrics.json"
    before = done.stat().st_mtime_ns
    wider = small_config(table, vary=read_axes(["batch_size=16,64"]), **options)
    outcome = run_study(plan_study(wider, out, command=["x"]), jobs=1)
    assert done.stat().st_mtime_ns == before
    assert [key.id for key in outcome.study.results] == [
        "mlp-average-seed0",
        "mlp-average-batch_size=64-seed0",
    ]
    manifest = read_study(out).manifest
    assert (manifest.axes, manifest.base) == ({"batch_size": (16, 64)}, {"batch_size": 16})
    assert manifest.settings(CellKey(encoder="mlp", combiner="average", seed=0)) == {"batch_size": 16}


def test_the_report_compares_encoders_at_the_options_of_the_study_itself(swept: Path) -> None:
    (encoder,) = summarise(swept).encoders
    assert encoder.seeds == (0,)
    assert {score.combiner: score.estimate.seeds for score in encoder.scores} == {
        "single_task": 1,
        "average": 1,
    }
    own = Trace.load(swept / "cells" / "mlp-average-seed0" / "trace")
    measured = sum(record.split == "minibatch" for record in own.gramians)
    assert encoder.gradients.splits["minibatch"].steps == measured


def relatives() -> MoleculeTable:
    """Beside the focal task y: minus its ranks, its own values with noise, five shared molecules, none."""
    generator = np.random.default_rng(3)
    y = generator.normal(size=60)
    columns = np.full((60, 5), np.nan)
    columns[:40, 0] = y[:40]
    columns[:, 1] = generator.normal(size=60)
    columns[:30, 2] = -np.exp(y[:30])
    columns[35:, 3] = y[35:]
    columns[40:, 4] = y[40:]
    names = ("y", "noise", "reverse", "few", "none")
    return MoleculeTable.from_dense(
        [f"{'C' * (i + 1)}" for i in range(60)], names, columns, dict.fromkeys(names, "regression")
    )


def test_relatedness_is_the_rank_correlation_over_shared_molecules() -> None:
    found = {kin.task: kin for kin in kinships(relatives())}
    assert {task: kin.shared for task, kin in found.items()} == {
        "noise": 40,
        "reverse": 30,
        "few": 5,
        "none": 0,
    }
    assert found["reverse"].correlation == pytest.approx(-1.0)
    assert abs(found["noise"].correlation or 1.0) < 0.5
    assert found["few"].correlation is None
    assert found["none"].correlation is None


def test_auxiliaries_are_ordered_by_relatedness_or_size() -> None:
    table = relatives()
    assert ordered(table, "given").tasks == table.tasks
    assert ordered(table, "relatedness").tasks == ("y", "reverse", "noise", "few", "none")
    assert ordered(table, "size").tasks == ("y", "noise", "reverse", "few", "none")
