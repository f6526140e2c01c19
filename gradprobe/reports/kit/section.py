"""One part of a report: what to look for, a figure, tables, remarks."""

from __future__ import annotations

from dataclasses import dataclass

from gradprobe.reports.compare.cells import Table


@dataclass(frozen=True)
class Section:
    """A heading, one sentence on what to look for, the name of a figure, tables, and remarks.

    `caption` says what the figure shows. A section without a figure drawn and without rows says why
    it is empty, in `empty`. A remark is a paragraph under a name of its own.
    """

    title: str
    look_for: str
    tables: tuple[Table, ...] = ()
    plate: str = ""
    caption: str = ""
    remarks: tuple[tuple[str, str], ...] = ()
    empty: str = "Nothing was measured for this yet."
