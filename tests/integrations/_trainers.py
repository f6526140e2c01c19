"""Quiet Lightning trainers, and what a run leaves behind."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

THIRD_PARTY_WARNINGS = [
    # Lightning asks PyTorch about pytrees in a way that PyTorch 2.13 calls deprecated.
    pytest.mark.filterwarnings("ignore:`isinstance\\(treespec, LeafSpec\\)` is deprecated:FutureWarning"),
    # A toy data set needs no worker processes.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
]


def make_trainer(tmp_path, callback=None, package=None, **options):
    defaults = {
        "max_epochs": 2,
        "accelerator": "cpu",
        "logger": False,
        "log_every_n_steps": 1,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "enable_checkpointing": False,
        "default_root_dir": tmp_path,
        "callbacks": [callback] if callback else [],
    }
    if package is None:
        import lightning.pytorch as package
    return package.Trainer(**(defaults | options))


def state_of(trainer, module):
    """Everything a run leaves behind, random states included."""
    return {
        "parameters": module.state_dict(),
        "gradients": [parameter.grad for parameter in module.parameters()],
        "optimiser": trainer.optimizers[0].state_dict() if trainer.optimizers else None,
        "metrics": trainer.logged_metrics,
        "torch": torch.get_rng_state(),
        "numpy": np.random.get_state()[1],  # noqa: NPY002
        "python": random.getstate(),
        "attributes": sorted(vars(module)),
    }


def assert_same(a, b):
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, np.ndarray):
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            assert_same(one, other)
    else:
        assert a == b
