"""One target after another, each alone, or all at once; and what that costs elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.graphs.editing.anchors import take_anchors
from gradprobe.graphs.editing.classifier import Classifier, cross_entropy
from gradprobe.graphs.editing.editor import Edit, Editor
from gradprobe.probes.inert import evaluating, inert

Protocol = Literal["independent", "sequential", "batch"]


@dataclass(frozen=True)
class EditScores:
    """The model in eval mode: accuracy on training and test items, and the mean training loss."""

    train_accuracy: float
    test_accuracy: float
    train_loss: float


@dataclass(frozen=True, eq=False)
class ScoredEdit:
    """An edit, the scores after it, and whether its anchors were still those of the model.

    `freshness` is the cosine of the stored training gradient with that of the model before the edit: 1 at
    first, less as edits add up; NaN without anchors and where it was not measured.
    """

    edit: Edit
    scores: EditScores
    freshness: float


@dataclass(frozen=True, eq=False)
class ProtocolRun:
    """The edits of one protocol in their order, with the scores before the first.

    `retained` is the share of all targets predicted right at the end: after the last edit for
    `"sequential"` and `"batch"`, each right after its own for `"independent"`.
    """

    protocol: Protocol
    before: EditScores
    edits: tuple[ScoredEdit, ...]
    retained: float


def run_protocol(
    protocol: Protocol,
    editor: Editor,
    targets: Sequence[int],
    *,
    test: Tensor,
    freshness_every: int = 1,
) -> ProtocolRun:
    """Edit the targets by a protocol and score the model on training and test ids after each edit.

    - `"independent"`: each target on the model as it was trained; every edit is taken back.
    - `"sequential"`: one after the other, on what the edits before have left.
    - `"batch"`: all at once, one edit whose loss is their mean.

    The model is left edited after the last two. Leave targets out of `test`, lest right ones hide what
    became of the others. Freshness costs a backward pass over the training items; it is measured before
    the first edit and then before every `freshness_every`-th.

    Raises:
        InputError: an unknown protocol, no targets, or an editor that keeps no edit to undo.
        MeasurementError: an edit left no finite numbers.
    """
    if protocol not in get_args(Protocol):
        raise InputError(f"protocol: expected one of {', '.join(get_args(Protocol))}; got {protocol!r}")
    if not len(targets):
        raise InputError("targets: expected at least one item to edit, got none")
    classifier = editor.classifier
    before = score(classifier, test)
    groups = [list(targets)] if protocol == "batch" else [[target] for target in targets]
    edits = []
    for place, group in enumerate(groups):
        training = None if place % freshness_every else _training_gradient(classifier)
        edit = editor.edit(group)
        edits.append(ScoredEdit(edit, score(classifier, test), _freshness(editor, training)))
        if protocol == "independent":
            editor.undo()
    retained = (
        float(np.mean([scored.edit.success for scored in edits]))
        if protocol == "independent"
        else _accuracy(classifier, torch.as_tensor(targets))
    )
    return ProtocolRun(protocol, before, tuple(edits), retained)


def score(classifier: Classifier, test: Tensor) -> EditScores:
    """Accuracies and training loss in eval mode, in one forward pass; test accuracy is NaN without ids."""
    with inert(classifier.model), evaluating(classifier.model), torch.no_grad():
        ids = torch.cat([classifier.train, test])
        logits, labels = classifier.logits(ids), classifier.labels[ids]
        right = (logits.argmax(dim=1) == labels).double()
        count = len(classifier.train)
        return EditScores(
            train_accuracy=float(right[:count].mean()),
            test_accuracy=float(right[count:].mean()),
            train_loss=float(cross_entropy(logits[:count], labels[:count])),
        )


def _accuracy(classifier: Classifier, ids: Tensor) -> float:
    with inert(classifier.model), evaluating(classifier.model), torch.no_grad():
        return float((classifier.logits(ids).argmax(dim=1) == classifier.labels[ids]).double().mean())


def _training_gradient(classifier: Classifier) -> Tensor:
    """The gradient [P] of the training loss, in eval mode."""
    with inert(classifier.model), evaluating(classifier.model):
        return take_anchors(classifier, (classifier.train,)).gradients[0]


def _freshness(editor: Editor, training: Tensor | None) -> float:
    if editor.anchors is None or training is None:
        return float("nan")
    return float(editor.anchors.whole.cosines(training)[0])
