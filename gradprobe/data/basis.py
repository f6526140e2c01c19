"""What the splits of a file depend on: its molecules and which columns they have cells in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gradprobe.data.columns import Columns
from gradprobe.data.columns.texts import MISSING, Texts
from gradprobe.data.table import SplitBasis, rarest_groups
from gradprobe.data.task_labels import IntArray
from gradprobe.errors import InputError

_SPLITS: Mapping[str, int] = {
    "train": 0, "training": 0, "tr": 0, "0": 0,
    "validation": 1, "valid": 1, "val": 1, "dev": 1, "1": 1,
    "test": 2, "testing": 2, "te": 2, "holdout": 2, "2": 2,
}  # fmt: skip
# Numbers in a column to stratify by are cut into so many parts of equal size.
_PARTS = 5


def split_basis_of(
    smiles: tuple[str, ...], rows: IntArray, columns: Columns, *, labelled_by: str | None, column: str | None
) -> SplitBasis:
    """The basis of the molecules `smiles` [f], of which `rows` [r] says which each row of the file is.

    Molecules without any cell beside the SMILES are no part of it.

    Raises:
        InputError: `column` names other splits than train, validation and test, or the
            column to stratify by has no labels.
    """
    carried = [np.unique(rows[present]) for present in columns.presence]
    group = rarest_groups(len(smiles), [own for own in carried if len(own)])
    assigned = None if column is None else _assigned(columns.texts[column], rows, len(smiles), column)
    strata = None if labelled_by is None else _strata(columns, labelled_by, rows, len(smiles))
    anything = np.unique(np.concatenate(carried)) if carried else np.arange(len(smiles))
    return SplitBasis(
        tuple(smiles[row] for row in anything),
        group[anything],
        None if assigned is None else assigned[anything],
        None if strata is None else strata[anything],
    )


def _assigned(cells: Texts, rows: IntArray, n: int, name: str) -> IntArray:
    """The split [f] of each molecule; train for one in several splits, which keeps the test split clean."""
    if cells.numbers is not None:
        texts = ["" if np.isnan(number) else f"{number:g}" for number in cells.numbers]
    else:
        texts = [cells.distinct[code].lower() for code in cells.codes]
    unknown = sorted({text for text in texts if text not in _SPLITS and text not in MISSING})
    if unknown:
        raise InputError(
            f"split_column: expected train, validation or test in column {name!r}, got {unknown[0]!r}; "
            "rename the splits or empty such cells"
        )
    if not {_SPLITS[text] for text in texts if text in _SPLITS} >= {0, 2}:
        raise InputError(
            f"split_column: expected rows of train and of test in column {name!r}, got one split only"
        )
    assigned = np.full(n, 3, dtype=np.intp)
    np.minimum.at(assigned, rows, [_SPLITS.get(text, 3) for text in texts])
    assigned[assigned == 3] = -1
    return assigned


def _strata(columns: Columns, name: str, rows: IntArray, n: int) -> IntArray:
    """The class [f] of each molecule in a column, 0 for those without one."""
    if name not in columns.labels:
        raise InputError(f"stratify: expected a column that holds labels, got {name!r}, which does not")
    values = np.full(n, np.nan)
    own = columns.labels[name].values
    given = np.flatnonzero(~np.isnan(own))
    # Of repeats the largest counts: a rare positive class must not be averaged away.
    np.fmax.at(values, rows[given], own[given])
    known = values[~np.isnan(values)]
    if len(np.unique(known)) > _PARTS:
        edges = np.unique(np.quantile(known, np.linspace(0, 1, _PARTS + 1)[1:-1]))
        classes = np.searchsorted(edges, values, side="right")
    else:
        classes = np.searchsorted(np.unique(known), values)
    return np.where(np.isnan(values), 0, classes + 1).astype(np.intp)
