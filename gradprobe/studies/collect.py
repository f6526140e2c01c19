"""The table of results, from whatever cells have finished."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gradprobe.records.folder import StudyFolder
from gradprobe.records.record import Result
from gradprobe.records.writing import write_atomically


def write_results(folder: StudyFolder, columns: Sequence[str], results: Sequence[Result]) -> None:
    """Write results.csv: the rows of every finished cell, in the order of the study's cells.

    They hold no timings: however often a study was interrupted, it ends in the same bytes.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for result in results:
        writer.writerows(
            {name: value for name, value in row.items() if value is not None} for row in result.rows()
        )
    write_atomically(folder.results, text.getvalue().encode(), within=folder.path)
