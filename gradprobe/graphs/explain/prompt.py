"""The paper's prompt to a language model, eq. (17) and Section 7.1."""

from __future__ import annotations

import math

from gradprobe.geometry.graph import FEATURES
from gradprobe.graphs.explain.context import NodeContext

_TASK = (
    "Task: Generate a short natural-language explanation of the prediction based on the context vector. "
    "If the context indicates low reliability, suggest a possible corrective action."
)


def build_prompt(context: NodeContext, *, with_label: bool = False) -> str:
    """The prompt for one node: its id, context vector, prediction and the task sentence.

    The paper prints the vector without names; ours are named, and say where a feature is undefined. The
    true label, optional in the paper, stays out unless `with_label`: an explanation that has seen it
    explains the label and not the prediction.
    """
    entries = zip(FEATURES, context.values, strict=True)
    vector = ", ".join(
        f"{name} = {'undefined' if math.isnan(value) else f'{value:.4g}'}" for name, value in entries
    )
    shown = f"; True label: {context.label}" if with_label and context.label is not None else ""
    return (
        f"Node ID: {context.node}; Context vector: [{vector}]\n"
        f"Prediction: {context.prediction}{shown}\n"
        f"{_TASK}"
    )
