"""Frobenius normalisation of weight matrices, W <- c W / ||W||_F (arXiv:2410.04824).

It holds every matrix at c / sqrt(rank) <= ||W||_2 <= c. A residual layer is then (1 + c)-Lipschitz at
most, and 512 of them with c = 4 are bounded by 5^512: no proof that training is stable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from gradprobe.errors import InputError


class LipschitzNormalization:
    """Sets the Frobenius norm of every weight matrix to `c`, between optimiser steps.

    `apply` normalises once; `attach` does so now and after each step of an optimiser. The source does
    not say when; after the step is our reading, which leaves gradients and the optimiser's state as they
    are. `parametrize_frobenius` makes the normalisation a part of the model instead.

    A weight matrix is a parameter with two dimensions, a linear layer's or a graph convolution's, at any
    depth of the model. Left as they are: biases, embeddings, the attention vectors of GAT (of which the
    source does not speak), everything of other dimensions, and a matrix that is exactly zero. A matrix
    that several layers share is normalised once.

    Args:
        model: the model in training.
        c: the norm, positive. The source's is 4.
        clip: normalise only what is larger: a different method, which never scales up.
        within: the modules whose matrices to normalise, with all they hold; None: the whole model's.

    Raises:
        InputError: `c` is not positive and finite, or there is no weight matrix.
    """

    def __init__(
        self, model: nn.Module, c: float, *, clip: bool = False, within: Iterable[nn.Module] | None = None
    ) -> None:
        _check(c)
        self._c, self._clip = c, clip
        self._weights = {name: getattr(module, entry) for name, module, entry in _matrices(model, within)}

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that are normalised, by their names in the model."""
        return tuple(self._weights)

    @torch.no_grad()
    def apply(self) -> None:
        """Normalise every weight matrix in place."""
        for weight in self._weights.values():
            weight.copy_(normalised(weight, self._c, clip=self._clip))

    def attach(self, optimizer: Optimizer) -> RemovableHandle:
        """Normalise now and after every step of the optimiser, until the handle's `remove`."""
        self.apply()
        return optimizer.register_step_post_hook(lambda *_: self.apply())


class FrobeniusScaling(nn.Module):
    """A parametrisation: the matrix [a, b] that a layer uses is c W / ||W||_F of the W that is trained."""

    def __init__(self, c: float, *, clip: bool = False) -> None:
        super().__init__()
        _check(c)
        self.c, self.clip = c, clip

    def forward(self, weight: Tensor) -> Tensor:
        """The matrix in use."""
        return normalised(weight, self.c, clip=self.clip)

    def right_inverse(self, weight: Tensor) -> Tensor:
        """What to train so that `weight`, of any norm, is what is normalised."""
        return weight

    def extra_repr(self) -> str:
        """For the model's printout."""
        return f"c={self.c:g}" + (", clip" if self.clip else "")


def parametrize_frobenius(
    model: nn.Module, c: float, *, clip: bool = False, within: Iterable[nn.Module] | None = None
) -> tuple[str, ...]:
    """Make the normalisation of `LipschitzNormalization` a part of the model, and name the parameters.

    Gradients then go through the division: along W itself they are zero, so a step changes its direction
    only, and training differs from normalising after the step. The trained matrices are named
    `parametrizations.<name>.original`; `torch.nn.utils.parametrize.remove_parametrizations` ends it.

    Raises:
        InputError: as for `LipschitzNormalization`; also a matrix that is parametrised already or that
            several layers share.
    """
    _check(c)
    found = list(_matrices(model, within))
    uses = [id(parameter) for _, parameter in model.named_parameters(remove_duplicate=False)]
    for name, module, entry in found:
        nested = isinstance(module, parametrize.ParametrizationList)
        if nested or uses.count(id(getattr(module, entry))) > 1:
            raise InputError(
                f"model: expected matrices of one layer each without a parametrisation, got {name!r}; "
                "normalise after each step with LipschitzNormalization"
            )
    for _, module, entry in found:
        parametrize.register_parametrization(module, entry, FrobeniusScaling(c, clip=clip))
        module.register_state_dict_post_hook(partial(_drop_product, entry))  # type: ignore[no-untyped-call]
    return tuple(name for name, _, _ in found)


def _drop_product(
    entry: str, module: nn.Module, state: dict[str, object], prefix: str, _metadata: object
) -> None:
    """Keep the matrix in use out of a saved state: PyG's linear layer would save it as well."""
    if parametrize.is_parametrized(module, entry):
        state.pop(prefix + entry, None)


def normalised(weight: Tensor, c: float, *, clip: bool = False) -> Tensor:
    """C W / ||W||_F of a matrix [a, b]; the matrix itself where that is zero, or within c with `clip`.

    The norm is that of W over its largest entry, in float64: squares neither overflow nor vanish.
    """
    largest = weight.detach().double().abs().max()
    zero = largest == 0
    # A zero norm has no gradient; ones in place of the matrix keep NaN out of the backward pass.
    scaled = torch.where(
        zero, torch.ones_like(weight, dtype=torch.float64), weight.double() / torch.where(zero, 1.0, largest)
    )
    norm = torch.linalg.matrix_norm(scaled)
    keep = zero | (norm * largest <= c) if clip else zero
    return torch.where(keep, weight, (scaled * (c / norm)).to(weight.dtype))


def _matrices(model: nn.Module, within: Iterable[nn.Module] | None) -> Iterator[tuple[str, nn.Module, str]]:
    """The weight matrices: full name, the module that holds each, its name there."""
    chosen = None if within is None else {id(inner) for module in within for inner in module.modules()}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if isinstance(module, nn.Embedding | nn.EmbeddingBag) or (
            chosen is not None and id(module) not in chosen
        ):
            continue
        for entry, parameter in module.named_parameters(recurse=False):
            if parameter.dim() == 2 and id(parameter) not in seen and not entry.startswith(("bias", "att")):
                seen.add(id(parameter))
                yield f"{prefix}.{entry}".lstrip("."), module, entry
    if not seen:
        raise InputError(
            "model: expected a weight matrix to normalise, got none; name modules that hold one in `within`"
        )


def _check(c: float) -> None:
    if not 0.0 < c < float("inf"):
        raise InputError(f"c: expected a positive norm, got {c!r}")
