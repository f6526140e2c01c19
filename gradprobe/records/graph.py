"""The graph of a study, in numbers."""

from __future__ import annotations

from gradprobe.records.record import Record


class GraphRecord(Record):
    """A graph as reports name it.

    `edges` counts each once. `homophily` is the share of edges that join one class, None where no edge joins
    labelled nodes.
    """

    name: str
    nodes: int
    edges: int
    features: int
    classes: int
    homophily: float | None
    notes: tuple[str, ...] = ()
