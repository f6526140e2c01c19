"""Scripted modules: their attributes live in TorchScript, outside any dictionary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gradprobe.errors import InputError
from gradprobe.gradients.state.kept import Kept

_PLAIN = (type(None), bool, int, float, str)


class KeptScript(Kept):
    """The attributes of one scripted module, without those of its children.

    Raises:
        InputError: an attribute is an object of TorchScript's that can be neither copied nor put back.
    """

    def __init__(self, module: torch.jit.ScriptModule, path: str) -> None:
        self._module: Any = module
        self._values = {}
        tensors = {name for name, _ in self._tensors()} | {name for name, _ in module.named_children()}
        for name in _attributes(self._module) - tensors:
            value = self._module._c.getattr(name)
            if not _is_plain(value):
                raise InputError(
                    "model: expected state that can be put back after a measurement, got an attribute of a "
                    f"scripted module at {f'{path}.{name}'.lstrip('.')!r} ({type(value).__name__}); measure "
                    "the module before torch.jit.script, or keep that state outside"
                )
            self._values[name] = value

    def children(self) -> Iterator[tuple[str, Any]]:
        """Parameters, buffers and submodules."""
        yield from self._tensors()
        yield from self._module.named_children()

    def restore(self) -> None:
        """Put the attributes back."""
        for name, value in self._values.items():
            if self._module._c.getattr(name) != value:
                self._module._c.setattr(name, value)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self._module.named_parameters(recurse=False)
        yield from self._module.named_buffers(recurse=False)


def _attributes(module: Any) -> set[str]:
    kind = module.__dict__.get("_concrete_type") or torch._C.ConcreteModuleType.from_jit_type(
        module._c._type()
    )
    return {"training", *kind.get_attributes()}  # type: ignore[union-attr]


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_plain(entry) for entry in value)
    return isinstance(value, _PLAIN)
