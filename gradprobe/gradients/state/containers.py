"""Containers: which entries they had, put back in place where they changed."""

from __future__ import annotations

import array
import collections
import copy
import itertools
import operator
import types
import warnings
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np

from gradprobe.gradients.state.kept import Kept

_ABSENT = object()
# Iterators of which a copy continues from the same place. Others cannot be read without using them up.
_COUNTERS: tuple[type, ...] = (
    itertools.count,
    itertools.repeat,
    type(iter([])),
    type(iter(())),
    type(iter(range(0))),
)


class KeptDict(Kept):
    """A dictionary, of any class: methods that refuse to change it are passed by."""

    def __init__(self, held: dict[Any, Any]) -> None:
        self._held = held
        self._kind: Any = collections.OrderedDict if isinstance(held, collections.OrderedDict) else dict
        self._keys = list(self._kind.keys(held))
        self._values = list(self._kind.values(held))

    def protect(self) -> None:
        """Let others count on with a copy."""
        if not _any_counter(self._values):
            return
        for key, value in zip(self._keys, self._values, strict=True):
            if isinstance(value, _COUNTERS):
                self._kind.__setitem__(self._held, key, _copied(value))

    def restore(self) -> None:
        """Put entries and their order back."""
        same_keys = _same(self._kind.keys(self._held), self._keys)
        if same_keys and _same(self._kind.values(self._held), self._values):
            return
        self._kind.clear(self._held)
        for key, value in zip(self._keys, self._values, strict=True):
            self._kind.__setitem__(self._held, key, value)


class KeptEmpty(Kept):
    """Dictionaries and sets that are empty, as most registries of a module are: many for the price of one."""

    def __init__(self, held: list[dict[Any, Any] | set[Any]]) -> None:
        self._held = held

    def restore(self) -> None:
        """Empty those that were filled."""
        for one in self._held:
            if one:
                one.clear()


class KeptList(Kept):
    """A list, of any class."""

    def __init__(self, held: list[Any]) -> None:
        self._held = held
        self._items = list(held)

    def protect(self) -> None:
        """Let others count on with a copy."""
        for place, value in enumerate(self._items if _any_counter(self._items) else ()):
            if isinstance(value, _COUNTERS):
                list.__setitem__(self._held, place, _copied(value))

    def restore(self) -> None:
        """Put the entries back."""
        if not _same(list.copy(self._held), self._items):
            list.__setitem__(self._held, slice(None), self._items)


class KeptDeque(Kept):
    """A deque; its greatest length is fixed anyway."""

    def __init__(self, held: collections.deque[Any]) -> None:
        self._held = held
        self._items = list(held)

    def restore(self) -> None:
        """Put the entries back."""
        if not _same(list(self._held), self._items):
            collections.deque.clear(self._held)
            collections.deque.extend(self._held, self._items)


class KeptSet(Kept):
    """A set; the order in which it is gone through is not kept."""

    def __init__(self, held: set[Any]) -> None:
        self._held = held
        self._items = set(held)

    def restore(self) -> None:
        """Put the entries back."""
        if self._held != self._items:
            set.clear(self._held)
            set.update(self._held, self._items)


class KeptBytes(Kept):
    """A bytearray, or an array of Python's."""

    def __init__(self, held: bytearray | array.array[Any]) -> None:
        self._held: Any = held
        self._items: Any = held[:]

    def restore(self) -> None:
        """Put the contents back."""
        if self._held.__class__.__ne__(self._held, self._items):
            self._held[:] = self._items


class KeptArray(Kept):
    """A NumPy array that may be written to."""

    def __init__(self, held: np.ndarray[Any, Any]) -> None:
        self._held = held
        self._shape = held.shape
        self._items = np.array(held, copy=True, subok=False)

    def restore(self) -> None:
        """Put shape and contents back."""
        if self._held.shape != self._shape:
            self._held.resize(self._shape, refcheck=False)
        plain = np.asarray(self._held)
        if plain.dtype.hasobject:
            changed = not _same(list(plain.flat), list(self._items.flat))
        else:
            changed = plain.tobytes() != self._items.tobytes()
        if changed:
            np.copyto(plain, self._items)


class KeptCell(Kept):
    """A variable that a function closes over."""

    def __init__(self, cell: types.CellType) -> None:
        self._cell = cell
        self._held = next(contents_of(cell), _ABSENT)

    def protect(self) -> None:
        """Let others count on with a copy."""
        if isinstance(self._held, _COUNTERS):
            self._cell.cell_contents = _copied(self._held)

    def restore(self) -> None:
        """Put the variable back."""
        if self._held is _ABSENT:
            if next(contents_of(self._cell), _ABSENT) is not _ABSENT:
                del self._cell.cell_contents
        elif next(contents_of(self._cell), _ABSENT) is not self._held:
            self._cell.cell_contents = self._held


class KeptSlots(Kept):
    """The attributes of an object whose class names them beforehand."""

    def __init__(self, held: object, names: list[str]) -> None:
        self._held = held
        self._values = {name: getattr(held, name, _ABSENT) for name in names}

    @classmethod
    def of(cls, held: object) -> KeptSlots | None:
        """The slots that Python code defined; None where there are none."""
        names = [
            name
            for kind in type(held).__mro__
            for name, slot in vars(kind).items()
            if isinstance(slot, types.MemberDescriptorType) and "__slots__" in vars(kind)
        ]
        return cls(held, names) if names else None

    def entries(self) -> Iterator[tuple[str, Any]]:
        """The attributes that are set."""
        yield from ((name, value) for name, value in self._values.items() if value is not _ABSENT)

    def restore(self) -> None:
        """Put the attributes back."""
        for name, value in self._values.items():
            if getattr(self._held, name, _ABSENT) is not value:
                if value is _ABSENT:
                    object.__delattr__(self._held, name)
                else:
                    object.__setattr__(self._held, name, value)


class KeptClass(Kept):
    """The attributes of a class that hold values rather than code."""

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._values = {name: value for name, value in vars(kind).items() if _is_value(name, value)}

    def protect(self) -> None:
        """Let others count on with a copy."""
        for name, value in self._values.items():
            if isinstance(value, _COUNTERS):
                setattr(self._kind, name, _copied(value))

    def restore(self) -> None:
        """Put the attributes back."""
        for name, value in self._values.items():
            if vars(self._kind).get(name, _ABSENT) is not value:
                setattr(self._kind, name, value)


def contents_of(cell: types.CellType) -> Iterator[Any]:
    """What a cell holds: one value or, before it is assigned, none."""
    try:
        yield cell.cell_contents
    except ValueError:
        return


def _is_value(name: str, value: object) -> bool:
    return not (name.startswith("__") or callable(value) or hasattr(value, "__get__") or name == "_abc_impl")


def _copied(value: Any) -> Any:
    with warnings.catch_warnings():
        # Python 3.12 says that 3.14 will no longer copy the iterators of itertools.
        warnings.simplefilter("ignore", DeprecationWarning)
        return copy.copy(value)


def _any_counter(values: Iterable[Any]) -> bool:
    return any(map(_counts, map(type, values)))


@lru_cache(maxsize=1024)
def _counts(kind: type) -> bool:
    return issubclass(kind, _COUNTERS)


def _same(one: Collection[Any], other: Collection[Any]) -> bool:
    """Whether the entries are the very same objects, in order."""
    return len(one) == len(other) and all(map(operator.is_, one, other))
