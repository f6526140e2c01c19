"""The table of results, from whatever cells have finished."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from gradprobe.records.folder import StudyFolder
from gradprobe.records.manifest import Manifest
from gradprobe.records.record import Result
from gradprobe.records.writing import write_atomically


def write_results(
    folder: StudyFolder, manifest: Manifest, columns: Sequence[str], results: Sequence[Result]
) -> None:
    """Write results.csv: the rows of every finished cell, in the order of the study's cells.

    Where options vary between cells, each has a column, after all others.

    They hold no timings: however often a study was interrupted, it ends in the same bytes.
    """
    text = io.StringIO()
    settings = [manifest.settings_of(result.key) for result in results]
    more = dict.fromkeys(name for own in settings for name in own)
    writer = csv.DictWriter(text, [*columns, *more], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for result, own in zip(results, settings, strict=True):
        writer.writerows(
            {name: value for name, value in (row | own).items() if value is not None} for row in result.rows()
        )
    write_atomically(folder.results, text.getvalue().encode(), within=folder.path)
