"""Records of a trace in memory to finished parts on disk."""

from __future__ import annotations

import contextlib
import importlib
import os
import time
from collections.abc import Sequence
from pathlib import Path

from gradprobe.trace import parts
from gradprobe.trace.records import GramianRecord, QuantityRecord

# A part is closed by whichever comes first, so that a killed process loses seconds, not hours.
_PART_RECORDS = 64
_PART_BYTES = 32_000_000
_PART_SECONDS = 5.0


class PartWriter:
    """Writes what growing lists hold to numbered parts in a folder, each record once."""

    def __init__(
        self,
        folder: Path,
        gramians: Sequence[GramianRecord],
        preconditioned: Sequence[GramianRecord],
        quantities: Sequence[QuantityRecord],
    ) -> None:
        self._folder = folder
        self._gramians = {"gramians": gramians, "preconditioned": preconditioned}
        self._quantities = quantities
        self._written = dict.fromkeys(self._gramians, 0)
        self._quantities_written = self._parts = 0
        self._last_flush = time.monotonic()
        self._process = os.getpid()
        # pyarrow would import pandas on the first write, which may come when the process ends: too late.
        importlib.import_module("pandas")

    def part_is_due(self) -> bool:
        """Whether enough has gathered, or waited for long enough, to make a part."""
        gramians, quantities = self._pending()
        records = [record for own in gramians.values() for record in own]
        return (
            len(records) + len(quantities) >= _PART_RECORDS
            or sum(record.gramian.values.nbytes for record in records) >= _PART_BYTES
            or time.monotonic() - self._last_flush >= _PART_SECONDS
        )

    def flush(self) -> None:
        """Write what has gathered since the last part."""
        gramians, quantities = self._pending()
        for name, records in gramians.items():
            if records:
                parts.write_gramians(self._folder / f"{name}-{self._parts:06d}.parquet", records)
                self._written[name] += len(records)
        if quantities:
            parts.write_quantities(self._folder / f"quantities-{self._parts:06d}.parquet", quantities)
            self._quantities_written += len(quantities)
        self._parts += 1
        self._last_flush = time.monotonic()

    def flush_forgotten(self) -> None:
        """Write what a caller who never closed the trace leaves behind, where that can still be done.

        Nothing in a forked process, such as a loader's worker: the records are its parent's to write.
        """
        if os.getpid() == self._process:
            with contextlib.suppress(OSError):
                self.flush()

    def _pending(self) -> tuple[dict[str, Sequence[GramianRecord]], Sequence[QuantityRecord]]:
        gramians = {name: records[self._written[name] :] for name, records in self._gramians.items()}
        return gramians, self._quantities[self._quantities_written :]
