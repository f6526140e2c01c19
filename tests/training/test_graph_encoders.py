import numpy as np
import pytest
import torch

from gradprobe import combiners
from gradprobe.data import TargetScaling, TaskLabels
from gradprobe.encoders import get
from gradprobe.training import ProbeObserver, TrainingData, TrainingOptions, build_model, train
from tests.encoders._molecules import SMILES

pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")
TASKS = ("weight", "noise")


def molecules(name):
    spec = get(name)
    options = spec.options(width=8, depth=2, dropout=0.2)
    features = spec.featurise(SMILES, options, None)
    rows = np.arange(len(SMILES))
    features.fit(rows)
    targets = np.random.default_rng(0).normal(size=(len(SMILES), 2))
    splits = {"train": rows[:8], "validation": rows[8:10], "test": rows[10:]}
    data = TrainingData(
        features=features,
        tasks=TASKS,
        focal="weight",
        kinds=dict.fromkeys(TASKS, "regression"),
        targets={task: TaskLabels.from_dense(targets[:, i]) for i, task in enumerate(TASKS)},
        scaling=TargetScaling(TASKS, np.zeros(2), np.ones(2)),
        rows={split: dict.fromkeys(TASKS, chosen) for split, chosen in splits.items()},
    )
    return data, build_model(lambda: spec.build(options, features), TASKS, seed=0)


@pytest.mark.parametrize("batching", ["balanced", "union"])
@pytest.mark.parametrize("name", ["mlp", "dmpnn", "gine"])
def test_a_probed_run_equals_an_unprobed_one_bit_for_bit(name, batching):
    options = TrainingOptions(epochs=2, batch_size=3, batching=batching)
    states = []
    for probed in (False, True):
        data, model = molecules(name)
        observer = ProbeObserver(model, data, probe_every=1, heldout_every=1, seed=0) if probed else None
        train(model, data, combiners.get("pcgrad"), options=options, seed=0, observer=observer)
        states.append(model.state_dict())
    assert len(observer.trace.gramians) > 5
    for key, value in states[0].items():
        assert torch.equal(value, states[1][key]), key
