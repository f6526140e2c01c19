"""Small problems: features are a matrix, labels depend on it, molecules are its rows."""

import numpy as np
import torch
from torch import nn

from gradprobe.data import TargetScaling, TaskLabels
from gradprobe.training import MultiTaskModel, TrainingData, build_model

TASKS = ("focal", "big.aux", "small aux")


class MatrixFeatures:
    def __init__(self, values, dtype=torch.float32):
        self.values = torch.tensor(values, dtype=dtype)

    def __len__(self):
        return len(self.values)

    def fit(self, train_rows):
        pass

    def batch(self, rows):
        return self.values[torch.as_tensor(rows)]

    def notes(self):
        return {}


class ToyEncoder(nn.Module):
    def __init__(self, inputs=6, width=8, dropout=0.0):
        super().__init__()
        self.width = width
        self.layers = nn.Sequential(
            nn.Linear(inputs, width), nn.Tanh(), nn.Dropout(dropout), nn.Linear(width, width), nn.Tanh()
        )

    def forward(self, inputs):
        return self.layers(inputs)


def toy_data(n=120, seed=0, dtype=torch.float32, kinds=None):
    """The focal task is carried by 60 molecules, one auxiliary by all, one by 18."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 6))
    targets = np.tanh(values @ rng.normal(size=(6, 3))) + 0.05 * rng.normal(size=(n, 3))
    kinds = dict.fromkeys(TASKS, "regression") | (kinds or {})
    for column, task in enumerate(TASKS):
        if kinds[task] == "classification":
            targets[:, column] = targets[:, column] > 0
    targets[60:, 0] = np.nan
    targets[:102, 2] = np.nan
    fold = rng.permutation(np.repeat(["train", "validation", "test"], [n - 40, 20, 20]))
    rows = {
        name: {
            task: np.flatnonzero((fold == name) & ~np.isnan(targets[:, column]))
            for column, task in enumerate(TASKS)
        }
        for name in ("train", "validation", "test")
    }
    regression = np.array([kinds[task] == "regression" for task in TASKS])
    return TrainingData(
        features=MatrixFeatures(values, dtype),
        tasks=TASKS,
        focal="focal",
        kinds=kinds,
        targets={task: TaskLabels.from_dense(targets[:, column]) for column, task in enumerate(TASKS)},
        scaling=TargetScaling(
            TASKS,
            centre=np.where(regression, [3.0, -1.0, 100.0], 0.0),
            spread=np.where(regression, [2.0, 0.5, 40.0], 1.0),
        ),
        rows=rows,
    )


def with_targets(data, task, rows, value):
    """The same data with other targets of one task for some molecules, all of which carry it."""
    own = data.targets[task]
    values = own.values.copy()
    values[np.searchsorted(own.rows, rows)] = value
    return TrainingData(**{**vars(data), "targets": {**data.targets, task: own.mapped(values)}})


def toy_model(seed=0, dropout=0.0, tasks=TASKS, dtype=torch.float32) -> MultiTaskModel:
    return build_model(lambda: ToyEncoder(dropout=dropout), tasks, seed=seed).to(dtype)
