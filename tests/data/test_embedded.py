import re

import numpy as np
import pytest

from gradprobe.data import MoleculeTable, check_tasks, physchem


@pytest.fixture(scope="module")
def table() -> MoleculeTable:
    return physchem()


@pytest.mark.parametrize(
    ("task", "smiles", "value", "tolerance"),
    [
        ("boiling_point", "CCO", 351.4, 0.2),
        ("melting_point", "c1ccc2ccccc2c1", 353.4, 0.3),
        ("density", "ClC(Cl)Cl", 1479, 5),
        ("refractive_index", "c1ccccc1", 1.501, 0.001),
        ("logP", "c1ccccc1", 2.13, 0.01),
        ("vaporization_enthalpy", "Cc1ccccc1", 38.0e3, 0.3e3),
        ("flash_point", "CCCCCC", 250.15, 1.5),
        ("critical_temperature", "CC(C)=O", 508.1, 0.5),
        ("permittivity", "CO", 33.0, 0.5),
    ],
)
def test_well_known_values_stand_with_their_molecules(
    table: MoleculeTable, task: str, smiles: str, value: float, tolerance: float
) -> None:
    assert table.column(task)[table.smiles.index(smiles)] == pytest.approx(value, abs=tolerance)


def test_tasks_have_their_labels_units_and_sources(table: MoleculeTable) -> None:
    counts = {task: table.count(task) for task in table.tasks}
    assert counts["flash_point"] == 868
    assert counts["melting_point"] == 6807
    assert len(table.smiles) == 11574
    assert set(table.origins) == set(table.tasks)
    assert set(table.kinds.values()) == {"regression"}
    check_tasks(table, "flash_point")


def test_only_single_organic_molecules_are_kept(table: MoleculeTable) -> None:
    for text in table.smiles:
        assert "C" in text or "c" in text
        assert "." not in text, "a salt or a mixture"
        assert not re.search(r"\[\d", text), "an isotope"
        elements = set(re.findall(r"\[([A-Z][a-z]?)", text))
        assert elements <= {"H", "B", "C", "N", "O", "Si", "P", "S", "Cl", "Ge", "As", "Se", "Sb", "Te", "I"}


def test_values_measured_far_from_room_temperature_are_left_out(table: MoleculeTable) -> None:
    # The permittivities of dimethyl ether (258 K) and naphthalene (363 K) are in the source.
    for smiles in ("COC", "c1ccc2ccccc2c1"):
        assert np.isnan(table.column("permittivity")[table.smiles.index(smiles)])


def test_a_number_among_the_synonyms_of_another_compound_gives_no_label(table: MoleculeTable) -> None:
    # 8-methyl-1-nonanol, which has a flash point, is registered as a synonym of isodecanol only, and
    # isodecanol, which would get its label, has none of its own.
    assert "CC(C)CCCCCCCO" not in table.smiles
