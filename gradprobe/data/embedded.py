"""The embedded data set: measured properties of organic compounds, from the package `chemicals`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from gradprobe.data.merging import merge_rows
from gradprobe.data.molecules import Unreadable, parse_molecules, write_smiles
from gradprobe.data.table import MoleculeTable, Origin
from gradprobe.errors import missing_extra

_CRC = "CRC Handbook of Chemistry and Physics"
_CONSTANTS = f"{_CRC}, physical constants of organic compounds"
_ORIGINS = {
    "melting_point": Origin("K", _CONSTANTS),
    "boiling_point": Origin("K", f"{_CONSTANTS}; at 1 atm"),
    "density": Origin("kg/m3", f"{_CONSTANTS}; temperature and phase not recorded"),
    "refractive_index": Origin("1", f"{_CONSTANTS}; sodium D line, 288 to 304 K"),
    "logP": Origin("log10", "Syracuse Research, KOWWIN data; octanol and water"),
    "vaporization_enthalpy": Origin("J/mol", "compilation of Gharagheizi; at 298 K"),
    "flash_point": Origin("K", "DIPPR, evaluated measurements, in Serat et al. 2017"),
    "critical_temperature": Origin("K", f"{_CRC}, critical constants of organic compounds"),
    "permittivity": Origin("1", f"{_CRC}, permittivity of liquids; 288 to 304 K"),
}
# Refractive index and permittivity fall as temperature rises: a label is a property of the molecule only
# where all are taken near room temperature, here 15 to 30 degrees Celsius and what rounding adds.
_ROOM_TEMPERATURE = (288.0, 304.0)

# Later files correct earlier ones, the order in which `chemicals` itself reads them.
_IDENTIFIERS = (
    "chemical identifiers pubchem large.tsv",
    "chemical identifiers pubchem small.tsv",
    "chemical identifiers example user db.tsv",
    "Cation db.tsv",
    "Anion db.tsv",
    "Inorganic db.tsv",
)
# Atomic numbers of the non-metals and metalloids that form molecules.
_ELEMENTS = (1, 5, 6, 7, 8, 9, 14, 15, 16, 17, 32, 33, 34, 35, 51, 52, 53)


def physchem() -> MoleculeTable:
    """Nine measured properties of about 11,600 organic compounds; the focal task meant is `flash_point`.

    Tables are joined on the CAS registry number with the SMILES of the package's identifier tables. A
    compound must be registered there under its own number: numbers listed among another's synonyms
    are often its salts or stereoisomers. Kept are single, neutral molecules with carbon, of non-metals
    and metalloids only, without isotopes and unpaired electrons (mostly SMILES that lack a hydrogen).
    A fifth of the molecules leave open stereochemistry that they have.

    Refractive index and permittivity are kept where measured at 288 to 304 K.

    Raises:
        MissingExtraError: chemicals or RDKit is not installed.
    """
    properties = _properties()
    smiles = _registered_smiles()
    numbers = [number for number in properties.index if number in smiles]
    organics = list(_organics(numbers, smiles))
    return merge_rows(
        [text for _, text in organics],
        properties.loc[[number for number, _ in organics]].to_numpy(dtype=np.float64),
        dict.fromkeys(_ORIGINS, "regression"),
        origins=_ORIGINS,
    )


def _properties() -> pd.DataFrame:
    """The tables joined: one row a CAS number, one column a task."""
    try:
        from chemicals import (
            critical,
            environment,
            miscdata,
            permittivity,
            phase_change,
            refractivity,
            safety,
        )
    except ImportError as error:
        raise missing_extra("chemicals", "molecules") from error

    organic = miscdata.CRC_organic_data
    dielectric = permittivity.permittivity_data_CRC
    columns = {
        "melting_point": organic["Tm"],
        "boiling_point": organic["Tb"],
        "density": organic["rho"],
        # The table of refractive indices gives the temperatures of those in the table of constants.
        "refractive_index": _near_room_temperature(organic["RI"], refractivity.RI_data_CRC_organic["RIT"]),
        "logP": environment.logP_data_Syrres["logP"],
        "vaporization_enthalpy": phase_change.Hvap_data_Gharagheizi["Hvap298"],
        "flash_point": safety.DIPPR_SERAT_data["T_flash"],
        "critical_temperature": critical.critical_data_CRC["Tc"],
        "permittivity": _near_room_temperature(dielectric["Permittivity"], dielectric["T"]),
    }
    joined: pd.DataFrame = pd.concat(columns, axis="columns").dropna(how="all")
    return joined.sort_index()


def _near_room_temperature(values: pd.Series[Any], kelvin: pd.Series[Any]) -> pd.Series[Any]:
    return values[kelvin.reindex(values.index).between(*_ROOM_TEMPERATURE)]


def _registered_smiles() -> dict[str, str]:
    """The SMILES of every CAS number that has an entry of its own.

    Read from the files, since the package's own index also holds names and synonyms, thirty times as
    much text, and takes seconds.
    """
    smiles = {}
    for name in _IDENTIFIERS:
        with files("chemicals").joinpath("Identifiers", name).open(encoding="utf-8") as lines:
            for line in lines:
                _, number, _, _, text, _ = line.split("\t", 5)
                smiles[number] = text
    return smiles


def _organics(numbers: list[str], smiles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The CAS number and canonical SMILES of those compounds that are organic molecules."""
    from rdkit.Chem import GetFormalCharge, MolFromSmarts, rdqueries

    carbon = rdqueries.AtomNumEqualsQueryAtom(6)
    unwanted = (
        MolFromSmarts(f"[{'&'.join(f'!#{number}' for number in _ELEMENTS)}]").GetAtomWithIdx(0),
        rdqueries.IsotopeGreaterQueryAtom(0),
        rdqueries.NumRadicalElectronsGreaterQueryAtom(0),
    )
    single = [number for number in numbers if "." not in smiles[number]]
    for number, molecule in zip(single, parse_molecules([smiles[number] for number in single]), strict=True):
        if (
            not isinstance(molecule, Unreadable)
            and molecule.GetAtomsMatchingQuery(carbon)
            and not any(molecule.GetAtomsMatchingQuery(query) for query in unwanted)
            and GetFormalCharge(molecule) == 0
        ):
            yield number, write_smiles(molecule)
