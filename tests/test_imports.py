"""What an import pulls in, seen in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "matplotlib", "seaborn", "rdkit", "chemprop", "torch_geometric", "pandas", "lightning")


def _loaded(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


def test_the_package_alone_pulls_in_nothing_heavy():
    assert _loaded("import gradprobe").isdisjoint({*HEAVY, "numpy", "scipy"})


def test_reading_and_combining_need_no_torch_and_no_plotting():
    statement = "import gradprobe.geometry, gradprobe.trace, gradprobe.combiners, gradprobe.errors"
    assert _loaded(statement).isdisjoint({"torch", "matplotlib", "seaborn", "rdkit", "chemprop"})


def test_the_core_needs_no_plotting_and_no_chemistry():
    loaded = _loaded("from gradprobe import GradientProbe, RepresentationProbe, Trace")
    assert "torch" in loaded
    assert loaded.isdisjoint({"matplotlib", "seaborn", "rdkit", "chemprop", "torch_geometric", "lightning"})


def test_a_name_that_is_not_there_is_an_attribute_error():
    import gradprobe

    with pytest.raises(AttributeError, match="has no attribute 'absent'"):
        _ = gradprobe.absent
    assert set(gradprobe.__all__) <= set(dir(gradprobe))
