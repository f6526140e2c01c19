"""The table of results, from whatever cells have finished."""

from __future__ import annotations

import csv
import io

from gradprobe.records.compare import CellMetrics, StudyFolder, StudyManifest, read_record
from gradprobe.records.writing import write_atomically

COLUMNS = (
    "cell",
    "encoder",
    "combiner",
    "seed",
    "task",
    "split",
    "n",
    "rae",
    "mae",
    "r2",
    "auroc",
    "average_precision",
)


def write_results(folder: StudyFolder, manifest: StudyManifest) -> int:
    """Write results.csv, one test row a finished cell and task; returns the number of finished cells.

    Rows stand in the order of the study's cells and tasks and hold no timings: however often a study
    was interrupted, it ends in the same bytes.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    finished = 0
    for key in manifest.cells:
        cell = read_record(folder.cell(key) / "metrics.json", CellMetrics)
        if cell is None:
            continue
        finished += 1
        for row in cell.metrics:
            if row.split == "test":
                writer.writerow(
                    {
                        "cell": key.id,
                        **key.model_dump(),
                        **{k: v for k, v in row.model_dump().items() if v is not None},
                    }
                )
    write_atomically(folder.results, text.getvalue().encode())
    return finished
