import numpy as np
import pytest
import torch

from gradprobe.errors import InputError
from tests.encoders._molecules import SMILES
from tests.integrations._trainers import THIRD_PARTY_WARNINGS, assert_same, make_trainer, state_of

pytest.importorskip("chemprop", reason="chemprop is not installed")
from chemprop import data, models, nn

from gradprobe.integrations.chemprop import CriterionLosses
from gradprobe.integrations.lightning import GradientProbeCallback
from gradprobe.integrations.loggers import scalars
from gradprobe.probes import GradientProbe
from gradprobe.trace import Trace

pytestmark = THIRD_PARTY_WARNINGS
TASKS = ("heavy atoms", "size", "oxygens")


def targets(kind="regression"):
    rng = np.random.default_rng(0)
    y = np.array([[len(s), len(s) ** 0.5, s.count("O")] for s in SMILES], dtype=float)
    if kind == "classification":
        y = (y > np.median(y, axis=0)).astype(float)
    y[rng.random(y.shape) < 0.25] = np.nan
    y[0] = np.nan
    y[0, 0] = 1.0
    return y


def dataset(kind="regression", limits=False, scaler=None):
    y = targets(kind)
    rng = np.random.default_rng(1)
    points = [
        data.MoleculeDatapoint.from_smi(
            smiles,
            row,
            weight=float(1 + k % 3),
            lt_mask=(rng.random(3) < 0.5) if limits else None,
            gt_mask=(rng.random(3) < 0.5) if limits else None,
        )
        for k, (smiles, row) in enumerate(zip(SMILES, y, strict=True))
    ]
    found = data.MoleculeDataset(points)
    if scaler is not None:
        found.normalize_targets(scaler)
    return found


def model(predictor=nn.RegressionFFN, criterion=None, batch_norm=True, transform=None, **options):
    torch.manual_seed(0)
    ffn = predictor(
        n_tasks=3,
        input_dim=8,
        hidden_dim=8,
        n_layers=2,
        dropout=0.2,
        criterion=criterion,
        output_transform=transform,
        **options,
    )
    return models.MPNN(
        nn.BondMessagePassing(d_h=8, depth=2), nn.MeanAggregation(), ffn, batch_norm, warmup_epochs=1
    )


def loader(found, shuffle=False):
    return data.build_dataloader(found, batch_size=6, shuffle=shuffle, num_workers=0)


def fit(tmp_path, built, train, callback=None, **options):
    torch.manual_seed(0)
    trainer = make_trainer(tmp_path, callback, **options)
    trainer.fit(built, loader(train, shuffle=True), loader(train))
    return trainer, built


CRITERIA = {
    "mse": (nn.RegressionFFN, nn.MSE),
    "mae": (nn.RegressionFFN, nn.metrics.MAE),
    "rmse": (nn.RegressionFFN, nn.metrics.RMSE),
    "bounded-mse": (nn.RegressionFFN, nn.metrics.BoundedMSE),
    "mve": (nn.MveFFN, nn.MVELoss),
    "evidential": (nn.EvidentialFFN, nn.EvidentialLoss),
    "bce": (nn.BinaryClassificationFFN, nn.BCELoss),
    "dirichlet": (nn.BinaryDirichletFFN, nn.metrics.DirichletLoss),
}


@pytest.mark.parametrize("name", CRITERIA)
def test_the_task_losses_of_a_step_add_up_to_chemprops_own_loss(name):
    predictor, criterion = CRITERIA[name]
    built = model(predictor, criterion([1.0, 2.0, 0.5]))
    built.log = lambda *args, **kwargs: None  # there is no trainer
    kind = "classification" if name in {"bce", "dirichlet"} else "regression"
    for batch in loader(dataset(kind, limits=name.startswith("bounded"))):
        source = CriterionLosses(TASKS)
        source.listen(built)
        total = built.training_step(batch, 0)
        losses = source.stop()
        assert [len(losses[task]) for task in TASKS] == batch.Y.isfinite().sum(0).tolist()
        mean = torch.cat(list(losses.values())).mean()
        total = total**2 if name == "rmse" else total
        torch.testing.assert_close(mean, total, rtol=1e-6, atol=1e-6)

        weights = list(built.predictor.ffn.parameters())
        ours = torch.autograd.grad(mean, weights, retain_graph=True)
        theirs = torch.autograd.grad(total, weights)
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_limits_count_as_the_criterion_has_them():
    free = model(criterion=nn.MSE(), batch_norm=False)
    bound = model(criterion=nn.metrics.BoundedMSE(), batch_norm=False)
    batch = next(iter(loader(dataset(limits=True))))
    free.eval(), bound.eval()
    with_limits = torch.cat(list(CriterionLosses(TASKS).of_batch(bound, batch).values()))
    without = torch.cat(list(CriterionLosses(TASKS).of_batch(free, batch).values()))
    assert (with_limits <= without).all()
    assert (with_limits == 0.0).any()


def test_a_probed_run_is_the_unprobed_run_bit_for_bit(tmp_path):
    plain = state_of(*fit(tmp_path, model(criterion=nn.MSE()), dataset(), max_epochs=3))
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    probed = state_of(*fit(tmp_path, model(criterion=nn.MSE()), dataset(), callback, max_epochs=3))
    assert_same(plain, probed)
    assert {record.split for record in callback.trace.gramians} == {"minibatch", "heldout"}


def test_the_trunk_ends_before_the_fused_last_layer(tmp_path):
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    fit(tmp_path, model(), dataset(), callback, max_epochs=1)
    header = callback.trace.header
    assert header.layers == (
        "message_passing.W_i",
        "message_passing.W_h",
        "message_passing.W_o",
        "bn",
        "predictor.ffn.0.0",
        "predictor.ffn.1.2",
    )
    assert header.excluded == ("predictor.ffn.2.2",)


def test_heldout_losses_are_those_of_val_loss_on_scaled_targets(tmp_path):
    scaler = dataset().normalize_targets()
    train = dataset(scaler=scaler)
    transform = nn.UnscaleTransform.from_standard_scaler(scaler)
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    trainer, _ = fit(tmp_path, model(transform=transform), train, callback, max_epochs=1)
    record = callback.trace.gramians[-1]
    assert record.split == "heldout"
    mean = np.average(record.losses, weights=record.gramian.rows)
    assert mean == pytest.approx(trainer.logged_metrics["val_loss"].item(), rel=1e-5)


def test_checkpoints_of_a_probed_run_hold_nothing_of_the_probe(tmp_path):
    """A criterion that the caller gave is pickled into every checkpoint, with the hooks it then has."""
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    trainer, built = fit(
        tmp_path,
        model(criterion=nn.MSE()),
        dataset(),
        callback,
        max_epochs=1,
        enable_checkpointing=True,
    )
    assert not built.criterion._forward_pre_hooks
    found = torch.load(trainer.checkpoint_callback.best_model_path, weights_only=False)
    assert not found["hyper_parameters"]["predictor"]["criterion"]._forward_pre_hooks


def test_an_interrupted_step_leaves_no_hook_behind(tmp_path):
    built = model(criterion=nn.MSE())
    built.agg.forward = lambda *_: 1 / 0
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    with pytest.raises(ZeroDivisionError):
        fit(tmp_path, built, dataset(), callback, num_sanity_val_steps=0)
    assert not built.criterion._forward_pre_hooks
    assert Trace.load(tmp_path / "gradient_trace").gramians == []


def test_a_criterion_that_is_no_sum_over_labels_is_refused(tmp_path):
    built = model(nn.BinaryClassificationFFN, nn.metrics.BinaryMCCLoss())
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    with pytest.raises(InputError, match="expected one whose loss is a sum over labels, got BinaryMCCLoss"):
        fit(tmp_path, built, dataset("classification"), callback, num_sanity_val_steps=0)


def test_another_module_or_another_number_of_names_is_refused():
    with pytest.raises(InputError, match="expected a chemprop MPNN, got Linear"):
        CriterionLosses(TASKS).listen(torch.nn.Linear(1, 1))
    with pytest.raises(InputError, match="expected 3 names, one for each task of the model, got"):
        CriterionLosses(TASKS[:2]).listen(model())


def test_the_logged_names_tell_split_and_auxiliary(tmp_path):
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    fit(tmp_path, model(), dataset(), callback, max_epochs=1)
    assert set(scalars(callback.trace.gramians[-1], focal="size")) == {
        "gradprobe/heldout/cosine/heavy atoms",
        "gradprobe/heldout/cosine/oxygens",
        "gradprobe/heldout/negative_fraction",
        "gradprobe/heldout/overlap",
        "gradprobe/heldout/conflict_energy",
        "gradprobe/heldout/conflict_energy_per_pair",
    }


def test_molecules_are_known_by_their_place_in_the_batch(tmp_path):
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    fit(tmp_path, model(batch_norm=False), dataset(), callback, max_epochs=1)
    minibatch, heldout = callback.trace.gramians[0], callback.trace.gramians[-1]
    labels = np.isfinite(targets())
    for record in (minibatch, heldout):
        assert record.gramian.folded
        rows = dict.fromkeys(record.gramian.tasks, 0)
        for group, count in zip(record.gramian.groups, record.gramian.rows, strict=True):
            rows[group.task] += count
    assert rows == dict(zip(TASKS, labels.sum(axis=0).tolist(), strict=True))
    (batch, *_) = loader(dataset())
    places = CriterionLosses(TASKS).positions(batch)
    assert places == {task: np.flatnonzero(labels[:6, k]).tolist() for k, task in enumerate(TASKS)}


def test_a_molecule_with_several_labels_is_in_one_fold_for_all(tmp_path, monkeypatch):
    """Its losses are those of the same row, so the rows of two folds have no molecule in common."""
    named = []
    measure = GradientProbe.measure

    def listen(probe, losses, *, rows, **options):
        named.append(({task: len(loss) for task, loss in losses.items()}, rows))
        return measure(probe, losses, rows=rows, **options)

    monkeypatch.setattr(GradientProbe, "measure", listen)
    callback = GradientProbeCallback(focal="size", losses=CriterionLosses(TASKS))
    fit(tmp_path, model(), dataset(), callback, max_epochs=1)
    assert named
    for sizes, rows in named:
        assert sizes == {task: len(own) for task, own in rows.items()}
        assert set(rows[TASKS[0]]) & set(rows[TASKS[1]])
