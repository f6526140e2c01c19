"""Tensors: their memory, their place in it and their version, kept and put back."""

from __future__ import annotations

import weakref
from collections.abc import Iterator, MutableMapping

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy
from torch.utils.weak import WeakTensorKeyDictionary

from gradprobe.gradients.state.kept import Kept


class KeptTensor(Kept):
    """One tensor as it stands: where it points to, and the bits there.

    Code that runs in between may write into the tensor, point it elsewhere (`tensor.data = other`) or
    free its memory (`resize_(0)`). All of that is undone, and the version counter too, so that autograd
    does not take the tensor for modified by the caller. Nothing is written where nothing changed.

    With `contents=False` only the place is kept. `size` is that of the memory behind the tensor, in bytes.
    """

    def __init__(self, tensor: Tensor, *, contents: bool = True) -> None:
        self._tensor = tensor
        self._place = tensor.data
        self.size = _bytes(tensor)
        self._version = None if tensor.is_inference() else tensor._version
        self._trained = tensor.requires_grad
        # A sparse tensor's `.data` shares no structure with it, so that such a one is written to itself.
        plain = self._place if tensor.layout == torch.strided else tensor
        self._window = _bits(_writable(plain)) if contents and self.size != 0 else None
        self._copy = None if self._window is None else self._copied(self._window)

    def restore(self) -> None:
        """Put the tensor back."""
        tensor = self._tensor
        if not self._is_unchanged():
            with torch.no_grad(), torch.inference_mode(tensor.is_inference()):
                self._write_back()
        if tensor.is_leaf and tensor.requires_grad != self._trained:
            tensor.requires_grad_(self._trained)

    def _copied(self, window: Tensor) -> Tensor:
        frozen = not (self._trained or self._tensor.is_inference() or torch.is_inference_mode_enabled())
        if frozen and window.dtype in _EXACT and _SMALLEST <= self.size <= _MOST:
            return _standing_copy(self, self._tensor, window)
        return window.detach().clone()

    def _is_unchanged(self) -> bool:
        tensor, window, copy = self._tensor, self._window, self._copy
        return (
            (self._version is None or tensor._version == self._version)
            and _bytes(self._place) == self.size
            and _same_place(tensor, self._place)
            and (window is None or copy is None or same_bits(window, copy))
        )

    def _write_back(self) -> None:
        tensor, window, copy = self._tensor, self._window, self._copy
        if _bytes(self._place) != self.size:
            self._place.untyped_storage().resize_(self.size)
        if not _same_place(tensor, self._place):
            tensor.data = self._place
        if window is not None and copy is not None and not same_bits(window, copy):
            window.copy_(copy)
        if self._version is not None and tensor._version != self._version:
            torch._C._autograd._unsafe_set_version_counter((tensor,), (self._version,))


# Of frozen tensors from this many bytes on the copy stands from one measurement to the next, and only of so
# many bytes in all that no training runs out of memory for it.
_SMALLEST, _MOST = 1 << 20, 1 << 30
# Tensor -> its copy, and who relies on it now.
_standing: MutableMapping[Tensor, tuple[Tensor, weakref.ref[KeptTensor]]] = WeakTensorKeyDictionary()


def _standing_copy(user: KeptTensor, tensor: Tensor, window: Tensor) -> Tensor:
    """A copy of a window on a tensor: the one of the last measurement where nothing was written since.

    Whether anything was is told by the values, since version counters miss what is written through `.data`.
    """
    copy, last = _standing.get(tensor, (None, None))
    if last is not None and last() is not None:
        return window.detach().clone()
    alike = copy is not None and (copy.shape, copy.dtype, copy.device) == (
        window.shape,
        window.dtype,
        window.device,
    )
    if copy is None or not alike:
        _standing.pop(tensor, None)
        copy = window.detach().clone()
        if sum(other.untyped_storage().nbytes() for other, _ in _standing.values()) > _MOST - user.size:
            return copy
    elif not torch.equal(copy, window):
        copy.copy_(window)
    _standing[tensor] = (copy, weakref.ref(user))
    return copy


def parts(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    """The plain tensors inside one that merely wraps others (quantised weights, shards)."""
    if hasattr(tensor, "__tensor_flatten__"):
        for name in tensor.__tensor_flatten__()[0]:
            yield name, getattr(tensor, name)


def has_memory(tensor: Tensor) -> bool:
    """Whether there is anything to keep: not for lazy, meta and fake tensors."""
    return not (is_lazy(tensor) or tensor.is_meta or type(tensor).__name__ == "FakeTensor")


def same_bits(one: Tensor, other: Tensor) -> bool:
    """Equality bit for bit of two tensors of one layout: NaN equals itself, 0.0 does not equal -0.0."""
    if one.layout == torch.sparse_coo:
        return same_bits(one._indices(), other._indices()) and same_bits(one._values(), other._values())
    if one.layout != torch.strided:
        return False
    if one.is_quantized:
        return torch.equal(one.int_repr(), other.int_repr())
    return one.shape == other.shape and torch.equal(_as_integers(one), _as_integers(other))


_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_EXACT = frozenset({torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64})


def _bits(tensor: Tensor) -> Tensor:
    """The same memory as integers, which are compared bit for bit; the tensor where there is no such view."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_neg():
        return tensor
    return tensor.view(_INTEGERS[tensor.element_size()])


def _as_integers(tensor: Tensor) -> Tensor:
    if tensor.dtype in _EXACT:
        return tensor
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    return tensor.resolve_neg().view(_INTEGERS[tensor.element_size()])


def _bytes(tensor: Tensor) -> int:
    """The size of the memory behind a tensor; -1 where it has none of its own."""
    try:
        return tensor.untyped_storage().nbytes() if tensor.layout == torch.strided else -1
    except NotImplementedError:
        return -1


def _same_place(one: Tensor, other: Tensor) -> bool:
    if one.layout != torch.strided or one.is_quantized:
        return True
    if one.device.type in ("cpu", "cuda"):
        return one.dtype == other.dtype and one.is_set_to(other)
    return (
        one.dtype == other.dtype
        and one.shape == other.shape
        and one.stride() == other.stride()
        and one.storage_offset() == other.storage_offset()
        and one.untyped_storage()._cdata == other.untyped_storage()._cdata
    )


def _writable(tensor: Tensor) -> Tensor:
    """The tensor, or where elements share memory, what is behind each of them once."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_contiguous():
        return tensor
    for dimension, (step, size) in enumerate(zip(tensor.stride(), tensor.shape, strict=True)):
        if step == 0 and size > 1:
            tensor = tensor.narrow(dimension, 0, 1)
    if _overlaps(tensor):
        return torch.empty(0, dtype=tensor.dtype, device=tensor.device).set_(tensor.untyped_storage())
    return tensor


def _overlaps(tensor: Tensor) -> bool:
    """Whether two elements may share memory, as in windows made by `unfold`."""
    reach = 1
    for step, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size > 1:
            if step < reach:
                return True
            reach = step * (size - 1) + reach
    return False
