"""Tables of molecules: read, audited, checked, joined, split and scaled."""

from gradprobe.data.audit import Audit, audit_table
from gradprobe.data.catalog import Dataset, TaskSummary, describe, list_datasets, load_table
from gradprobe.data.checks import MIN_LABELS, check_tasks
from gradprobe.data.columns import ColumnDecision
from gradprobe.data.embedded import physchem
from gradprobe.data.join import join_tables
from gradprobe.data.options import TableOptions
from gradprobe.data.reading import read_table
from gradprobe.data.splits import SplitKind, SplitName, Splits, split_molecules, task_rows
from gradprobe.data.table import MoleculeTable, Origin, Repeats, SkippedRow, TaskKind
from gradprobe.data.targets import TargetScaling
from gradprobe.data.task_labels import IntArray, TaskLabels
from gradprobe.data.writing import write_skipped, write_table

__all__ = [
    "MIN_LABELS",
    "Audit",
    "ColumnDecision",
    "Dataset",
    "IntArray",
    "MoleculeTable",
    "Origin",
    "Repeats",
    "SkippedRow",
    "SplitKind",
    "SplitName",
    "Splits",
    "TableOptions",
    "TargetScaling",
    "TaskKind",
    "TaskLabels",
    "TaskSummary",
    "audit_table",
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
