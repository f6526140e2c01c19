import math

import numpy as np
import pytest
import torch

from gradprobe.errors import InputError
from gradprobe.graphs.editing import Editor, run_protocol, take_anchors
from gradprobe.graphs.editing.protocols import score

from ._toys import node_classifier, same, snapshot, table_classifier, wrong


def setting(*, maker=table_classifier, **options):
    classifier = maker()
    targets = wrong(classifier)[:4]
    outside = torch.tensor([item for item in range(60) if item not in classifier.train.tolist()])
    test = outside[~torch.isin(outside, torch.tensor(targets))]
    return Editor(classifier, learning_rate=0.05, **options), targets, test


def test_scores_are_accuracies_and_the_mean_loss():
    editor, _, test = setting()
    classifier = editor.classifier
    with torch.no_grad():
        hit = (classifier.logits(torch.arange(60)).argmax(dim=1) == classifier.labels).double()
        loss = float(classifier.loss(classifier.train))
    found = score(classifier, test)
    assert found.train_accuracy == pytest.approx(float(hit[classifier.train].mean()))
    assert found.test_accuracy == pytest.approx(float(hit[test].mean()))
    assert found.train_loss == pytest.approx(loss)
    assert math.isnan(score(classifier, torch.zeros(0, dtype=torch.int64)).test_accuracy)


@pytest.mark.parametrize("maker", [table_classifier, node_classifier])
def test_independent_edits_each_start_from_the_trained_model(maker):
    editor, targets, test = setting(maker=maker)
    before = snapshot(editor.classifier.model)
    run = run_protocol("independent", editor, targets, test=test)
    assert same(editor.classifier.model, before)
    last = run_protocol("independent", editor, targets[-1:], test=test)
    assert run.edits[-1].scores == last.edits[0].scores
    assert [scored.edit.items for scored in run.edits] == [(target,) for target in targets]
    assert run.retained == np.mean([scored.edit.success for scored in run.edits])


def test_sequential_edits_add_up():
    editor, targets, test = setting()
    run = run_protocol("sequential", editor, targets, test=test)
    classifier = editor.classifier
    assert run.edits[-1].scores == score(classifier, test)
    other, _, _ = setting()
    for target in targets:
        other.edit(target)
    assert same(other.classifier.model, snapshot(classifier.model))
    with torch.no_grad():
        hit = classifier.logits(torch.tensor(targets)).argmax(dim=1) == classifier.labels[targets]
    assert run.retained == pytest.approx(float(hit.double().mean()))


def test_a_batch_is_one_edit_of_all_targets():
    editor, targets, test = setting(max_steps=3)
    run = run_protocol("batch", editor, targets, test=test)
    (only,) = run.edits
    assert only.edit.items == tuple(targets)
    assert run.retained == only.edit.right / len(targets)


def test_freshness_is_the_cosine_of_the_stored_with_the_true_training_gradient():
    editor, targets, test = setting()
    run = run_protocol("sequential", editor, targets, test=test, freshness_every=2)
    assert run.edits[0].freshness == pytest.approx(1.0)
    assert math.isnan(run.edits[1].freshness)
    assert run.edits[2].freshness < 1.0

    other, _, _ = setting()
    stored = other.anchors.whole.gradients[0]
    for target in targets[:2]:
        other.edit(target)
    true = take_anchors(other.classifier, (other.classifier.train,)).gradients[0]
    expected = torch.nn.functional.cosine_similarity(stored, true, dim=0)
    assert run.edits[2].freshness == pytest.approx(float(expected))


def test_refreshed_anchors_are_fresh():
    editor, targets, test = setting(refresh_every=1)
    run = run_protocol("sequential", editor, targets, test=test)
    assert [scored.freshness for scored in run.edits] == pytest.approx([1.0] * len(targets))


def test_plain_descent_without_anchors_has_no_freshness():
    editor, targets, test = setting(method="gd", anchors=0)
    run = run_protocol("sequential", editor, targets, test=test)
    assert all(math.isnan(scored.freshness) for scored in run.edits)


def test_bad_arguments_are_refused():
    editor, targets, test = setting()
    with pytest.raises(
        InputError, match="protocol: expected one of independent, sequential, batch; got 'all'"
    ):
        run_protocol("all", editor, targets, test=test)
    with pytest.raises(InputError, match="targets: expected at least one item to edit, got none"):
        run_protocol("batch", editor, [], test=test)
    blind, targets, test = setting(undo_depth=0)
    with pytest.raises(InputError, match="undo:"):
        run_protocol("independent", blind, targets, test=test)
