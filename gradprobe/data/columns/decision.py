"""What became of a column of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["SMILES", "task", "qualifiers", "split", "left out"]


@dataclass(frozen=True)
class ColumnDecision:
    """One column: what it is used as, or why it is left out.

    `example` shows a cell that the reason speaks of, with its row. `conversions` say what was done to the
    cells (`"4 cells 'yes' read as 1"`), `warnings` what may be wrong although the column is used.
    """

    column: str
    role: Role
    reason: str = ""
    example: str = ""
    unit: str = ""
    conversions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def used(self) -> bool:
        """Whether anything is made of the column."""
        return self.role != "left out"

    def sentence(self) -> str:
        """The decision in one line, without the column's name.

        >>> ColumnDecision("note", "left out", reason="text", example="'good' in row 1").sentence()
        "left out: text, such as 'good' in row 1"
        """
        if not self.used:
            return f"left out: {self.reason}" + (f", such as {self.example}" if self.example else "")
        said = [*self.conversions, *(f"check: {warning}" for warning in self.warnings)]
        unit = f" in {self.unit}" if self.unit else ""
        return f"{self.role}{unit}" + (f": {'; '.join(said)}" if said else "")
