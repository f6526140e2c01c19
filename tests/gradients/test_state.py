from __future__ import annotations

import array
import collections
import functools
import gc
import itertools
import random
import threading
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from gradprobe.errors import InputError
from gradprobe.gradients.state import Reach, Snapshot
from gradprobe.gradients.state.tensors import _standing
from gradprobe.probes import GradientProbe, inert

MODEL = Reach(refuse="model")


class Frozen(dict):
    """As diffusers' configurations and torch.fx's dictionaries refuse to change."""

    def _refuse(self, *_, **__):
        raise TypeError("frozen")

    update = clear = __setitem__ = __delitem__ = pop = _refuse


class Slotted:
    __slots__ = ("late", "value")

    def __init__(self):
        self.value = [1]


class Helper:
    calls = 0

    def __init__(self):
        self.mean = torch.zeros(3)

    def update(self):
        Helper.calls += 1
        self.mean += 1


def _counter():
    count = 0

    def step():
        nonlocal count
        count += 1
        return count

    return step


# What a module may hold, how it is moved, and what to read of it.
CASES = {
    "tensor": (lambda: torch.zeros(3), lambda v: v.add_(1), lambda v: v.tolist()),
    "minus zero": (lambda: torch.zeros(3), lambda v: v.neg_(), lambda v: torch.signbit(v).tolist()),
    "nan": (lambda: torch.full((2,), float("nan")), lambda v: v.zero_(), lambda v: v.isnan().tolist()),
    "bfloat16": (lambda: torch.zeros(3).bfloat16(), lambda v: v.add_(1), lambda v: v.tolist()),
    "complex": (lambda: torch.zeros(3, dtype=torch.complex64), lambda v: v.add_(1j), lambda v: v.tolist()),
    "windows": (lambda: torch.arange(6.0).unfold(0, 3, 1), lambda v: v[0].zero_(), lambda v: v.tolist()),
    "pointed elsewhere": (lambda: torch.zeros(3), lambda v: v.set_(torch.ones(2)), lambda v: v.tolist()),
    "freed": (
        lambda: torch.ones(3),
        lambda v: v.untyped_storage().resize_(0),
        lambda v: v.untyped_storage().nbytes() and v.tolist(),
    ),
    "sparse": (
        lambda: torch.eye(2).to_sparse().coalesce(),
        lambda v: v.values().add_(1),
        lambda v: v.to_dense().tolist(),
    ),
    "nested": (
        lambda: {"a": [(torch.zeros(2),)]},
        lambda v: v["a"][0][0].add_(1),
        lambda v: v["a"][0][0].tolist(),
    ),
    "order": (lambda: collections.OrderedDict(a=1, b=2), lambda v: v.move_to_end("a"), list),
    "empty dict": (dict, lambda v: v.update(a=1), dict),
    "default dict": (lambda: collections.defaultdict(list), lambda v: v["x"].append(1), dict),
    "count of each": (collections.Counter, lambda v: v.update("ab"), dict),
    "list": (lambda: [1], lambda v: v.insert(0, 2), list),
    "deque": (lambda: collections.deque([1, 2], 2), lambda v: v.append(3), lambda v: (list(v), v.maxlen)),
    "set": (lambda: {1}, lambda v: v.add(2), sorted),
    "bytes": (lambda: bytearray(b"a"), lambda v: v.extend(b"b"), bytes),
    "array of Python's": (lambda: array.array("d", [1.0]), lambda v: v.append(2.0), list),
    "array": (lambda: np.zeros((2, 2)), lambda v: v.__iadd__(1), lambda v: v.tolist()),
    "array of objects": (
        lambda: np.array([[1], None], dtype=object),
        lambda v: v[0].append(2),
        lambda v: [list(v[0]), v[1]],
    ),
    "generator of torch": (
        torch.Generator,
        lambda v: torch.rand(1, generator=v),
        lambda v: v.get_state().tolist(),
    ),
    "generator of NumPy": (
        lambda: np.random.default_rng(1),
        lambda v: v.random(),
        lambda v: str(v.bit_generator.state),
    ),
    "bits of NumPy": (lambda: np.random.PCG64(1), lambda v: v.random_raw(), lambda v: str(v.state)),
    "random": (lambda: random.Random(1), lambda v: v.random(), lambda v: v.getstate()),
    "bound": (lambda: random.Random(1).random, lambda v: v(), lambda v: v.__self__.getstate()),
    "partial": (
        lambda: functools.partial(torch.rand, 1, generator=torch.Generator()),
        lambda v: v(),
        lambda v: v.keywords["generator"].get_state().tolist(),
    ),
    "closure": (_counter, lambda v: v(), lambda v: v.__closure__[0].cell_contents),
    "object": (Helper, lambda v: v.update(), lambda v: (v.mean.tolist(), Helper.calls)),
    "slots": (
        Slotted,
        lambda v: (v.value.append(2), setattr(v, "late", 1)),
        lambda v: (list(v.value), hasattr(v, "late")),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_whatever_a_module_holds_is_put_back_in_place(case):
    make, move, read = case
    model = nn.Linear(2, 2)
    model.held = held = make()
    before = read(held)
    with inert(model):
        move(held)
        assert read(held) != before
    assert model.held is held
    assert read(held) == before


def test_counters_that_cannot_be_rewound_are_counted_on_a_copy():
    model = nn.Linear(2, 2)
    model.number, model.more = itertools.count(5), {"own": itertools.count(), "list": [iter([1, 2])]}
    kept = model.number
    with inert(model):
        assert (next(model.number), next(model.more["own"]), next(model.more["list"][0])) == (5, 0, 1)
    assert model.number is kept
    assert (next(model.number), next(model.more["own"]), next(model.more["list"][0])) == (5, 0, 1)


def test_frozen_state_is_left_and_one_that_was_changed_anyway_comes_back():
    model = nn.Linear(2, 2)
    model.config, model.view = Frozen(width=6, layers=(1, 2)), MappingProxyType({"a": 1})
    with inert(model):
        pass
    assert model.config == {"width": 6, "layers": (1, 2)}
    with inert(model):
        dict.clear(model.config)
    assert model.config == {"width": 6, "layers": (1, 2)}


@pytest.fixture
def table():
    return {"table": torch.randn(512, 1024)}


def test_a_large_frozen_tensor_is_compared_with_one_copy_from_snapshot_to_snapshot(table):
    Snapshot(table).restore()
    place = _standing[table["table"]][0].data_ptr()
    Snapshot(table).restore()
    assert _standing[table["table"]][0].data_ptr() == place
    Snapshot({"small": torch.ones(3), "trained": nn.Parameter(table["table"].clone())})
    assert len(_standing) == 1
    table.clear()
    gc.collect()
    assert not _standing


def test_what_was_written_past_the_version_counter_between_snapshots_is_kept(table):
    Snapshot(table).restore()
    table["table"].data[3, 5] = -0.0
    snapshot = Snapshot(table)
    table["table"].data[3, 5] = 0.0
    snapshot.restore()
    assert torch.signbit(table["table"][3, 5])


def test_a_snapshot_within_another_leaves_the_copy_of_the_outer_one_alone(table):
    was = table["table"].clone()
    outer = Snapshot(table)
    table["table"].zero_()
    inner = Snapshot(table)
    table["table"].fill_(7)
    inner.restore()
    assert not table["table"].any()
    outer.restore()
    assert torch.equal(table["table"], was)


def test_a_parameter_keeps_its_memory_and_its_version():
    layer = nn.Linear(2, 2)
    loss = layer(torch.ones(1, 2, requires_grad=True)).square().sum()
    place, version = layer.weight.data_ptr(), layer.weight._version
    with inert(layer), torch.no_grad():
        layer.weight.add_(1)
        layer.bias.data = layer.bias.data * 2
        layer.weight.requires_grad_(False)
    assert (layer.weight.data_ptr(), layer.weight._version) == (place, version)
    assert layer.weight.requires_grad
    loss.backward()  # would say that the weight was modified in place


def test_what_nothing_changed_is_not_written():
    memory = np.arange(4.0)
    memory.flags.writeable = False
    model = nn.Linear(2, 2)
    model.table = memory
    model.shared = torch.zeros(3).share_memory_()
    version = model.shared._version
    with inert(model):
        pass
    assert model.shared._version == version


@pytest.mark.parametrize(
    ("held", "what"),
    [
        (
            lambda: {"deep": [torch.nested.nested_tensor([torch.ones(2), torch.ones(1)])]},
            "a nested tensor at",
        ),
        (lambda: {"deep": (n for n in range(3))}, "a generator object at"),
    ],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_state_that_cannot_be_put_back_is_refused_by_name_before_anything_is_touched(held, what):
    model = nn.Linear(2, 2)
    model.cache = held()
    model.count = 0
    outputs = model(torch.ones(3, 2))
    probe = GradientProbe(model, focal="a", shared=model)
    with pytest.raises(InputError, match=what) as refused:
        probe.measure({"a": outputs[:, 0], "b": outputs[:, 1]})
    assert "cache['deep']" in str(refused.value)
    with pytest.raises(InputError, match=what):
        probe.measure_loader([1], lambda *_: pytest.fail("a forward pass was made"), split="heldout")
    outputs.sum().backward()
    assert model.weight.grad is not None


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_a_scripted_module_with_a_counter_is_put_back():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.calls = 0
            self.inner = nn.Linear(2, 2)
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x):
            self.calls += 1
            self.seen.add_(1)
            return self.inner(x)

    model = nn.Sequential(torch.jit.script(Counting()))
    with inert(model):
        model(torch.ones(1, 2))
        assert (model[0].calls, model[0].seen.item()) == (1, 1)
    assert (model[0].calls, model[0].seen.item()) == (0, 0)


def test_objects_with_a_life_of_their_own_are_left_alone():
    class Service:
        def __init__(self):
            self.lock, self.sent = threading.Lock(), 0

    model = nn.Linear(2, 2)
    model.service, model.optimiser = Service(), torch.optim.SGD(model.parameters(), lr=1.0)
    with inert(model):
        model.service.sent += 1
        model.optimiser.param_groups[0]["lr"] = 2.0
    assert model.service.sent == 1
    assert model.optimiser.param_groups[0]["lr"] == 2.0


class Rows(Dataset):
    def __init__(self):
        self.x = torch.randn(8, 2, generator=torch.Generator().manual_seed(0))
        self.inner = {"noise": np.random.default_rng(3)}

    def __len__(self):
        return 8

    def __getitem__(self, place):
        return self.x[place] + self.inner["noise"].random()


class Shuffling:
    """Shuffles its own list in place, with a generator in a closure of the collator's."""

    def __init__(self):
        self.order, self.random = list(range(8)), random.Random(2)

    def __iter__(self):
        self.random.shuffle(self.order)
        return iter(list(self.order))

    def __len__(self):
        return 8


def _noisy_collate():
    draw = torch.Generator().manual_seed(5)
    return lambda rows: torch.stack(rows).float() + torch.rand(1, generator=draw)


def test_a_loader_gives_the_same_batches_after_a_measurement():
    def batches(measured):
        loader = DataLoader(Rows(), 4, sampler=Shuffling(), collate_fn=_noisy_collate())
        model = nn.Linear(2, 2)
        seen = [batch.tolist() for batch in loader]
        if measured:
            probe = GradientProbe(model, focal="a", shared=model)
            split = lambda model, x: dict(zip("ab", model(x).T, strict=True))  # noqa: E731
            probe.measure_loader(loader, split, split="train")
        return seen + [batch.tolist() for batch in loader]

    assert batches(measured=True) == batches(measured=False)


def test_the_rows_of_a_data_set_are_not_copied():
    loader = DataLoader(Rows(), 4)
    loader.dataset.x = torch.zeros(1, 1).expand(1 << 40, 2)  # too large to be copied
    Snapshot({"": loader}, Reach(refuse="loader", modules=False, longest=100)).restore()


CENTRE = torch.zeros(2)


class Centred(nn.Module):
    seen = torch.zeros(2)
    counts = np.zeros(2)

    def forward(self, x):
        CENTRE.add_(1)
        self.seen.add_(x.detach().mean(0))
        Centred.counts += 1
        return x - CENTRE


def test_tensors_of_a_class_and_of_the_script_are_put_back():
    model = Centred()
    with inert(model):
        model(torch.ones(3, 2))
        assert CENTRE.any()
    assert not CENTRE.any()
    assert not Centred.seen.any()
    assert not Centred.counts.any()
