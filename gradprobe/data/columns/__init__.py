"""Columns of cells to labels: each is used, or left out with the reason."""

from gradprobe.data.columns.decide import Columns, read_columns
from gradprobe.data.columns.decision import ColumnDecision
from gradprobe.data.columns.understand import NotLabels, Understood, understand

__all__ = ["ColumnDecision", "Columns", "NotLabels", "Understood", "read_columns", "understand"]
