"""The explanations of nodes as remarks of the report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Told(Protocol):
    """An explanation as the report shows it: of `node`, the words, who wrote them, and why that one did."""

    @property
    def node(self) -> int:
        """The node's id."""

    @property
    def text(self) -> str:
        """The words."""

    @property
    def source(self) -> str:
        """The template, or the name of a language model."""

    @property
    def note(self) -> str:
        """Why the template stands in for a language model; empty where it does not."""


def remarks(told: Sequence[Told]) -> tuple[tuple[str, str], ...]:
    """A remark a node, under its number and the author; first, once, why the template stands in."""
    notes = dict.fromkeys(entry.note for entry in told if entry.note)
    return (
        *(("Note", f"{note[:1].upper()}{note[1:]}. The template answers instead.") for note in notes),
        *((f"Node {entry.node}, by {_author(entry.source)}", entry.text) for entry in told),
    )


def _author(source: str) -> str:
    return "the template" if source == "template" else f"the language model {source}"
