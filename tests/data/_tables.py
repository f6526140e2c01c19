from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from gradprobe.data import MoleculeTable
from gradprobe.data.merging import kind_of

RINGS = ("c1ccccc1", "c1ccncc1", "C1CCCCC1", "C1CCNCC1", "c1ccc2ccccc2c1", "C1CCOC1", "c1ccsc1", "c1cc[nH]c1")


def chains(n: int) -> tuple[str, ...]:
    """Distinct molecules without a ring."""
    return tuple("C" * (k // 3 + 1) + ("O", "N", "S")[k % 3] for k in range(n))


def rings(n: int) -> tuple[str, ...]:
    """Distinct molecules, on eight scaffolds in turn, with carbon chains of growing length."""
    return tuple("C" * (k // len(RINGS) + 1) + RINGS[k % len(RINGS)] for k in range(n))


def table_of(smiles: Sequence[str], **tasks: Sequence[float]) -> MoleculeTable:
    labels = np.array(list(tasks.values()), dtype=np.float64).T
    return MoleculeTable.from_dense(
        tuple(smiles),
        tuple(tasks),
        labels,
        {task: kind_of(labels[:, i]) for i, task in enumerate(tasks)},
    )


def write_csv(path: Path, columns: Mapping[str, Sequence[object]]) -> Path:
    rows = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path
