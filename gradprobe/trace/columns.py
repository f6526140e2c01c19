"""Columns of a long table, gathered a block of rows at a time and held as codes, not as texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from gradprobe.geometry import FloatArray

TEXTS = ("split", "engine", "quantity", "layer", "task", "other", "reason", "geometry")
_Codes = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Block:
    """What some rows have in common."""

    step: int
    epoch: int | None
    split: str
    engine: str
    geometry: str


@dataclass
class Columns:
    """Rows of numbers; text columns count into one list of distinct texts, empty text first."""

    texts: dict[str, int] = field(default_factory=lambda: {"": 0})
    _blocks: list[tuple[Block, int]] = field(default_factory=list)
    _values: list[FloatArray] = field(default_factory=list)
    _codes: dict[str, list[int | _Codes]] = field(default_factory=lambda: {name: [] for name in TEXTS})

    def codes(self, texts: Sequence[str]) -> _Codes:
        """The codes [k] of some texts."""
        return np.array([self.texts.setdefault(text, len(self.texts)) for text in texts], dtype=np.int32)

    def add(
        self,
        block: Block,
        values: FloatArray,
        *,
        quantity: str,
        layer: str = "",
        task: str | _Codes = "",
        other: str | _Codes = "",
        reasons: Mapping[int, str] | None = None,
    ) -> None:
        """Add a row for each of some values [k], `reasons` by their places; tasks are codes [k] or shared."""
        if not len(values):
            return
        reason: int | _Codes = 0
        if reasons:
            reason = np.zeros(len(values), dtype=np.int32)
            reason[list(reasons)] = self.codes(list(reasons.values()))
        self._blocks.append((block, len(values)))
        self._values.append(np.asarray(values, dtype=np.float64))
        shared = {"split": block.split, "engine": block.engine, "geometry": block.geometry}
        cells = {**shared, "quantity": quantity, "layer": layer, "task": task, "other": other}
        for name, cell in cells.items():
            code = self.texts.setdefault(cell, len(self.texts)) if isinstance(cell, str) else cell
            self._codes[name].append(code)
        self._codes["reason"].append(reason)

    def frame(self, order: Sequence[str], *, categories: bool) -> pd.DataFrame:
        """The table of everything added; it can be taken once.

        With `categories`, texts are categories, the same ones in every column, so that columns compare with
        each other.
        """
        counts = np.array([count for _, count in self._blocks], dtype=np.int64)
        steps = np.array([block.step for block, _ in self._blocks], dtype=np.int64)
        epochs = pd.array([block.epoch for block, _ in self._blocks], dtype="Int64")
        kind = pd.CategoricalDtype(pd.Index(list(self.texts), dtype=object))
        columns: dict[str, object] = {
            "step": np.repeat(steps, counts),
            "epoch": epochs.repeat(counts),
            "value": np.concatenate([*self._values, np.zeros(0)]),
        }
        self._values.clear()
        small = np.min_scalar_type(-len(self.texts))
        for name in TEXTS:
            column = np.empty(int(counts.sum()), dtype=small)
            end = 0
            for cell, count in zip(self._codes[name], counts.tolist(), strict=True):
                column[end : end + count] = cell
                end += count
            self._codes[name].clear()
            columns[name] = (
                pd.Categorical.from_codes(column, dtype=kind)
                if categories
                else np.array(list(self.texts), dtype=object)[column]
            )
        return pd.DataFrame({name: columns[name] for name in order}, copy=False)
