"""Structure-data files (.sdf): a molecule a record, its properties the columns."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from gradprobe.data.formats.compressed import read_bytes
from gradprobe.data.formats.encoding import decode
from gradprobe.data.formats.raw import Progress, RawTable, check_size, objects
from gradprobe.errors import InputError, missing_extra

# No SMILES: the row is kept, and set aside with a reason when molecules are read.
UNREADABLE = "unreadable-structure"


def read_sdf(path: Path, *, smiles: str | None, progress: Progress | None = None) -> RawTable:
    """The structures as SMILES in a column named `smiles` (default "smiles"), then the properties.

    Groups of relative stereochemistry (V3000) are kept, as CXSMILES. In the place of a structure that
    cannot be read stands text that is no SMILES. A property that is named like the column of SMILES is
    left out, which a note says.

    Raises:
        InputError: not one record.
        MissingExtraError: RDKit is not installed.
    """
    try:
        from rdkit import Chem
        from rdkit.rdBase import BlockLogs
    except ImportError as error:
        raise missing_extra("rdkit", "molecules") from error
    from gradprobe.data.molecules import write_smiles

    column = smiles or "smiles"
    text, notes = decode(read_bytes(path))
    content = text.encode()
    count = content.count(b"$$$$")
    structures: list[str] = []
    properties: dict[str, dict[int, str]] = {}
    with BlockLogs():
        for row, molecule in enumerate(Chem.ForwardSDMolSupplier(io.BytesIO(content))):
            structures.append(UNREADABLE if molecule is None else write_smiles(molecule))
            if molecule is not None:
                for name in molecule.GetPropNames():
                    properties.setdefault(name, {})[row] = molecule.GetProp(name)
            if progress is not None and row % 1000 == 0:
                progress("molecules", row, count)
    if not structures:
        raise InputError(f"path: expected records of molecules, got none in {path}")
    if properties.pop(column, None):
        notes += (f"the structures were read; the property {column!r} was not",)
    if len(structures) > count and count:
        notes += ("the file ends within a record, without $$$$: its end may be missing",)
    check_size(len(structures), len(properties) + 1)
    rows = range(len(structures))
    return RawTable(
        (column, *(name.strip() for name in properties)),
        (objects(structures), *(objects([cells.get(row) for row in rows]) for cells in properties.values())),
        np.arange(1, len(structures) + 1),
        notes,
    )
