"""Stored measurements: versioned, append-only, readable without torch."""

from gradprobe.trace.header import TraceHeader
from gradprobe.trace.manifest import SCHEMA_VERSION
from gradprobe.trace.records import (
    JUDGES,
    Geometry,
    GramianRecord,
    MoleculeRecord,
    QuantityRecord,
    SplitName,
)
from gradprobe.trace.store import Trace
from gradprobe.trace.tail import TraceTail

__all__ = [
    "JUDGES",
    "SCHEMA_VERSION",
    "Geometry",
    "GramianRecord",
    "MoleculeRecord",
    "QuantityRecord",
    "SplitName",
    "Trace",
    "TraceHeader",
    "TraceTail",
]
