from dataclasses import replace

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, TaskLabels
from gradprobe.data.table import SplitBasis
from gradprobe.errors import InputError
from tests.data._tables import table_of

NAN = np.nan


def small() -> MoleculeTable:
    return table_of(["C", "CC", "CCC"], a=[1.0, 2.0, NAN], b=[NAN, 0.5, NAN], c=[NAN, 1.0, 0.0])


def test_selecting_tasks_keeps_their_order_and_drops_molecules_they_do_not_label() -> None:
    selected = small().select(("c", "b"))
    assert selected.smiles == ("CC", "CCC")
    assert selected.tasks == ("c", "b")
    np.testing.assert_array_equal(selected.labels, [[1.0, 0.5], [0.0, NAN]])
    assert dict(selected.kinds) == {"c": "classification", "b": "regression"}


def test_counts_are_those_of_labels() -> None:
    assert [small().count(task) for task in ("a", "b", "c")] == [2, 1, 2]


def test_an_unknown_task_names_the_nearest() -> None:
    table = table_of(["C", "CC"], solubility=[1.0, 2.0], logD=[0.3, 0.4])
    with pytest.raises(InputError, match="did you mean 'solubility'"):
        table.select(["Solubilty"])
    with pytest.raises(InputError, match="expected one of 'solubility', 'logD', got 'x'"):
        table.count("x")


def test_the_digest_depends_on_everything_learnt_from_and_on_nothing_else() -> None:
    table = small()
    again = replace(small(), merged=7)
    negative_nan = dense(labels=np.where(np.isnan(table.labels), -np.nan, table.labels))
    assert table.digest == again.digest == negative_nan.digest
    a = table.of("a")
    bounded = TaskLabels(a.rows, a.values, np.array([0, 1], dtype=np.int8))
    others = [
        dense(smiles=("C", "CC", "CCO")),
        dense(labels=table.labels + 1e-12),
        dense(kinds={**table.kinds, "c": "regression"}),
        table.select(("a", "c", "b")),
        replace(table, labelled={**table.labelled, "a": bounded}),
        replace(table, basis=SplitBasis((*table.smiles, "N"), np.zeros(4, dtype=np.intp))),
    ]
    assert len({table.digest, *(other.digest for other in others)}) == 7


def dense(**changes: object) -> MoleculeTable:
    table = small()
    given = {"smiles": table.smiles, "tasks": table.tasks, "labels": table.labels, "kinds": table.kinds}
    return MoleculeTable.from_dense(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros((3, 2))}, "labels: expected shape"),
        ({"smiles": ("C", "C", "CC")}, "distinct molecules"),
        ({"tasks": ("a", "a", "b")}, "distinct names"),
        ({"kinds": {"a": "regression"}}, "kinds: expected"),
    ],
)
def test_a_table_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        dense(**changes)


def test_labels_are_kept_for_the_molecules_that_have_one() -> None:
    own = small().of("b")
    assert (own.rows.tolist(), own.values.tolist(), own.bounds.tolist()) == ([1], [0.5], [0])
    values, _ = own.at(np.array([0, 1, 2]))
    np.testing.assert_array_equal(values, [NAN, 0.5, NAN])
