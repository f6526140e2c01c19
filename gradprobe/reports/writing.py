"""Writing the files of a report."""

from __future__ import annotations

from gradprobe.records.writing import write_atomically as write_file

__all__ = ["write_file"]
