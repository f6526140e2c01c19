"""Which parameters are measured, and which layer each belongs to."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from gradprobe.errors import InputError

LayerNaming = Literal["module"] | Callable[[str], str]


@dataclass(frozen=True, eq=False)
class SharedParameters:
    """The measured parameters, by name, and the layer of each.

    `layer_of[i]` is the index in `layers` of parameter i. `excluded` names the modules that
    were left out as task heads, `frozen` the parameters that were not trainable when these were chosen.
    """

    names: tuple[str, ...]
    parameters: tuple[nn.Parameter, ...]
    layer_of: tuple[int, ...]
    layers: tuple[str, ...]
    excluded: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of parameters of each layer."""
        counts = [0] * len(self.layers)
        for parameter, layer in zip(self.parameters, self.layer_of, strict=True):
            counts[layer] += parameter.numel()
        return tuple(counts)

    def keep(self, positions: Iterable[int], excluded: Iterable[str] = ()) -> SharedParameters:
        """The parameters at some positions; layers without one disappear."""
        chosen = list(positions)
        return _assemble(
            [(self.names[i], self.parameters[i], self.layers[self.layer_of[i]]) for i in chosen],
            tuple(excluded),
            self.frozen,
        )

    def renewed(self, model: nn.Module) -> tuple[SharedParameters, str]:
        """The parameters that the model has under these names now, and a note about what has changed.

        `load_state_dict(assign=True)`, a resized embedding or a swapped module puts new parameters in the
        place of those first chosen; parameters frozen then may be trained now.
        """
        now = dict(model.named_parameters(remove_duplicate=False))
        current = tuple(
            now.get(name, parameter) for name, parameter in zip(self.names, self.parameters, strict=True)
        )
        moved = [
            name
            for name, old, new in zip(self.names, self.parameters, current, strict=True)
            if old is not new
        ]
        gone = [name for name in self.names if name not in now]
        unfrozen = [name for name in self.frozen if name in now and now[name].requires_grad]
        notes = [
            f"{what} {', '.join(dict.fromkeys(map(owning_module, names)))}"
            for what, names in (
                ("parameters replaced since the last measurement, and followed by name, in", moved),
                ("no longer among the model's parameters:", gone),
                ("trained by now, but frozen when the trunk was chosen, and not measured:", unfrozen),
            )
            if names
        ]
        return (dataclasses.replace(self, parameters=current) if moved else self), "; ".join(notes)

    def grown(self, model: nn.Module, layers: LayerNaming = "module") -> SharedParameters:
        """These and the parameters unfrozen since, in the model's order; itself where there are none."""
        wanted = {*self.names, *self.frozen}
        now = [p for name, p in model.named_parameters(remove_duplicate=False) if name in wanted]
        known = {id(parameter) for parameter in self.parameters}
        if not any(parameter.requires_grad and id(parameter) not in known for parameter in now):
            return self
        return select_parameters(model, now, layers)


def all_parameters(model: nn.Module, layers: LayerNaming = "module") -> SharedParameters:
    """Every trainable parameter of a model, in the order of `named_parameters`.

    Raises:
        InputError: the model has no trainable parameter.
    """
    return select_parameters(model, model, layers)


def select_parameters(
    model: nn.Module, shared: nn.Module | Iterable[nn.Parameter], layers: LayerNaming = "module"
) -> SharedParameters:
    """The trainable parameters of a module, or those given, under their names in the model.

    Layers are named after the module that owns a parameter, or by `layers(parameter name)`. A tied
    parameter counts once, under its first name.

    Raises:
        InputError: a parameter is not the model's, or none of them is trainable.
    """
    wanted = list(shared.parameters() if isinstance(shared, nn.Module) else shared)
    names = dict(zip(map(id, wanted), parameter_names(model, wanted), strict=True))
    chosen = {id(parameter): parameter for parameter in wanted if parameter.requires_grad}
    if not chosen:
        raise InputError("shared: expected at least one trainable parameter, got none")
    name_layer = owning_module if layers == "module" else layers
    return _assemble(
        [(names[key], parameter, name_layer(names[key])) for key, parameter in chosen.items()],
        frozen=tuple(names[id(parameter)] for parameter in wanted if not parameter.requires_grad),
    )


def parameter_names(model: nn.Module, shared: nn.Module | Iterable[nn.Parameter]) -> tuple[str, ...]:
    """The names in a model of the parameters of a module, or of those given, frozen ones too.

    Raises:
        InputError: a parameter is not the model's.
    """
    wanted = list(shared.parameters() if isinstance(shared, nn.Module) else shared)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    foreign = [i for i, parameter in enumerate(wanted) if id(parameter) not in names]
    if foreign:
        raise InputError(
            f"shared: expected parameters of the model, got {len(foreign)} that are not among "
            "model.parameters(); pass the module or parameters of the very model that is trained"
        )
    return tuple(names[id(parameter)] for parameter in wanted)


def owning_module(parameter_name: str) -> str:
    """The module that owns a parameter; a parameter of the model itself is its own layer."""
    return parameter_name.rpartition(".")[0] or parameter_name


def _assemble(
    entries: list[tuple[str, nn.Parameter, str]],
    excluded: tuple[str, ...] = (),
    frozen: tuple[str, ...] = (),
) -> SharedParameters:
    layers = tuple(dict.fromkeys(layer for _, _, layer in entries))
    return SharedParameters(
        names=tuple(name for name, _, _ in entries),
        parameters=tuple(parameter for _, parameter, _ in entries),
        layer_of=tuple(layers.index(layer) for _, _, layer in entries),
        layers=layers,
        excluded=excluded,
        frozen=frozen,
    )
