"""What tells one cell of a comparison from the others."""

from __future__ import annotations

from gradprobe.records.record import Key

SINGLE_TASK = "single_task"
# The axis that counts auxiliaries: the first so many in the study's order.
AUXILIARIES = "auxiliaries"
Scalar = bool | int | float | str | None
# What differs from the study's own options, by option.
Point = tuple[tuple[str, Scalar], ...]


class CellKey(Key):
    """One run of a comparison. The combiner `single_task` is the focal task trained alone.

    `axes` holds what differs from the study's own options, nothing for a cell that runs with them.
    """

    axes: Point = ()
    encoder: str
    combiner: str
    seed: int

    @property
    def id(self) -> str:
        """The name of the cell's folder; not every file system allows the colon of `torchjd:UPGrad`."""
        point = ",".join(f"{name}={value}" for name, value in self.axes)
        parts = (self.encoder, self.combiner.replace(":", "."), *([point] if point else []))
        return f"{'-'.join(parts)}-seed{self.seed}"
