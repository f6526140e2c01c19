"""Per-row gradients of a real model at frozen parameters, as rows with the same inner products."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn.functional import mse_loss

from gradprobe.data import physchem
from gradprobe.encoders import ENCODERS
from gradprobe.encoders.mlp import MLP
from gradprobe.geometry import FloatArray
from gradprobe.training import MultiTaskModel, build_model

TASKS = ("flash_point", "boiling_point", "melting_point")


def physchem_rows(*, number: int = 163, training_steps: int = 20, seed: int = 0) -> FloatArray:
    """Gradients [number, m, d] of a small perceptron's trunk for molecules that carry m labels each.

    The model is trained for some steps on other molecules, then frozen. A row's gradient is replaced by
    coordinates in the span of all rows, which keeps every inner product.
    """
    inputs, targets = _examples(np.random.default_rng(seed), number)
    model = _trained(inputs[number:], targets[number:], training_steps, seed)
    trunk = list(model.encoder.parameters())
    rows = []
    for outputs, target in zip(_outputs(model, inputs[:number]), targets[:number], strict=True):
        for task in range(len(TASKS)):
            loss = mse_loss(outputs[task], target[task])
            parts = torch.autograd.grad(loss, trunk, retain_graph=True)
            rows.append(torch.cat([part.flatten() for part in parts]))
    gradients = torch.stack(rows).numpy()
    squares, directions = np.linalg.eigh(gradients @ gradients.T)
    kept = squares > 1e-12 * squares[-1]
    coordinates = directions[:, kept] * np.sqrt(squares[kept])
    return np.asarray(coordinates.reshape(number, len(TASKS), -1), dtype=np.float64)


def _examples(rng: np.random.Generator, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [5 number, k] and standardised targets [5 number, m] of molecules with all labels."""
    table = physchem().select(TASKS)
    complete = np.flatnonzero(~np.isnan(table.labels).any(axis=1))
    chosen = rng.permutation(complete)[: 5 * number]
    encoder = ENCODERS["mlp"]
    features = encoder.featurise([table.smiles[i] for i in chosen], encoder.options(), None)
    labels = table.labels[chosen]
    standardised = (labels - labels.mean(axis=0)) / labels.std(axis=0)
    return features.batch(np.arange(len(chosen))).double(), torch.as_tensor(standardised)


def _trained(inputs: torch.Tensor, targets: torch.Tensor, steps: int, seed: int) -> MultiTaskModel:
    model = build_model(
        lambda: MLP(inputs.shape[1], width=32, depth=2, dropout=0.0), TASKS, seed=seed
    ).double()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        optimiser.zero_grad()
        mse_loss(_outputs(model, inputs), targets).backward()
        optimiser.step()
    return model


def _outputs(model: MultiTaskModel, inputs: torch.Tensor) -> torch.Tensor:
    everyone = torch.arange(len(inputs))
    outputs = model(inputs, dict.fromkeys(TASKS, everyone))
    return torch.stack([outputs[task] for task in TASKS], dim=1)
