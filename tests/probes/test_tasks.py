import pytest
import torch
from torch import nn

import gradprobe
from gradprobe.errors import InputError


def test_rows_go_to_the_task_of_their_id_in_their_order():
    losses = torch.arange(6.0)
    ids = torch.tensor([2, 0, 2, 1, 0, 2])
    parts = gradprobe.by_task(losses, ids, ["a", "b", "c"])
    slow = {name: [float(losses[row]) for row in range(6) if ids[row] == k] for k, name in enumerate("abc")}
    assert {name: part.tolist() for name, part in parts.items()} == slow


def test_tokens_outside_the_mask_count_for_no_task():
    losses, mask = torch.arange(12.0).reshape(3, 4), torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]])
    parts = gradprobe.by_task(losses, torch.tensor([7, 5, 7]), {5: "code", 7: "web"}, mask=mask)
    assert {name: part.tolist() for name, part in parts.items()} == {
        "code": [5.0, 6.0, 7.0],
        "web": [0.0, 1.0, 8.0],
    }


def test_a_task_without_rows_has_an_empty_vector_and_the_probe_measures_the_others():
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    losses = model(torch.randn(8, 4)).square().mean(dim=1)
    parts = gradprobe.by_task(losses, torch.tensor([0, 1] * 4), ["a", "b", "never"])
    assert parts["never"].shape == (0,)
    record = gradprobe.GradientProbe(model, focal="a", shared=model).measure(parts)
    assert record.gramian.tasks == ("a", "b")
    gradients = [torch.autograd.grad(parts[t].mean(), model.parameters(), retain_graph=True) for t in "ab"]
    squares = [float(sum(part.double().square().sum() for part in parts)) for parts in gradients]
    assert record.gramian.total.diagonal().tolist() == pytest.approx(squares, rel=1e-5)


@pytest.mark.parametrize(
    ("losses", "ids", "names", "options", "says"),
    [
        (torch.ones(()), torch.zeros(1, dtype=int), ["a"], {}, "row_losses: expected losses"),
        (torch.ones(2), torch.zeros(3, dtype=int), ["a"], {}, "one id for each of 2 rows"),
        (torch.ones(2), torch.zeros(2), ["a"], {}, "expected whole numbers, got torch.float32"),
        (torch.ones(2), torch.tensor([0, 4]), ["a"], {}, r"got \[4\]; name each id"),
        (torch.ones(2), torch.tensor([0, 1]), ["a", "a"], {}, "a name of its own"),
        (torch.ones(2), torch.tensor([0, 0]), ["a"], {"mask": torch.ones(3)}, "mask: expected the shape"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(losses, ids, names, options, says):
    with pytest.raises(InputError, match=says):
        gradprobe.by_task(losses, ids, names, **options)
