"""TorchJD's weightings as combiners: `gradprobe.combiners.get("torchjd:UPGrad")`."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import torch

from gradprobe.combiners.presence import present_tasks
from gradprobe.errors import InputError, MissingExtraError, missing_extra
from gradprobe.geometry import BoolArray, FloatArray

try:
    from torchjd import aggregation
except ImportError as absent:
    raise missing_extra("torchjd", "torchjd") from absent


class TorchJD:
    """A Gramian-based method of TorchJD; it satisfies the `Combiner` protocol.

    TorchJD is handed the present tasks' Gramian divided by its trace, so that, as for every combiner
    here, scaling all gradients scales the update and nothing else: some of its methods take a Jacobian
    with a squared norm below 1e-4 for zero, which ends training silently.

    Random methods draw from a random state of this object's own, so the training's does not move.
    Methods that remember earlier steps (GradVac, PCD) need the same tasks to be present in each.

    Args:
        method: the name of an aggregator of `torchjd.aggregation` that works on Gramians.
        seed: starts the random state.
        options: the aggregator's own.

    Raises:
        InputError: no such method, or options it does not take.
        MissingExtraError: the method needs a package of its own, which the message names.
    """

    needs_gramian = True
    needs_losses = False
    last_layer_only = False

    def __init__(self, method: str, *, seed: int = 0, **options: Any) -> None:
        self.name = f"torchjd:{method}"
        self._weighting = _aggregator(method, options).gramian_weighting
        self._random_state = torch.Generator().manual_seed(seed).get_state()

    def weights(
        self,
        gramian: FloatArray,
        *,
        focal: int = 0,
        present: BoolArray | None = None,
        losses: FloatArray | None = None,  # noqa: ARG002 - part of the protocol
    ) -> FloatArray:
        """Weights [m] from a Gramian [m, m]; see `Combiner.weights`.

        Raises:
            InputError: `gramian` is not a finite, symmetric Gramian, or the other arguments do not fit it.
        """
        tasks = present_tasks(gramian, focal=focal, present=present)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random_state)
            weights = self._weighting(torch.from_numpy(tasks.gramian))
            self._random_state = torch.get_rng_state()
        return tasks.spread(np.asarray(weights.numpy(), dtype=np.float64))


def methods() -> tuple[str, ...]:
    """The methods of the installed TorchJD that work on Gramians."""
    return tuple(
        name
        for name, kind in vars(aggregation).items()
        if isinstance(kind, type)
        and issubclass(kind, aggregation.GramianWeightedAggregator)
        and kind is not aggregation.GramianWeightedAggregator
    )


def _aggregator(method: str, options: dict[str, Any]) -> aggregation.GramianWeightedAggregator:
    if method not in methods():
        raise InputError(f"name: expected torchjd: and one of {', '.join(methods())}; got {method!r}")
    kind: type[aggregation.GramianWeightedAggregator] = getattr(aggregation, method)
    try:
        return kind(**options)
    except ImportError as error:
        raise MissingExtraError(f"torchjd:{method}: {error}") from error
    except (TypeError, ValueError) as error:
        takes = ", ".join(str(entry) for entry in inspect.signature(kind).parameters.values())
        raise InputError(f"torchjd:{method}: expected options ({takes}); got {options} ({error})") from error
