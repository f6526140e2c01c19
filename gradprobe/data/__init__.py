"""Tables of molecules: read, checked, joined, split and scaled."""

from gradprobe.data.catalog import Dataset, TaskSummary, describe, list_datasets, load_table
from gradprobe.data.checks import MIN_LABELS, check_tasks
from gradprobe.data.embedded import physchem
from gradprobe.data.join import join_tables
from gradprobe.data.reading import read_table
from gradprobe.data.splits import Fold, IntArray, Split, SplitKind, split_molecules, task_rows
from gradprobe.data.table import MoleculeTable, Origin, SkippedRow, TaskKind
from gradprobe.data.targets import TargetScaling
from gradprobe.data.writing import write_skipped, write_table

__all__ = [
    "MIN_LABELS",
    "Dataset",
    "Fold",
    "IntArray",
    "MoleculeTable",
    "Origin",
    "SkippedRow",
    "Split",
    "SplitKind",
    "TargetScaling",
    "TaskKind",
    "TaskSummary",
    "check_tasks",
    "describe",
    "join_tables",
    "list_datasets",
    "load_table",
    "physchem",
    "read_table",
    "split_molecules",
    "task_rows",
    "write_skipped",
    "write_table",
]
