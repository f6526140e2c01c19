from pathlib import Path

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, TableOptions, audit_table, read_table, split_molecules
from gradprobe.data.audit import Audit, audit_as_text, audit_in_brief
from gradprobe.data.audit.alike import correlation, is_near_copy
from gradprobe.data.task_labels import TaskLabels
from gradprobe.errors import InputError
from tests.data._tables import chains, table_of, write_csv

RNG = np.random.default_rng(1)
N = 60


def table(tmp_path: Path) -> MoleculeTable:
    y = RNG.normal(5, 1, N).round(3)
    columns = {
        "smiles": [*chains(N), "CO", "xyz"],
        "y": [*y, y[0] + 20, 1.0],
        "twin": [*(y * 2 + 1e-9), 1.0, ""],
        "bounded": ["<3" if k % 4 == 0 else v for k, v in enumerate(RNG.normal(9, 1, N).round(3))] + ["", ""],
        "toxic": [*(k % 3 == 0 for k in range(N)), True, ""],
        "note": ["x"] * (N + 2),
    }
    return read_table(write_csv(tmp_path / "t.csv", columns))  # type: ignore[arg-type]


def test_every_column_and_every_task_is_there_with_its_numbers(tmp_path: Path) -> None:
    read = table(tmp_path)
    audit = audit_table(read, source="t.csv", focal="y", options=TableOptions())
    assert [column.column for column in audit.columns] == ["smiles", "y", "twin", "bounded", "toxic", "note"]
    assert not audit.columns[-1].used
    y, twin, bounded, toxic = audit.tasks
    labels = read.column("y")
    labels = labels[~np.isnan(labels)]
    assert (y.labels, y.minimum, y.maximum) == (N, labels.min(), labels.max())
    assert y.median == pytest.approx(np.median(labels))
    assert (y.repeated, y.spread) == (1, pytest.approx(20.0))
    assert (bounded.bounds, bounded.labels) == (15, N - 15)
    assert toxic.positives == 20
    assert audit.merged == 1
    assert audit.first_skipped == "row 62, 'xyz': not valid SMILES"
    split = split_molecules(read, kind="random", seed=0)
    assert [y.train.labels, y.validation.labels, y.test.labels] == [
        len(split.train),
        len(split.validation),
        len(split.test),
    ]
    assert toxic.test.positives == read.column("toxic")[split.test].sum()
    assert twin.shared == N


def test_a_near_copy_of_a_task_is_warned_about(tmp_path: Path) -> None:
    rows = np.arange(30)
    values = RNG.normal(size=30)
    one = TaskLabels.from_dense(values)
    zeros = np.zeros(30, dtype=np.int8)
    assert is_near_copy(one, TaskLabels(rows, -3 * values, zeros)) == pytest.approx(-1.0)
    assert is_near_copy(one, TaskLabels(rows, np.exp(values), zeros)) == pytest.approx(1.0)
    assert is_near_copy(one, TaskLabels(rows, values + 0.1 * RNG.normal(size=30), zeros)) is None
    shared, r = correlation(one, TaskLabels(rows[:12], values[:12] ** 2, zeros[:12]))
    assert shared == 12
    assert r == pytest.approx(np.corrcoef(values[:12], values[:12] ** 2)[0, 1])
    assert correlation(one, TaskLabels(rows[:9], values[:9], zeros[:9])) == (9, None)
    smiles = chains(30)
    audit = audit_table(table_of(smiles, a=values, b=values * 2 + 1, c=RNG.normal(size=30)))  # type: ignore[arg-type]
    assert audit.warnings[-1] == "'a' and 'b' are nearly the same (correlation 1.0000 on shared molecules)"


def test_salts_in_train_of_test_molecules_are_counted() -> None:
    smiles = [form.format("C" * (k + 1)) for k in range(30) for form in ("N{}C(=O)O", "N{}C(=O)[O-].[Na+]")]
    read = table_of(smiles, y=RNG.normal(size=60).tolist())
    audit = audit_table(read, seed=3)
    split = split_molecules(read, kind="random", seed=3)
    expected = sum((row ^ 1) in set(split.train.tolist()) for row in split.test.tolist())
    assert audit.parents_in_train == expected > 0
    assert "--split parent keeps them together" in audit.warnings[0]
    assert audit_table(read, seed=3, kind="parent").parents_in_train == 0


def test_a_split_without_positives_is_warned_about() -> None:
    rare = np.zeros(50)
    read = table_of(chains(50), y=RNG.normal(size=50).tolist(), rare=rare)
    rare[split_molecules(read, kind="random", seed=0).train[:3]] = 1.0
    audit = audit_table(table_of(chains(50), y=RNG.normal(size=50).tolist(), rare=rare.tolist()))
    assert "AUROC is undefined there; --stratify rare" in audit.warnings[0]


def test_outliers_are_those_far_beyond_the_middle_half() -> None:
    audit = audit_table(table_of(chains(40), y=[*np.linspace(0, 1, 38), 50.0, -60.0]))
    assert audit.tasks[0].outliers == 2


def test_an_audit_is_json_and_text_in_any_terminal(tmp_path: Path) -> None:
    audit = audit_table(table(tmp_path), source="t.csv", focal="y")
    assert Audit.model_validate_json(audit.model_dump_json()) == audit
    text = audit_as_text(audit)
    text.encode("ascii")
    for word in ("bounded", "15 bounds", "left out: text, such as 'x' in row 1", "focal", "1 repeated"):
        assert word in text
    brief = audit_in_brief(audit)
    assert any(line.startswith("note: left out") for line in brief)
    assert not any("\n" in line for line in brief)


def test_an_unknown_focal_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected one of 'y', 'twin'"):
        audit_table(table(tmp_path), focal="nobody")
