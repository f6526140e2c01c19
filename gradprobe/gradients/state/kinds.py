"""What each kind of object is made of: what to keep of it, and where to look next."""

from __future__ import annotations

import array
import collections
import functools
import io
import logging
import math
import queue
import socket
import sys
import threading
import types
import weakref
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from torch.utils.hooks import RemovableHandle

from gradprobe.errors import InputError
from gradprobe.gradients.state import containers
from gradprobe.gradients.state.generators import is_generator_kind, rewind
from gradprobe.gradients.state.kept import Kept, Rewound
from gradprobe.gradients.state.scripted import KeptScript
from gradprobe.gradients.state.tensors import KeptTensor, has_memory, parts

if TYPE_CHECKING:
    from gradprobe.gradients.state.snapshot import Reach


class Visit(NamedTuple):
    """An object on the way, where it was met, and whether contents of tensors are copied from here on."""

    path: str
    value: Any
    contents: bool

    def to(self, step: str, value: object) -> Visit:
        """The visit to what one more step leads to."""
        return Visit(self.path + step, value, self.contents)


Opened = tuple[list[Kept], Iterable[Visit]]


def open_up(visit: Visit, reach: Reach) -> Opened:
    """What is kept of an object, and what it leads to.

    Raises:
        InputError: the object changes as it is used, and can be neither copied nor put back.
    """
    kind = type(visit.value)
    # A proxy passes for another class than its own; of classes each is a kind by itself.
    plain = visit.value.__class__ is kind and not issubclass(kind, type)
    opener = _opener_of_kind(kind) if plain else _opener_of(visit.value)  # type: ignore[arg-type]
    return opener(visit, reach)


@lru_cache(maxsize=1024)
def _opener_of_kind(kind: type) -> _Opener:
    """The opener of all plain instances of a class."""
    if is_generator_kind(kind):
        return _generator
    if not issubclass(kind, _ALWAYS_OPENED) and _is_kind_left_alone(kind):
        return _nothing
    return next((opener for kinds, opener in _OPENERS if issubclass(kind, kinds)), _object)


def _opener_of(value: object) -> _Opener:
    if rewind(value) is not None:
        return _generator
    if not isinstance(value, _ALWAYS_OPENED) and _is_left_alone(value):
        return _nothing
    return next((opener for kinds, opener in _OPENERS if isinstance(value, kinds)), _object)


def _generator(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    back = rewind(visit.value)
    return ([] if back is None else [Rewound(back)]), ()


def _nothing(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    return [], ()


def _tensor(visit: Visit, reach: Reach) -> Opened:
    tensor: Tensor = visit.value
    if not has_memory(tensor):
        return [], ()
    if tensor.is_nested:
        if reach.refuse and visit.contents:
            raise InputError(
                f"{reach.refuse}: expected state that can be put back after a measurement, got a nested "
                f"tensor at {visit.path!r}; keep it outside the model, or as a padded tensor"
            )
        return [], ()
    inner = list(parts(tensor))
    if inner:
        return [], [visit.to(f".{name}", part) for name, part in inner]
    return [KeptTensor(tensor, contents=visit.contents)], _attributes_of(visit)


def _module(visit: Visit, reach: Reach) -> Opened:
    module: nn.Module = visit.value
    if not reach.modules:
        return [], ()
    if isinstance(module, torch.jit.ScriptModule):
        script = KeptScript(module, visit.path)
        return [script], [visit.to(f".{name}", value) for name, value in script.children()]
    held = vars(module)
    lead = f"{visit.path}." if visit.path else ""
    kept: list[Kept] = [containers.KeptDict(held)]
    children = []
    empty = [own for own in held.values() if type(own) in _EMPTIED and not own]
    kept.append(containers.KeptEmpty(empty))
    for name, value in held.items():
        if is_plain(value) or (type(value) in _EMPTIED and not value):
            continue
        if name in ("_parameters", "_buffers", "_modules"):
            kept.append(containers.KeptDict(value))
            children += [Visit(f"{lead}{own}", entry, visit.contents) for own, entry in value.items()]
        else:
            children.append(Visit(f"{lead}{name}", value, visit.contents))
    return kept, [*children, *_classes(visit)]


def _running(visit: Visit, reach: Reach) -> Opened:
    frame = getattr(visit.value, "gi_frame", None) or getattr(visit.value, "ag_frame", None)
    if reach.refuse and frame is not None:
        raise InputError(
            f"{reach.refuse}: expected state that can be put back after a measurement, got a generator "
            f"object at {visit.path!r}, which a measurement would use up; keep a list, "
            "or a function that starts it"
        )
    return [], ()


def _mapping(visit: Visit, reach: Reach) -> Opened:
    held: dict[Any, Any] = visit.value
    children = [visit.to(f"[{key!r}]", entry) for key, entry in _entries(held.items(), reach)]
    return [containers.KeptDict(held)], [*children, *_attributes_of(visit)]


def _sequence(visit: Visit, reach: Reach) -> Opened:
    held = visit.value
    keeper = containers.KeptList if isinstance(held, list) else containers.KeptDeque
    children = [visit.to(f"[{place}]", entry) for place, entry in _entries(enumerate(held), reach)]
    return [keeper(held)], [*children, *_attributes_of(visit)]


def _fixed(visit: Visit, reach: Reach) -> Opened:
    children = [visit.to(f"[{place}]", entry) for place, entry in _entries(enumerate(visit.value), reach)]
    return [], [*children, *_attributes_of(visit)]


def _set(visit: Visit, reach: Reach) -> Opened:
    children = [visit.to("{...}", entry) for _, entry in _entries(enumerate(visit.value), reach)]
    return [containers.KeptSet(visit.value)], [*children, *_attributes_of(visit)]


def _entries(pairs: Iterable[tuple[Any, Any]], reach: Reach) -> list[tuple[Any, Any]]:
    found = list(pairs)
    return [] if reach.longest and len(found) > reach.longest else found


def _bytes(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    return [containers.KeptBytes(visit.value)], ()


def _array(visit: Visit, reach: Reach) -> Opened:
    held: np.ndarray[Any, Any] = visit.value
    if held.dtype.hasobject:
        children = [
            visit.to(f".flat[{place}]", entry) for place, entry in _entries(enumerate(held.flat), reach)
        ]
        return [containers.KeptArray(held)], children
    if not held.flags.writeable:
        # Somebody else may write where it may not: the owner of its memory.
        return [], [] if held.base is None else [visit.to(".base", held.base)]
    return [containers.KeptArray(held)] if visit.contents else [], ()


def _function(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    held: types.FunctionType = visit.value
    if _top(held.__module__) in _LIBRARIES:
        cells = held.__closure__ or ()
        return [containers.KeptCell(cell) for cell in cells], _in_cells(visit, cells)
    names = [name for name in held.__code__.co_names if name in held.__globals__]
    globally = [visit.to(f"<{name}>", held.__globals__[name]) for name in names]
    children = [child for child in globally if _is_small_state(child.value)]
    children += [visit.to("()", entry) for entry in (*(held.__defaults__ or ()), held.__kwdefaults__)]
    cells = held.__closure__ or ()
    return [containers.KeptCell(cell) for cell in cells], [*children, *_in_cells(visit, cells)]


def _in_cells(visit: Visit, cells: Iterable[types.CellType]) -> list[Visit]:
    return [visit.to("<closure>", held) for cell in cells for held in containers.contents_of(cell)]


def _method(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    return [], [visit.to("", visit.value.__self__), visit.to("", visit.value.__func__)]


def _built_in(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    """A function in C: a method such as `store.pop` belongs to an object, others to their module."""
    return [], [visit.to("", visit.value.__self__)]


def _partial(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    held: functools.partial[Any] = visit.value
    return [], [
        visit.to(".func", held.func),
        visit.to(".args", held.args),
        visit.to(".keywords", held.keywords),
    ]


def _handle(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    """A hook that takes itself away empties the dictionary that its handle knows."""
    hooks = visit.value.hooks_dict_ref()
    return ([], ()) if hooks is None else ([containers.KeptDict(hooks)], ())


def _file(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    held: io.IOBase = visit.value
    if held.closed or not held.readable() or held.writable() or not held.seekable():
        return [], ()
    return [Rewound(functools.partial(held.seek, held.tell()))], ()


def _object(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    value = visit.value
    attributes = getattr(value, "__dict__", None)
    if isinstance(attributes, dict) and any(isinstance(own, _ALIVE) for own in attributes.values()):
        return [], ()
    slots = containers.KeptSlots.of(value)
    children = [] if slots is None else [visit.to(f".{name}", own) for name, own in slots.entries()]
    kept: list[Kept] = [] if slots is None else [slots]
    if isinstance(attributes, dict):
        return kept, [*children, *_attributes_of(visit), *_classes(visit)]
    return kept, children


def _attributes_of(visit: Visit) -> list[Visit]:
    """An object's attributes, as the dictionary they are in: objects may share one."""
    attributes = getattr(visit.value, "__dict__", None)
    if not isinstance(attributes, dict) or (not attributes and isinstance(visit.value, Tensor)):
        return []
    # A data set holds rows to read; they are not copied.
    rows = isinstance(visit.value, Dataset)
    return [Visit(visit.path, _Attributes(attributes), visit.contents and not rows)]


class _Attributes:
    """The attributes of one object, on their way to be opened."""

    def __init__(self, held: dict[str, Any]) -> None:
        self.held = held


def _open_attributes(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    held = visit.value.held
    lead = f"{visit.path}." if visit.path else ""
    return [containers.KeptDict(held)], [
        Visit(f"{lead}{name}", value, visit.contents and name not in _ROWS)
        for name, value in held.items()
        if name != "_iterator"
    ]


def _classes(visit: Visit) -> list[Visit]:
    """The classes that somebody wrote for this run, whose attributes may hold state as well."""
    return [visit.to("", kind) for kind in _own_classes(type(visit.value))]  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _own_classes(kind: type) -> tuple[type, ...]:
    return tuple(own for own in kind.__mro__ if _top(own.__module__) not in _LIBRARIES)


def _class(visit: Visit, reach: Reach) -> Opened:  # noqa: ARG001 - an opener
    children = [
        visit.to(f".{name}", own)
        for name, own in list(vars(visit.value).items())
        if _is_small_state(own) or (name in _CALLED and isinstance(own, types.FunctionType))
    ]
    return [containers.KeptClass(visit.value)], children


def _is_small_state(value: object) -> bool:
    """What a class or a script holds for its model to change; large arrays there are data to read."""
    if isinstance(value, Tensor | np.ndarray):
        return math.prod(value.shape) <= _LARGEST
    return rewind(value) is not None or type(value) in _SMALL


def _top(module: str | None) -> str:
    return (module or "").partition(".")[0]


def is_plain(value: object) -> bool:
    """Whether a value can hold nothing that changes."""
    return type(value) in _PLAIN


def _is_left_alone(value: object) -> bool:
    if isinstance(value, type):
        return _top(value.__module__) in _LIBRARIES
    return isinstance(value, (*_ALIVE, *_OTHERS)) or _is_kind_left_alone(type(value))


def _is_kind_left_alone(kind: type) -> bool:
    module = kind.__module__ or ""
    return (
        issubclass(kind, (*_ALIVE, *_OTHERS))
        or _top(module) in _SERVICES
        or module.startswith(_TORCH_SERVICES)
        or (module.startswith("torch.utils.data") and kind.__name__.endswith("LoaderIter"))
    )


_PLAIN = frozenset({type(None), bool, int, float, complex, str, bytes, range, slice, type(...)})
_EMPTIED = (dict, collections.OrderedDict, set)
_ALWAYS_OPENED = (Tensor, nn.Module, _Attributes)
_CALLED = ("forward", "__call__", "__iter__", "__getitem__")
_ROWS = ("dataset", "datasets", "data_source")
_LARGEST = 2**20
_SMALL = (list, dict, set, bytearray, collections.deque, collections.OrderedDict, collections.defaultdict)
_LIBRARIES = frozenset(
    {"torch", "numpy", "builtins", "typing", "abc", "collections", "functools", "enum", "dataclasses"}
    | {"lightning", "pytorch_lightning", "lightning_fabric", "torch_geometric", "torchmetrics", "chemprop"}
    | {"transformers", "accelerate", "diffusers", "gradprobe", "types", "random", "itertools", "threading"}
    | set(sys.stdlib_module_names)
)
# Whoever holds one of these has a life of its own: taking it back would lose what others rely on.
_ALIVE: tuple[type, ...] = (
    *(
        threading.Thread,
        threading.Event,
        threading.Condition,
        type(threading.Lock()),
        type(threading.RLock()),
    ),
    *(queue.Queue, socket.socket, threading.local),
)
_OTHERS: tuple[type, ...] = (
    *(types.ModuleType, weakref.ref, weakref.ProxyType, property),
    *(weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet, torch.optim.Optimizer),
    *(logging.Logger, logging.Handler),
)
_SERVICES = frozenset(
    {
        "gradprobe",
        "lightning",
        "pytorch_lightning",
        "lightning_fabric",
        "logging",
        "threading",
        "multiprocessing",
    }
    | {
        "concurrent",
        "queue",
        "asyncio",
        "socket",
        "subprocess",
        "ctypes",
        "inspect",
        "importlib",
        "typing",
        "enum",
    }
    | {
        "wandb",
        "mlflow",
        "comet_ml",
        "neptune",
        "tensorboard",
        "tensorboardX",
        "clearml",
        "aim",
        "tqdm",
        "rich",
    }
    | {"pandas", "pyarrow", "polars", "rdkit", "matplotlib", "sklearn", "scipy", "re", "pathlib"}
)
_TORCH_SERVICES = (
    *("torch._C", "torch.distributed", "torch.optim", "torch.cuda", "torch.utils.tensorboard"),
    *(
        "torch._dynamo",
        "torch._inductor",
        "torch._functorch",
        "torch.fx",
        "torch.jit",
        "torch._ops",
        "torch.autograd",
    ),
)
_Opener = Callable[[Visit, "Reach"], Opened]
_OPENERS: tuple[tuple[Any, _Opener], ...] = (
    (Tensor, _tensor),
    (nn.Module, _module),
    (_Attributes, _open_attributes),
    ((types.GeneratorType, types.AsyncGeneratorType), _running),
    (type, _class),
    (dict, _mapping),
    ((list, collections.deque), _sequence),
    ((tuple, frozenset), _fixed),
    (set, _set),
    ((bytearray, array.array), _bytes),
    (np.ndarray, _array),
    (types.FunctionType, _function),
    (types.MethodType, _method),
    (types.BuiltinFunctionType, _built_in),
    (functools.partial, _partial),
    (RemovableHandle, _handle),
    (io.IOBase, _file),
)
