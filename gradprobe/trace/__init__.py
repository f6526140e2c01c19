"""Stored measurements: versioned, append-only, readable without torch."""

from gradprobe.trace.header import SCHEMA_VERSION, TraceHeader
from gradprobe.trace.records import Geometry, GramianRecord, QuantityRecord, SplitName
from gradprobe.trace.store import Trace

__all__ = [
    "SCHEMA_VERSION",
    "Geometry",
    "GramianRecord",
    "QuantityRecord",
    "SplitName",
    "Trace",
    "TraceHeader",
]
