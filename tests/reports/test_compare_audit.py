from pathlib import Path

import numpy as np

from gradprobe.data import audit_table, read_table
from gradprobe.data.audit import AUDIT
from gradprobe.reports.compare.audit import audit_sections, read_audit
from tests.data._tables import chains, write_csv


def test_the_first_section_shows_every_column_and_every_task(tmp_path: Path) -> None:
    y = np.random.default_rng(0).normal(size=40)
    path = write_csv(
        tmp_path / "t.csv",
        {
            "smiles": chains(40),
            "y": y,
            "z": [f"<{v}" if v < 0 else v for v in y[::-1]],
            "CID": range(100, 140),
            "twin": 2 * y,
        },
    )
    audit = audit_table(read_table(path), source="t.csv", focal="y")
    (tmp_path / AUDIT).write_text(audit.model_dump_json())
    assert read_audit(tmp_path) == audit
    (section,) = audit_sections(audit)
    overview, tasks, columns = section.tables
    assert [row[0] for row in columns.rows] == ["smiles", "y", "z", "CID", "twin"]
    assert "an identifier" in columns.rows[3][1]
    assert [row[0] for row in tasks.rows] == ["y", "z", "twin"]
    assert tasks.rows[1][3] == str(int((y >= 0).sum()))
    assert tasks.rows[1][9] == str(int((y < 0).sum()))
    assert tasks.rows[0][5:8] == ("32", "4", "4")
    assert "nearly the same" in section.remarks[0][1]
    assert ("molecules", "40; 0 rows repeated one") in overview.rows


def test_a_damaged_or_missing_audit_is_no_section(tmp_path: Path) -> None:
    assert read_audit(tmp_path) is None
    (tmp_path / AUDIT).write_text('{"table": 5}')
    assert read_audit(tmp_path) is None
    assert list(audit_sections(None)) == []
