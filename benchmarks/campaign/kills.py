"""Studies killed at random moments, and run again: the same results, the same traces, nothing lost.

A killed process gets SIGKILL, which it cannot see coming, at a moment drawn evenly over the time that the
study takes. A study is killed up to `IN_A_ROW` times before it may end. Every tenth kill hits the command
line with two cells side by side, the others a forked process, which saves the imports.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from .studies import Reference, results, run, silence, traces
from .verdicts import HARMLESS, Verdict, judge

IN_A_ROW = 5
_COMMAND_LINE = 10


def kills(reference: Reference, place: Path, count: int, seed: int) -> Iterator[tuple[str, Verdict]]:
    """At least `count` kills, each with the verdict on the study that it hit."""
    draw = random.Random(seed)
    usual = _seconds(reference, place / "timed")
    done = 0
    while done < count:
        folder = place / f"killed-{done}"
        hits = []
        for _ in range(min(IN_A_ROW, count - done)):
            by_command = (done + len(hits)) % _COMMAND_LINE == _COMMAND_LINE - 1
            moment = draw.uniform(0.0, usual + (3.0 if by_command else 0.0))
            process = _command(reference, folder) if by_command else _forked(reference, folder)
            if _killed(process, moment):
                hits.append(f"after {moment:.2f} s{' of the command line' if by_command else ''}")
        verdict = judge(partial(run, reference.config, folder), lambda _: HARMLESS)
        if verdict.kind == "harmless":
            verdict = _same(reference.folder, folder)
        elif verdict.kind == "named":
            verdict = Verdict("fault", f"running it again was refused: {verdict.what}")
        for hit in hits:
            yield hit, verdict
        done += len(hits)


def _same(expected: Path, folder: Path) -> Verdict:
    if results(folder) != results(expected):
        return Verdict("fault", "results.csv differs")
    if traces(folder) != traces(expected):
        return Verdict("fault", "a trace differs")
    return HARMLESS


def _seconds(reference: Reference, folder: Path) -> float:
    started = time.monotonic()
    os.waitpid(_forked(reference, folder), 0)
    return time.monotonic() - started


def _forked(reference: Reference, folder: Path) -> int:
    process = os.fork()
    if process:
        return process
    try:
        os.setsid()
        silence()
        run(reference.config, folder)
    finally:
        os._exit(0)


def _command(reference: Reference, folder: Path) -> int:
    """The same study by the command line, whose workers are processes of its own."""
    options = reference.config.model_dump(mode="json", exclude_defaults=True)
    lines = [f"{name} = {_toml(value)}" for name, value in options.items() if not isinstance(value, dict)]
    for encoder, own in options.get("encoder_options", {}).items():
        lines += [
            f"[encoder_options.{encoder}]",
            *(f"{name} = {_toml(value)}" for name, value in own.items()),
        ]
    config = folder.with_suffix(".toml")
    config.write_text("\n".join(lines), encoding="utf-8")
    arguments = ["compare", "--config", str(config), "--out", str(folder), "--jobs", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "gradprobe", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ).pid


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _killed(process: int, moment: float) -> bool:
    """Whether SIGKILL reached the process, with all of its workers, before it had ended."""
    time.sleep(moment)
    try:
        os.killpg(process, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        os.waitpid(process, 0)
        return False
    _, status = os.waitpid(process, 0)
    return os.WIFSIGNALED(status)
