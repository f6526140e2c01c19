from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from gradprobe.errors import InputError, MeasurementError
from gradprobe.graphs.editing import Classifier, Editor, take_anchors

from ._toys import node_classifier, same, snapshot, table_classifier, wrong

METHODS = ("gd", "gre", "gre_plus")
methods = pytest.mark.parametrize("method", METHODS)
MAKERS = {"rows": table_classifier, "nodes": node_classifier}


def flat_step(classifier: Classifier, method: str, target: int) -> torch.Tensor:
    """One step by the book, with quadratic programmes of at most two constraints solved on paper."""
    gradient = take_anchors(classifier, (torch.tensor([target]),)).gradients[0]
    whole = take_anchors(classifier, (classifier.train,)).gradients[0]
    if method == "gre" and gradient @ whole < 0:
        return gradient - (gradient @ whole) / (whole @ whole) * whole
    return gradient


@pytest.mark.parametrize("maker", MAKERS)
@methods
def test_edits_go_on_until_the_target_is_right(maker, method):
    classifier = MAKERS[maker]()
    target = wrong(classifier)[0]
    edit = Editor(classifier, method=method, learning_rate=0.05, anchors=3).edit(target)
    assert edit.success
    assert edit.steps > 0
    with torch.no_grad():
        assert classifier.logits(torch.tensor([target])).argmax() == classifier.labels[target]


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("method", ["gd", "gre"])
def test_a_step_is_plain_gradient_descent_on_the_rewired_gradient(maker, method):
    for target in wrong(MAKERS[maker]())[:4]:
        classifier = MAKERS[maker]()
        before = torch.cat([p.detach().flatten() for p in classifier.parameters])
        step = flat_step(classifier, method, target)
        Editor(classifier, method=method, learning_rate=0.02, max_steps=1).edit(target)
        after = torch.cat([p.detach().flatten() for p in classifier.parameters])
        torch.testing.assert_close(after, before - 0.02 * step, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("maker", MAKERS)
def test_gre_plus_opposes_no_part_and_gre_not_the_whole(maker):
    classifier = MAKERS[maker]()
    opposed = 0
    for target in wrong(classifier):
        gradient = take_anchors(classifier, (torch.tensor([target]),)).gradients[0]
        plus, one = (Editor(classifier, method=name, anchors=4) for name in ("gre_plus", "gre"))
        tolerance = 1e-9 * float(gradient.norm())
        assert plus.anchors.products(plus.rewire(gradient)).min() >= -tolerance
        assert one.anchors.whole.products(one.rewire(gradient)).min() >= -tolerance
        opposed += int(plus.anchors.products(gradient).min() < 0)
    assert opposed > 0


@pytest.mark.parametrize("method", ["gre", "gre_plus"])
@pytest.mark.parametrize("maker", MAKERS)
def test_a_small_rewired_step_raises_no_protected_loss_beyond_second_order(maker, method):
    rise = {}
    for rate in (1e-3, 1e-4):
        classifier = MAKERS[maker]()
        target = next(t for t in wrong(classifier) if _opposes(classifier, t))
        before = float(classifier.loss(classifier.train).detach())
        Editor(classifier, method=method, learning_rate=rate, max_steps=1, anchors=3).edit(target)
        rise[rate] = float(classifier.loss(classifier.train).detach()) - before
    assert rise[1e-4] <= rise[1e-3] / 50 or rise[1e-4] <= 0  # a tenth of the step, a hundredth of the rise


def test_a_small_plain_step_does_raise_it():
    classifier = table_classifier()
    target = next(t for t in wrong(classifier) if _opposes(classifier, t))
    before = float(classifier.loss(classifier.train).detach())
    Editor(classifier, method="gd", learning_rate=1e-3, max_steps=1).edit(target)
    assert float(classifier.loss(classifier.train).detach()) > before


@methods
def test_undo_restores_everything_bit_for_bit(method):
    classifier = table_classifier(norm=True)
    editor = Editor(
        classifier,
        method=method,
        optimizer=partial(torch.optim.Adam, lr=0.05),
        undo_depth=2,
        refresh_every=1,
        mode="train",
    )
    targets = [wrong(classifier)[start : start + 2] for start in range(3)]  # one row has no statistics
    editor.edit(targets[0])
    model, state = snapshot(classifier.model), _adam(editor)
    anchors = editor.anchors
    editor.edit(targets[1])
    assert not same(classifier.model, model)
    editor.edit(targets[2])
    editor.undo()
    editor.undo()
    assert same(classifier.model, model)
    assert editor.anchors is anchors
    for one, other in zip(_adam(editor), state, strict=True):
        assert torch.equal(one, other)
    with pytest.raises(InputError, match="expected an edit to take back, got none"):
        editor.undo()


def test_after_undo_the_same_edit_is_the_same():
    classifier = node_classifier()
    editor = Editor(classifier, optimizer=partial(torch.optim.SGD, lr=0.05, momentum=0.9))
    target = wrong(classifier)[0]
    first = editor.edit(target)
    after = snapshot(classifier.model)
    editor.undo()
    assert editor.edit(target).steps == first.steps
    assert same(classifier.model, after)


def test_undo_keeps_no_copy_where_none_was_asked_for():
    classifier = table_classifier()
    editor = Editor(classifier, undo_depth=0)
    editor.edit(wrong(classifier)[0])
    assert editor.undo_bytes == 0
    with pytest.raises(InputError, match="undo:"):
        editor.undo()


def test_the_memory_of_anchors_and_copies_is_stated():
    classifier = table_classifier()
    size = sum(parameter.numel() for parameter in classifier.parameters)
    editor = Editor(classifier, anchors=4)
    assert editor.anchor_bytes == 5 * size * 8
    assert editor.undo_bytes == 0
    editor.edit(wrong(classifier)[0])
    assert editor.undo_bytes == size * 8
    assert Editor(classifier, method="gd", anchors=0).anchor_bytes == 0


def test_stored_anchors_stay_until_they_are_refreshed():
    classifier = table_classifier()
    editor, targets = Editor(classifier, anchors=2), wrong(classifier)
    first = editor.anchors
    editor.edit(targets[0])
    assert editor.anchors is first
    editor.refresh()
    fresh = take_anchors(classifier, (classifier.train,)).gradients
    torch.testing.assert_close(editor.anchors.whole.gradients, fresh)


def test_anchors_are_refreshed_every_so_many_edits():
    classifier = table_classifier()
    editor = Editor(classifier, anchors=2, refresh_every=2)
    seen = []
    for target in wrong(classifier)[:4]:
        editor.edit(target)
        seen.append(id(editor.anchors))
    assert seen[0] == seen[1] != seen[2] == seen[3]


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_modes_gradients_buffers_and_random_state_are_left_alone(mode):
    classifier = table_classifier(dropout=0.5, norm=True)
    model = classifier.model
    model.train()
    model[1].eval()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    modes, random = [m.training for m in model.modules()], torch.get_rng_state()
    buffers = [buffer.clone() for buffer in model.buffers()]
    editor = Editor(classifier, method="gd", mode=mode, max_steps=3)
    assert torch.equal(torch.get_rng_state(), random)  # taking anchors draws no dropout of the caller's
    assert all(torch.equal(a, b) for a, b in zip(model.buffers(), buffers, strict=True))
    editor.edit(list(range(40, 60)), [0] * 20)
    assert [m.training for m in model.modules()] == modes
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())
    if mode == "eval":
        assert torch.equal(torch.get_rng_state(), random)
        assert all(torch.equal(a, b) for a, b in zip(model.buffers(), buffers, strict=True))


def test_a_target_that_is_right_costs_no_step():
    classifier = table_classifier()
    right = next(item for item in range(30, 60) if item not in wrong(classifier))
    before = snapshot(classifier.model)
    edit = Editor(classifier).edit(right)
    assert (edit.success, edit.steps, edit.cosines_before.size) == (True, 0, 0)
    assert same(classifier.model, before)


def test_a_step_limit_ends_an_edit_without_success():
    classifier = table_classifier()
    edit = Editor(classifier, learning_rate=1e-9, max_steps=2).edit(wrong(classifier)[0])
    assert (edit.success, edit.right, edit.steps) == (False, 0, 2)


def test_labels_can_be_asked_for_other_than_the_known_ones():
    classifier = table_classifier()
    asked = (int(classifier.labels[40]) + 1) % 3
    assert Editor(classifier, learning_rate=0.05).edit(40, asked).success
    with torch.no_grad():
        assert classifier.logits(torch.tensor([40])).argmax() == asked


@pytest.mark.parametrize(
    ("options", "holds"),
    [
        ({}, True),
        ({"method": "gre"}, True),
        ({"method": "gd"}, False),
        ({"optimizer": partial(torch.optim.SGD, lr=0.1, momentum=0.9)}, False),
        ({"optimizer": partial(torch.optim.SGD, lr=0.1, weight_decay=0.1)}, False),
        ({"optimizer": partial(torch.optim.Adam, lr=0.1)}, False),
    ],
)
def test_only_plain_descent_on_a_rewired_gradient_guarantees_anything(options, holds):
    assert Editor(table_classifier(), **options).guarantees_non_increase is holds


def test_cosines_before_and_after_are_those_of_the_first_step():
    classifier = table_classifier()
    target = next(t for t in wrong(classifier) if _opposes(classifier, t))
    gradient = take_anchors(classifier, (torch.tensor([target]),)).gradients[0]
    editor = Editor(classifier, anchors=3)
    anchors, step = editor.anchors, editor.rewire(gradient)
    edit = editor.edit(target)
    np.testing.assert_allclose(edit.cosines_before, anchors.cosines(gradient))
    np.testing.assert_allclose(edit.cosines_after, anchors.cosines(step), atol=1e-12)
    assert edit.cosines_before.min() < 0 <= edit.cosines_after.min() + 1e-12
    assert edit.rewired > 0


def test_frozen_parameters_are_neither_edited_nor_stored():
    classifier = table_classifier()
    classifier.model[0].requires_grad_(False)
    before = classifier.model[0].weight.clone()
    editor = Editor(classifier)
    editor.edit(wrong(classifier)[0])
    assert torch.equal(classifier.model[0].weight, before)
    assert editor.anchors.gradients.shape[1] == sum(p.numel() for p in classifier.model[3].parameters())


class Breaks(nn.Module):
    """A linear layer whose gradient is not finite from its third forward pass on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.calls = nn.Linear(6, 3).double(), 0

    def forward(self, x):
        self.calls += 1
        return self.layer(x) * (float("nan") if self.calls > 3 else 1.0)


def test_an_edit_that_breaks_leaves_the_model_as_it_was():
    torch.manual_seed(0)
    source = table_classifier()
    x = torch.randn(60, 6, dtype=torch.float64)
    model = Breaks()
    classifier = Classifier.of_rows(model, x, source.labels, source.train)
    editor = Editor(classifier, anchors=1, learning_rate=1e-6)
    before = snapshot(model)
    target = wrong(classifier)[0]
    with pytest.raises(MeasurementError, match="expected a finite gradient"):
        editor.edit(target)
    assert same(model, before)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "adam"}, "method: expected one of gd, gre, gre_plus; got 'adam'"),
        ({"mode": "test"}, "mode: expected one of eval, train; got 'test'"),
        ({"anchors": 0}, "anchors: expected a number of at least 1, got 0"),
        ({"anchors": 31}, "anchors: expected from 1 to 30 parts"),
        ({"max_steps": 0}, "max_steps: expected a number of at least 1, got 0"),
        ({"undo_depth": -1}, "undo_depth: expected a number of at least 0, got -1"),
        ({"refresh_every": 0}, "refresh_every: expected a number of at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate: expected a positive number, got 0.0"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(InputError, match=message):
        Editor(table_classifier(), **options)


@pytest.mark.parametrize(
    ("items", "labels", "message"),
    [
        ([], None, "items: expected ids from 0 to 59, at least one"),
        (60, None, "items: expected ids from 0 to 59"),
        (-1, None, "items: expected ids from 0 to 59"),
        ([40, 41], [0], "labels: expected 2, one an item, got 1"),
        (40, 3, "labels: expected classes from 0 to 2"),
    ],
)
def test_targets_that_are_none_are_refused(items, labels, message):
    with pytest.raises(InputError, match=message):
        Editor(table_classifier()).edit(items, labels)


def test_a_model_without_parameters_to_edit_is_refused():
    model = nn.Linear(6, 3).requires_grad_(False)
    with pytest.raises(InputError, match="expected parameters that require a gradient, got none"):
        Classifier.of_rows(model, torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64), torch.arange(2))
    with pytest.raises(InputError, match="train: expected at least one training item"):
        Classifier.of_rows(
            nn.Linear(6, 3), torch.zeros(3, 6), torch.zeros(3, dtype=torch.int64), torch.arange(0)
        )


def _opposes(classifier: Classifier, target: int) -> bool:
    own, whole = take_anchors(classifier, (torch.tensor([target]), classifier.train)).gradients
    return bool(own @ whole < 0)


def _adam(editor: Editor) -> list[torch.Tensor]:
    states = editor._optimizer.state_dict()["state"].values()
    return [value.clone() for state in states for value in state.values()]
