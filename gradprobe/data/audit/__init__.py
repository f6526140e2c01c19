"""What a table holds and what became of it, before anything is trained."""

from gradprobe.data.audit.audit import audit_table
from gradprobe.data.audit.model import AUDIT, Audit, ColumnAudit, SplitCounts, TaskAudit
from gradprobe.data.audit.text import audit_as_text, audit_in_brief

__all__ = [
    "AUDIT",
    "Audit",
    "ColumnAudit",
    "SplitCounts",
    "TaskAudit",
    "audit_as_text",
    "audit_in_brief",
    "audit_table",
]
