"""Putting single predictions of a trained model right without raising its loss on what it was trained on."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from gradprobe.combiners import get
from gradprobe.errors import InputError
from gradprobe.geometry import FloatArray
from gradprobe.graphs.editing.anchors import Anchors, split_training, take_anchors
from gradprobe.graphs.editing.classifier import Classifier, cross_entropy
from gradprobe.graphs.editing.state import EditState
from gradprobe.probes.inert import inert

Rewiring = Literal["gd", "gre", "gre_plus"]
Mode = Literal["eval", "train"]
OptimizerFactory = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@dataclass(frozen=True, eq=False)
class Edit:
    """What one call of `Editor.edit` did.

    `right` of the `items` are predicted as asked after `steps` steps; `success` means all of them.
    `seconds` is the time of the steps. `cosines_before` and `cosines_after` [K] are those of the target's
    gradient and of the rewired one with each stored anchor at the first step: NaN where either is
    zero, empty without a step or without anchors. `rewired` counts steps that an anchor changed.
    """

    items: tuple[int, ...]
    right: int
    steps: int
    seconds: float
    rewired: int
    cosines_before: FloatArray
    cosines_after: FloatArray

    @property
    def success(self) -> bool:
        """Whether every item is predicted as asked."""
        return self.right == len(self.items)


class Editor:
    """Edits a trained classifier until a target is predicted right (Jiang et al. 2024).

    Every step takes the gradient of the target's cross-entropy, rewires it and hands it to the optimiser:

    - `"gd"`: as it is (plain fine-tuning);
    - `"gre"`: the nearest gradient that does not oppose the gradient of the whole training loss;
    - `"gre_plus"`: the nearest one that opposes none of the gradients of K parts of the training items.

    The anchors, K gradients of the trained parameters, are taken once, before the first edit, and
    kept: `anchor_bytes`. They go stale as edits add up; `refresh()`, or `refresh_every` edits, takes them
    anew. A step of plain gradient descent on a rewired gradient does not raise the anchors' losses, to
    first order and while they are fresh. Momentum, Adam and weight decay do not keep that: the step they
    take is another vector (`guarantees_non_increase`).

    Targets and anchors are differentiated in the same `mode`: `"eval"`, the default, without dropout and
    with batch-norm statistics fixed, so that the loss protected is that of the model in use; `"train"`
    with both, each gradient under its own dropout mask. (Released code takes anchors in whatever mode
    the model is in and targets in train mode.) Afterwards modules are in the mode they were in, and
    `.grad` holds what it held. The source's lambda only divides the step by 1 + lambda: here that is what
    the learning rate is for.

    Args:
        classifier: the model with its items, labels and training items.
        method: one of the three above.
        anchors: K. Only `"gre_plus"` needs more than 1, and `"gd"` none (0); the others report their angles.
        learning_rate: of the default optimiser, plain SGD.
        optimizer: makes another optimiser from the edited parameters, such as
            `partial(torch.optim.Adam, lr=0.01)`; its state carries over from edit to edit.
        max_steps: steps after which an edit gives up.
        refresh_every: take the anchors anew after this many edits; None: never.
        undo_depth: how many edits `undo` can take back, each for a copy of the edited parameters.
        mode: see above.
        seed: of the parts of the training items.

    Raises:
        InputError: an option out of range, or fewer training items than anchors.
        MeasurementError: an anchor is NaN or infinite.
    """

    def __init__(
        self,
        classifier: Classifier,
        *,
        method: Rewiring = "gre_plus",
        anchors: int = 5,
        learning_rate: float = 0.01,
        optimizer: OptimizerFactory | None = None,
        max_steps: int = 100,
        refresh_every: int | None = None,
        undo_depth: int = 1,
        mode: Mode = "eval",
        seed: int = 0,
    ) -> None:
        _check(
            method,
            mode,
            {
                "anchors": (anchors, 0 if method == "gd" else 1),
                "max_steps": (max_steps, 1),
                "refresh_every": (1 if refresh_every is None else refresh_every, 1),
                "undo_depth": (undo_depth, 0),
            },
        )
        if not learning_rate > 0.0:
            raise InputError(f"learning_rate: expected a positive number, got {learning_rate}")
        self.classifier = classifier
        self.method = method
        self._combiner = None if method == "gd" else get(method)
        self._mode = mode
        self._max_steps = max_steps
        self._refresh_every = refresh_every
        self._optimizer = (
            torch.optim.SGD(classifier.parameters, lr=learning_rate)
            if optimizer is None
            else optimizer(classifier.parameters)
        )
        labels = classifier.labels[classifier.train]
        self._parts = split_training(classifier.train, labels, count=anchors, seed=seed) if anchors else ()
        self._anchors: Anchors | None = None
        self._since_refresh = 0
        self._past: deque[tuple[EditState, Anchors | None, int]] = deque(maxlen=undo_depth)
        self.refresh()

    @property
    def anchors(self) -> Anchors | None:
        """The stored anchors; None without any."""
        return self._anchors

    @property
    def anchor_bytes(self) -> int:
        """The memory of the stored anchors."""
        return 0 if self._anchors is None else self._anchors.bytes

    @property
    def undo_bytes(self) -> int:
        """The memory of what `undo` would restore."""
        return sum(state.bytes for state, _, _ in self._past)

    @property
    def guarantees_non_increase(self) -> bool:
        """Whether a small enough step cannot raise the anchors' losses while the anchors are fresh."""
        plain = type(self._optimizer) is torch.optim.SGD and not any(
            group["momentum"] or group["weight_decay"] or group["maximize"]
            for group in self._optimizer.param_groups
        )
        return self._combiner is not None and plain

    def refresh(self) -> None:
        """Take the anchors anew, at the parameters as they are."""
        if self._parts:
            with inert(self.classifier.model):
                self.classifier.model.train(self._mode == "train")
                self._anchors = take_anchors(self.classifier, self._parts)
        self._since_refresh = 0

    def edit(self, items: int | Sequence[int], labels: int | Sequence[int] | None = None) -> Edit:
        """Step until all items are predicted as asked or the step limit is reached.

        `items` is one id or several (their mean loss is descended); `labels` what to predict for them, by
        default the labels known. Items predicted right at once cost no step.

        Raises:
            InputError: no items, ids out of range, or labels that do not fit them.
            MeasurementError: a gradient is NaN or infinite; the model is as it was before the edit.
        """
        ids, wanted = self._targets(items, labels)
        past = (EditState.of(self.classifier.model, self._optimizer), self._anchors, self._since_refresh)
        if self._refresh_every is not None and self._since_refresh >= self._refresh_every:
            self.refresh()
        try:
            with _in_mode(self.classifier.model, self._mode), _own_gradients(self.classifier.parameters):
                edit = self._step_until_right(ids, wanted)
        except BaseException:
            past[0].restore()
            raise
        self._past.append(past)
        self._since_refresh += 1
        return edit

    def undo(self) -> None:
        """Take back the last edit: parameters, buffers, optimiser state and anchors, bit for bit.

        The random state is not rewound; in eval mode no edit draws from it.

        Raises:
            InputError: no edit is left to take back.
        """
        if not self._past:
            raise InputError("undo: expected an edit to take back, got none; raise undo_depth to keep more")
        state, self._anchors, self._since_refresh = self._past.pop()
        state.restore()

    def rewire(self, target: Tensor) -> Tensor:
        """The gradient [P] that a step would follow, for a target's gradient [P]."""
        return self._rewire(target)[0]

    def _rewire(self, target: Tensor) -> tuple[Tensor, bool]:
        """The rewired gradient [P], and whether an anchor had a part in it."""
        if self._combiner is None or self._anchors is None:
            return target, False
        anchors = self._anchors.whole if self.method == "gre" else self._anchors
        dots = anchors.products(target)
        square = np.array([[float(target.double().square().sum())]])
        weights = self._combiner.weights(np.block([[square, dots[None]], [dots[:, None], anchors.gramian]]))
        mixed = torch.from_numpy(weights).to(target)
        return mixed[0] * target + mixed[1:] @ anchors.gradients, bool(weights[1:].any())

    def _targets(
        self, items: int | Sequence[int], labels: int | Sequence[int] | None
    ) -> tuple[Tensor, Tensor]:
        known = self.classifier.labels
        ids = torch.as_tensor(items, dtype=torch.int64, device=known.device).reshape(-1)
        if not ids.numel() or int(ids.min()) < 0 or int(ids.max()) >= len(known):
            raise InputError(
                f"items: expected ids from 0 to {len(known) - 1}, at least one, got {ids.tolist()}"
            )
        wanted = (
            known[ids]
            if labels is None
            else torch.as_tensor(labels, dtype=torch.int64, device=known.device).reshape(-1)
        )
        if wanted.shape != ids.shape:
            raise InputError(f"labels: expected {len(ids)}, one an item, got {len(wanted)}")
        classes = int(known.max()) + 1
        if int(wanted.min()) < 0 or int(wanted.max()) >= classes:
            raise InputError(
                f"labels: expected classes from 0 to {classes - 1}, got {wanted.tolist()}; "
                "say what items without a label should be predicted as"
            )
        return ids, wanted

    def _step_until_right(self, ids: Tensor, wanted: Tensor) -> Edit:
        started = time.perf_counter()
        first: tuple[Tensor, Tensor] | None = None
        steps = rewired = 0
        while True:
            logits = self.classifier.logits(ids)
            right = int((logits.argmax(dim=1) == wanted).sum())
            if right == len(ids) or steps == self._max_steps:
                break
            target = self.classifier.gradient(cross_entropy(logits, wanted))
            step, opposed = self._rewire(target)
            first = first or (target, step)
            rewired += opposed
            self._apply(step)
            steps += 1
        seconds = time.perf_counter() - started
        before, after = (
            np.zeros(0) if vector is None or self._anchors is None else self._anchors.cosines(vector)
            for vector in first or (None, None)
        )
        return Edit(tuple(ids.tolist()), right, steps, seconds, rewired, before, after)

    def _apply(self, step: Tensor) -> None:
        parameters = self.classifier.parameters
        sizes = [parameter.numel() for parameter in parameters]
        for parameter, part in zip(parameters, torch.split(step, sizes), strict=True):
            parameter.grad = part.view_as(parameter).to(parameter.dtype)
        self._optimizer.step()


@contextmanager
def _in_mode(model: nn.Module, mode: Mode) -> Iterator[None]:
    """A block in eval or train mode, after which every module is in the mode it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.train(mode == "train")
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _own_gradients(parameters: list[nn.Parameter]) -> Iterator[None]:
    """A block that may set `.grad`, after which it is what it was."""
    gradients = [parameter.grad for parameter in parameters]
    try:
        with torch.enable_grad():
            yield
    finally:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient


def _check(method: str, mode: str, least: dict[str, tuple[int, int]]) -> None:
    for name, value, choices in (("method", method, get_args(Rewiring)), ("mode", mode, get_args(Mode))):
        if value not in choices:
            raise InputError(f"{name}: expected one of {', '.join(choices)}; got {value!r}")
    for name, (number, bound) in least.items():
        if number < bound:
            raise InputError(f"{name}: expected a number of at least {bound}, got {number}")
