import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
MOST_ADDED_LINES = 10


def missing_packages(example):
    imported = re.findall(r"^(?:import|from) (\w+)", example.read_text(encoding="utf-8"), re.MULTILINE)
    return [package for package in imported if find_spec(package) is None]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_attaches_a_probe_in_at_most_ten_lines(example):
    lines = example.read_text(encoding="utf-8").splitlines()
    added = [line for line in lines if line.endswith("# added")]
    assert 1 <= len(added) <= MOST_ADDED_LINES
    assert all("gradprobe" in line or "probe" in line for line in added)
    rest = "\n".join(line for line in lines[: lines.index("def main() -> None:")] if line not in added)
    assert "gradprobe" not in rest  # every line that attaches the probe is marked


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs_and_shows_its_cosines_and_report(example, tmp_path):
    if missing := missing_packages(example):
        pytest.skip(f"not installed: {', '.join(missing)}")
    found = subprocess.run(
        [sys.executable, example],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert len(lines) >= 4
    assert (tmp_path / lines[-1]).read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    # The last column of what they print is a cosine.
    cosines = [float(match) for match in re.findall(r"(-?[01]\.\d+)$", found.stdout, re.MULTILINE)]
    assert len(cosines) >= 4
    assert all(-1 <= value <= 1 for value in cosines)
