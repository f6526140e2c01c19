import subprocess
import sys

import numpy as np
import pytest

from gradprobe.combiners import get, names
from gradprobe.errors import InputError

OPTIONS = {"weighted": {"focal_share": 0.5}}


@pytest.mark.parametrize("name", names())
def test_each_name_gives_the_combiner_that_bears_it(name):
    combiner = get(name, **OPTIONS.get(name, {}))
    assert combiner.name == name
    assert combiner.needs_gramian == (name not in {"average", "weighted"})
    assert combiner.weights(np.eye(3), losses=np.ones(3)).shape == (3,)


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(InputError, match=r"expected one of average, .*mgda; got 'pc_grad'"):
        get("pc_grad")


def test_an_unknown_option_names_the_valid_ones():
    with pytest.raises(InputError, match=r"cagrad: expected some of c, rescale; got alpha"):
        get("cagrad", alpha=0.4)
    with pytest.raises(InputError, match=r"mgda: expected no options; got seed"):
        get("mgda", seed=1)
    with pytest.raises(InputError, match=r"pcgrad: expected some of seed, order, reduction; got _generator"):
        get("pcgrad", _generator=None)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cagrad", {"c": -0.1}, "c: expected a number of at least 0, got -0.1"),
        ("cagrad", {"c": float("nan")}, "c: expected a number"),
        ("cagrad", {"c": "0.4"}, "c: expected a number"),
        ("cagrad", {"rescale": 1}, "rescale: expected one of none, "),
        ("pcgrad", {"order": "shuffled"}, "order: expected one of random, fixed; got 'shuffled'"),
        ("pcgrad", {"reduction": "max"}, "reduction: expected one of mean, sum"),
        ("pcgrad", {"seed": -1}, "seed: expected a number of at least 0"),
        ("pcgrad", {"seed": 0.5}, "seed: expected a non-negative integer, got 0.5"),
        ("cosine_gating", {"reduction": "median"}, "reduction: expected one of mean, sum, weighted"),
        ("gragr", {"smoothing": -1}, "smoothing: expected a number of at least 0"),
        ("gragr", {"first": "average"}, "first: expected one of projection, smoothing"),
        ("weighted", {}, "expected exactly one of focal_share and shares"),
        ("weighted", {"focal_share": 0.5, "shares": (1, 2)}, "expected exactly one of"),
        ("weighted", {"focal_share": 1.5}, "focal_share: expected a number between 0 and 1, got 1.5"),
        ("weighted", {"shares": (1.0, -1.0)}, "shares: expected a number of at least 0, got -1"),
        ("weighted", {"shares": (0.0, 0.0)}, "shares: expected at least one positive number"),
    ],
)
def test_an_option_out_of_range_is_named_with_its_range(name, options, message):
    with pytest.raises(InputError, match=message):
        get(name, **options)


def test_importing_the_combiners_loads_neither_torch_nor_scipy():
    code = "import sys, gradprobe.combiners; print(sorted({'torch', 'scipy', 'pandas'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
