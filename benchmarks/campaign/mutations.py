"""Damage to a finished study's records, traces and manifests: named or harmless, never silent.

A damaged folder is read as a report reads it. What it shows must be what the intact one shows, or say which
cell or file is damaged, or be refused in a sentence. Every fourth folder is run again instead, which must
give the same results.csv, name the damage, or be refused.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .damage import DAMAGES
from .isolated import judged
from .studies import Reference, copied, results, run, seen, traces
from .verdicts import HARMLESS, Verdict, judge

_RUN_AGAIN = 4
# A cell without its record has not finished, which the report says first.
_UNFINISHED = re.compile(r"\b[0-3] of 4 cells finished")
# How a report says that something is wrong with a file.
_DAMAGE = (
    "read in part",
    "damaged",
    "unreadable",
    "cannot be read",
    "expected",
    "missing",
    "changed",
    "not in full",
    "incomplete",
    "lost",
)


@dataclass(frozen=True)
class Mutation:
    """The damage to one file of a folder; everything is drawn from the seed."""

    file: str
    number: int
    seed: int

    def __str__(self) -> str:
        return f"{self.file}, mutation {self.number} of seed {self.seed}"


def mutations(reference: Reference, place: Path, count: int, seed: int) -> Iterator[tuple[str, Verdict]]:
    """So many mutations with their verdicts."""
    draw = random.Random(seed)
    files = [
        str(path.relative_to(reference.folder))
        for path in sorted(reference.folder.rglob("*"))
        if path.is_file()
    ]
    drawn = [Mutation(draw.choice(files), number, seed) for number in range(count)]
    shown = seen(reference.folder)
    for attack, verdict in judged(drawn, partial(_judge, reference, place, shown)):
        yield str(attack), verdict


def _judge(reference: Reference, place: Path, shown: str, mutation: Mutation) -> Verdict:
    folder = copied(reference.folder, place / reference.folder.name)
    mutate(folder, mutation, [path for path in reference.folder.rglob("*") if path.is_file()])
    if mutation.number % _RUN_AGAIN == _RUN_AGAIN - 1:
        return judge(partial(run, reference.config, folder), lambda _: _whole(reference.folder, folder))
    words = _words(mutation.file)
    return judge(partial(seen, folder), partial(_told, shown, words))


def mutate(folder: Path, mutation: Mutation, others: Sequence[Path]) -> None:
    """Damage the file's bytes, remove it, put another one or a folder in its place, or link it elsewhere."""
    draw = random.Random(f"{mutation.seed} {mutation.number}")
    path = folder / mutation.file
    kind = draw.random()
    if kind < 0.75:
        path.write_bytes(draw.choice(DAMAGES)(path.read_bytes(), draw))
    elif kind < 0.82:
        path.unlink()
    elif kind < 0.92:
        shutil.copyfile(draw.choice([other for other in others if other.suffix == path.suffix]), path)
    elif kind < 0.96:
        path.unlink()
        path.mkdir()
    else:
        path.unlink()
        path.symlink_to(draw.choice(("/dev/zero", "/nowhere/at/all", ".")))


def _words(file: str) -> tuple[str, ...]:
    """What names a damaged file: the file, or the cell that it belongs to."""
    path = Path(file)
    return (path.name, path.parts[1]) if path.parts[0] == "cells" else (path.name,)


def _told(shown: str, words: Sequence[str], now: str) -> Verdict:
    if now == shown:
        return HARMLESS
    before = set(shown.splitlines())
    new = [line for line in now.splitlines() if line not in before]
    for line in new:
        # A line with another number in it names the cell too, but not the damage.
        named = any(word in line for word in words) and any(word in line.lower() for word in _DAMAGE)
        if named or _UNFINISHED.search(line):
            return Verdict("named", " ".join(line.split()))
    first = next((line.strip() for line in new), "lines are missing")
    return Verdict("fault", f"another report, and no word of the damage: {first[:160]}")


def _whole(expected: Path, folder: Path) -> Verdict:
    if results(folder) != results(expected):
        return Verdict("fault", "running it again wrote another results.csv")
    return judge(partial(traces, folder))
