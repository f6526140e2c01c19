"""Damaged and hostile tables, configurations and traces: read, or refused in one sentence.

Each input is an intact one after one to four kinds of damage, drawn from a seed, so that any of them can be
made again. Whether what was read is right is another part's question; here nothing may crash, hang, fill the
memory or end in a traceback.
"""

from __future__ import annotations

import gzip
import io
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from gradprobe.data import load_table
from gradprobe.studies import read_config
from gradprobe.trace import Trace

from .damage import DAMAGES
from .isolated import judged
from .studies import Reference, copied
from .verdicts import Verdict, judge

_CONFIG = b"""table = "table.csv"
focal = "boiling"
encoders = ["mlp"]
combiners = ["average", "pcgrad"]
seeds = 2
epochs = 3
[encoder_options.mlp]
width = 8
"""


@dataclass(frozen=True)
class Fuzz:
    """One input: the damage numbered `number` to a file of a kind."""

    kind: str
    number: int
    seed: int

    def __str__(self) -> str:
        return f"{self.kind}, input {self.number} of seed {self.seed}"


def fuzzing(reference: Reference, place: Path, count: int, seed: int) -> Iterator[tuple[str, Verdict]]:
    """So many inputs with their verdicts, the kinds in turn."""
    intact = _intact(reference)
    kinds = [*intact, *(f"trace {name}" for name in ("header.json", "part", "losses"))]
    drawn = [Fuzz(kinds[number % len(kinds)], number, seed) for number in range(count)]
    for attack, verdict in judged(drawn, partial(_judge, reference, place, intact)):
        yield str(attack), verdict


def _judge(reference: Reference, place: Path, intact: Mapping[str, bytes], fuzz: Fuzz) -> Verdict:
    draw = random.Random(f"{fuzz.seed} {fuzz.number}")
    if fuzz.kind not in intact:
        return _trace(reference, place, fuzz.kind, draw)
    path = place / f"fuzzed{fuzz.kind}"
    path.write_bytes(_damaged(intact[fuzz.kind], draw))
    read: Callable[[Path], object] = read_config if fuzz.kind == ".toml" else load_table
    return judge(partial(read, path))


def _trace(reference: Reference, place: Path, kind: str, draw: random.Random) -> Verdict:
    trace = next(iter(sorted(reference.folder.glob("cells/*/trace"))))
    folder = copied(trace, place / "fuzzed-trace")
    header = folder / "header.json"
    parts = sorted(path for path in folder.iterdir() if path != header)
    path = header if kind.endswith("json") else draw.choice(parts)
    path.write_bytes(_damaged(path.read_bytes(), draw))
    return judge(lambda: Trace.load(folder).frame())


def _damaged(content: bytes, draw: random.Random) -> bytes:
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        content = draw.choice(DAMAGES)(content, draw)
    return content


def _intact(reference: Reference) -> dict[str, bytes]:
    """The bytes of an intact table in each format, and of a configuration, by the ending of their names."""
    frame = pd.read_csv(reference.config.table).iloc[:30]
    parquet = io.BytesIO()
    frame.to_parquet(parquet)
    text = frame.to_csv(index=False).encode()
    return {
        ".csv": text,
        ".csv.gz": gzip.compress(text, mtime=0),
        ".parquet": parquet.getvalue(),
        ".toml": _CONFIG,
    }
