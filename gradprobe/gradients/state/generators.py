"""Random states: the global ones, and generators that somebody holds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

_KINDS = (torch.Generator, np.random.RandomState, np.random.Generator, np.random.BitGenerator, random.Random)


@contextmanager
def random_state() -> Iterator[None]:
    """A block after which the global random states of torch, CUDA, NumPy and Python are what they were."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    cpu = torch.get_rng_state()
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    cuda = torch.cuda.get_rng_state_all() if started else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
        torch.set_rng_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)


def is_generator_kind(kind: type) -> bool:
    """Whether `rewind` knows the instances of a class."""
    return issubclass(kind, _KINDS) and not issubclass(kind, random.SystemRandom)


def rewind(generator: Any) -> Callable[[], object] | None:
    """What puts a generator back to where it is now; None for what is no generator."""
    if isinstance(generator, torch.Generator | np.random.RandomState):
        return partial(generator.set_state, generator.get_state())  # type: ignore[arg-type]
    if isinstance(generator, np.random.Generator):
        return rewind(generator.bit_generator)
    if isinstance(generator, np.random.BitGenerator):
        return partial(setattr, generator, "state", generator.state)
    if isinstance(generator, random.Random) and not isinstance(generator, random.SystemRandom):
        return partial(generator.setstate, generator.getstate())
    return None
