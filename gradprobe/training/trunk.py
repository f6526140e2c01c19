"""The trunk of a model in training: chosen once, and kept up with what is trained by now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from torch import Tensor, nn

from gradprobe.errors import InputError
from gradprobe.gradients import (
    JacobianCapture,
    OutputAxis,
    SharedParameters,
    all_parameters,
    find_trunk,
    parameter_names,
    select_parameters,
)
from gradprobe.gradients.rowwise.graph import AutogradGraph, leaf

_NOTHING = SharedParameters((), (), (), ())


class UpdatedTrunk:
    """The parameters of a trunk that are trained now, by the names under which they were chosen.

    Parameters frozen at first join once they are unfrozen, and replaced ones are followed. With `"auto"`
    there is none until `settle` was given gradients, and again none when a parameter of the model is
    trained that was not then. Parameters that no loss reached then (idle experts) may belong to the trunk
    too: `awakened` says when a loss reaches one, and `settle` then adds to the trunk.

    Raises:
        InputError: the trunk is not the model's.
    """

    def __init__(
        self, model: nn.Module, shared: Literal["auto"] | nn.Module | Iterable[nn.Parameter]
    ) -> None:
        if isinstance(shared, str) and shared != "auto":
            raise InputError(f"shared: expected 'auto', a module or parameters, got {shared!r}")
        self._model = model
        self._auto = isinstance(shared, str)
        self._names = None if isinstance(shared, str) else parameter_names(model, shared)
        if self._names is not None and not self._names:
            raise InputError("shared: expected at least one parameter, got none")
        self._settled: set[str] = set()
        self._idle: set[str] = set()
        self._last = _NOTHING

    def current(self) -> SharedParameters | None:
        """The trunk as it is trained now, without parameters where all are frozen; None while unsettled."""
        now = dict(self._model.named_parameters(remove_duplicate=False))
        trained = {name for name, parameter in now.items() if parameter.requires_grad}
        if self._auto and not trained <= self._settled:
            return None
        assert self._names is not None, "settled together with the parameters trained"
        chosen = tuple(now[name] for name in self._names if name in trained)
        if tuple(map(id, chosen)) != tuple(map(id, self._last.parameters)):
            self._last = select_parameters(self._model, chosen) if chosen else _NOTHING
        return self._last

    def awakened(self, losses: Iterable[Tensor]) -> bool:
        """Whether some loss reaches a parameter that none had reached when the trunk was settled."""
        if not self._idle:
            return False
        now = dict(self._model.named_parameters(remove_duplicate=False))
        idle = {id(now[name]) for name in self._idle if name in now}
        return any(id(leaf(node)) in idle for node in AutogradGraph.of(list(losses)).nodes)

    def candidates(self) -> SharedParameters:
        """What a trunk is looked for among: all that is trained."""
        return all_parameters(self._model)

    def settle(
        self, capture: JacobianCapture, tasks: Sequence[str], outputs: Mapping[int, OutputAxis]
    ) -> JacobianCapture:
        """The capture of all candidates on the trunk that it shows.

        Raises:
            MeasurementError: nothing is shared, or fewer than two tasks have a gradient to tell it by.
        """
        trunk = find_trunk(capture, tasks, self._model, outputs)
        now = dict(self._model.named_parameters(remove_duplicate=False))
        if self._names is not None:
            # What was shared stays shared, idle or not in this step.
            names = {*self._names, *trunk.names}
            trunk = select_parameters(
                self._model, [p for name, p in now.items() if name in names and p.requires_grad]
            )
        earlier = self._settled - self._idle
        self._settled = {name for name, parameter in now.items() if parameter.requires_grad}
        reached = {
            name
            for position, name in enumerate(capture.shared.names)
            if any(row[position] is not None for row in capture.rows)
        }
        self._idle = self._settled - earlier - reached
        self._names, self._last = trunk.names, trunk
        return capture.restricted(trunk)

    def heads(self, trunk: SharedParameters) -> list[nn.Parameter]:
        """All that is trained besides a trunk."""
        own = {id(parameter) for parameter in trunk.parameters}
        return [p for p in self._model.parameters() if p.requires_grad and id(p) not in own]
