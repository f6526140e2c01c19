"""A document as JSON, for programs: every word and every table of it, without its figures' pixels."""

from __future__ import annotations

import json
from typing import Any

from gradprobe.reports.kit.document import Card, Document, Section

FORMAT = "gradprobe report"
SCHEMA_VERSION = 1


def as_json(document: Document, *, sections: bool = True) -> str:
    """The document as JSON text; without `sections`, only what it says first.

    {"format", "schema_version", "title", "subtitle", "headline", "points": [text],
     "cards": [{"name", "call", "paragraphs", "caution", "advice", "details": [{"name", "remark", "text"}]}],
     "sections": [{"title", "figure": {"name", "words", "caption"} or null, "tables": [{"title", "columns",
       "rows", "note"}], "remarks": [{"name", "text"}]}]}
    """
    content: dict[str, Any] = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "title": document.title,
        "subtitle": document.subtitle,
        "headline": document.headline,
        "points": document.points,
        "cards": [_card(card) for card in document.cards],
    }
    if sections:
        content["sections"] = [_section(section) for section in document.sections]
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _card(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "call": card.call,
        "paragraphs": card.paragraphs,
        "caution": card.caution,
        "advice": card.advice,
        "details": [{"name": name, "remark": remark, "text": text} for name, remark, text in card.details],
    }


def _section(section: Section) -> dict[str, Any]:
    figure = section.figure
    return {
        "title": section.title,
        "figure": figure and {"name": figure.name, "words": figure.words, "caption": figure.caption},
        "tables": [
            {"title": table.title, "columns": table.columns, "rows": table.rows, "note": table.note}
            for table in section.tables
            if table.rows
        ],
        "remarks": [{"name": name, "text": text} for name, text in section.remarks],
    }
