"""A tiny study, and what a reader sees of its folder."""

from __future__ import annotations

import io
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from gradprobe.errors import TrainingError
from gradprobe.reports import show, summarise
from gradprobe.reports.compare.verdict_file import verdict_json
from gradprobe.studies import StudyConfig, plan_study, run_study
from gradprobe.trace import Trace
from tests.studies._tables import small_config, write_table

COMMAND = ("campaign",)


@dataclass(frozen=True)
class Reference:
    """A study that ran through undisturbed in `folder`, and the `seconds` that it took."""

    config: StudyConfig
    folder: Path


def reference(place: Path) -> Reference:
    """Two combiners and two seeds of a tiny network, run in this process."""
    config = small_config(write_table(place / "table.csv"))
    run(config, place / "reference")
    return Reference(config, place / "reference")


def run(config: StudyConfig, folder: Path) -> None:
    """Run a study, or what is missing of it.

    Raises:
        GradprobeError: it cannot be run.
        TrainingError: a cell failed, with the reason.
    """
    outcome = run_study(plan_study(config, folder, command=COMMAND), jobs=1)
    if outcome.failures:
        raise TrainingError(outcome.failures[0].error)


def results(folder: Path) -> bytes:
    """The table of results."""
    return (folder / "results.csv").read_bytes()


def traces(folder: Path) -> dict[str, str]:
    """Every cell's measurements, as text that is equal where they are."""
    return {
        str(path.relative_to(folder)): Trace.load(path).frame().to_csv()
        for path in sorted(folder.glob("cells/*/trace"))
    }


def seen(folder: Path) -> str:
    """Everything that the terminal and verdict.json show of a study."""
    summary = summarise(folder)
    console = Console(file=io.StringIO(), width=4000, color_system=None)
    console.print(show(summary))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue() + verdict_json(summary)


def copied(source: Path, target: Path) -> Path:
    """A fresh copy of a folder."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def silence() -> None:
    """Send what this process prints to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
