"""The verdict for machines: the content of verdict.json.

{
  "format": "gradprobe verdict", "schema_version": 1,
  "source": name of the study or trace, "focal": task, "provisional": whether cells are still missing,
  "metric": {"name", "lower_is_better"} or null for a bare trace,
  "leverage_threshold", "interval_level", "gain_margin", "gain_false_discovery_rate",
  "encoders": [{
    "encoder", "verdict": "averaging is safe" | "no surgery beyond a larger focal weight" | "surgery may help"
      | "insufficient evidence",
    "helps": [combiner], "sentence", "caution", "would_settle": [sentence],
    "auxiliaries": [{"task", "affinity": estimate, "call": "helps" | "harms" | "cannot be told apart from
      nothing"}],
    "evidence": [{
      "combiner",
      "finding": "cannot have mattered" | "better than averaging" | "worse than averaging"
        | "would have gained" | "would not have gained" | "open",
      "leverage": {"mean", "largest", "steps", "undefined", "measured", "reason"} or null,
      "difference": {"mean", "low", "high", "deviation", "seeds", "reason"} or null,
      "prediction": {"rows": "heldout" | "fresh", "steps", "runs", "finding", "focal_share", "margin",
        "average": estimate, "gain": estimate, "gain_over_control": estimate, "reason"} or null,
      "text"
    }]
  }]
}

An estimate is {"value", "low", "high"}; predictions are at equal step length. Numbers that are undefined are
null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

from gradprobe.geometry.intervals import LEVEL
from gradprobe.geometry.pooling import Pooled
from gradprobe.reports.compare.evidence import Evidence
from gradprobe.reports.compare.leverage import THRESHOLD, Leverage
from gradprobe.reports.compare.prospect import FALSE_DISCOVERIES, MARGIN, Outlook
from gradprobe.reports.compare.summary import EncoderSummary, Summary
from gradprobe.reports.statistics.paired import Paired

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
        "gain_margin": MARGIN,
        "gain_false_discovery_rate": FALSE_DISCOVERIES,
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
        "auxiliaries": [
            {"task": entry.task, "affinity": _estimate(entry.affinity), "call": entry.worth.value}
            for entry in verdict.auxiliaries
            if entry.worth is not None
        ],
        "evidence": [_evidence(entry) for entry in verdict.evidence],
    }


def _evidence(entry: Evidence) -> dict[str, Any]:
    return {
        "combiner": entry.combiner,
        "finding": entry.finding.value,
        "leverage": _numbers(entry.leverage, leave_out=("combiner", "surgery")),
        "difference": _numbers(entry.difference),
        "prediction": _prediction(entry.outlook),
        "text": entry.text,
    }


def _prediction(outlook: Outlook | None) -> dict[str, Any] | None:
    if outlook is None:
        return None
    return {
        "rows": outlook.outcome.rows,
        "steps": outlook.outcome.steps,
        "runs": outlook.outcome.runs,
        "finding": outlook.prospect.value,
        "focal_share": _finite(outlook.focal_share),
        "margin": outlook.margin,
        "average": _estimate(outlook.average),
        "gain": _estimate(outlook.gain),
        "gain_over_control": _estimate(outlook.over_control),
        "reason": outlook.because,
    }


def _estimate(estimate: Pooled) -> dict[str, float | None]:
    return {
        "value": _finite(float(estimate)),
        "low": _finite(float(estimate.low)),
        "high": _finite(float(estimate.high)),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _numbers(record: Leverage | Paired | None, *, leave_out: tuple[str, ...] = ()) -> dict[str, Any] | None:
    if record is None:
        return None
    return {
        name: _finite(value) if isinstance(value, float) else value
        for name, value in dataclasses.asdict(record).items()
        if name not in leave_out
    }
