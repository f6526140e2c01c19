"""The verdict for machines: the content of verdict.json.

{
  "format": "gradprobe verdict", "schema_version": 1,
  "source": name of the study or trace, "focal": task, "provisional": whether cells are still missing,
  "metric": {"name", "lower_is_better"} or null for a bare trace,
  "leverage_threshold", "interval_level",
  "encoders": [{
    "encoder", "verdict": "averaging is safe" | "surgery may help" | "insufficient evidence",
    "helps": [combiner], "sentence", "caution", "would_settle": [sentence],
    "evidence": [{
      "combiner",
      "finding": "cannot have mattered" | "better than averaging" | "worse than averaging" | "open",
      "leverage": {"mean", "largest", "steps", "undefined", "measured", "reason"} or null,
      "difference": {"mean", "low", "high", "deviation", "seeds", "reason"} or null,
      "text"
    }]
  }]
}

Numbers that are undefined are null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from gradprobe.reports.evidence import Evidence
from gradprobe.reports.leverage import THRESHOLD, Leverage
from gradprobe.reports.paired import LEVEL, Paired
from gradprobe.reports.summary import EncoderSummary, Summary

FORMAT = "gradprobe verdict"
SCHEMA_VERSION = 1


def verdict_json(summary: Summary) -> str:
    """The verdicts of a summary as JSON text."""
    metric = summary.metric
    content = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "source": summary.name,
        "focal": summary.focal,
        "provisional": summary.provisional,
        "metric": metric and {"name": metric.name, "lower_is_better": metric.lower_is_better},
        "leverage_threshold": THRESHOLD,
        "interval_level": LEVEL,
        "encoders": [_encoder(encoder) for encoder in summary.encoders],
    }
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _encoder(encoder: EncoderSummary) -> dict[str, Any]:
    verdict = encoder.verdict
    return {
        "encoder": encoder.name,
        "verdict": verdict.call.value,
        "helps": list(verdict.helps),
        "sentence": verdict.sentence,
        "caution": verdict.caution,
        "would_settle": list(verdict.settle),
        "evidence": [_evidence(entry) for entry in verdict.evidence],
    }


def _evidence(entry: Evidence) -> dict[str, Any]:
    return {
        "combiner": entry.combiner,
        "finding": entry.finding.value,
        "leverage": _numbers(entry.leverage, leave_out=("combiner", "surgery")),
        "difference": _numbers(entry.difference),
        "text": entry.text,
    }


def _numbers(record: Leverage | Paired | None, *, leave_out: tuple[str, ...] = ()) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in dataclasses.asdict(record).items()
        if name not in leave_out
    }
