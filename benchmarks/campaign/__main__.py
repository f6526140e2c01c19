"""Attack every promise, print what became of it, and fail if anything was lost, silent or a traceback.

    python -m benchmarks.campaign [--share 0.01] [--parts kills,fuzzing] [--seed 0] [--log FILE]

All of it takes hours on one core. `--share` runs a part of it: so many of the attacks, so many of the steps.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from .ddp import ddp
from .exactness import exactness
from .fuzzing import fuzzing
from .inertness import STEPS, inertness, runs
from .kills import kills
from .mutations import mutations
from .studies import reference
from .verdicts import Verdict

Verdicts = Iterator[tuple[str, Verdict]]
_SHOWN = 20


@dataclass(frozen=True)
class Scale:
    """How much of the campaign to run."""

    share: float
    seed: int

    def of(self, whole: int, *, least: int = 1) -> int:
        """A share of a number of attacks or steps."""
        return max(least, math.ceil(self.share * whole))


def parts(place: Path, scale: Scale) -> Mapping[str, Callable[[], Verdicts]]:
    """Every part of the campaign by its name; each starts when it is called."""
    return {
        "kills": lambda: kills(reference(_new(place, "k")), _new(place, "kills"), scale.of(300), scale.seed),
        "mutations": lambda: mutations(
            reference(_new(place, "m")), _new(place, "mutations"), scale.of(2000), scale.seed
        ),
        "fuzzing": lambda: fuzzing(
            reference(_new(place, "f")), _new(place, "fuzzing"), scale.of(10_000), scale.seed
        ),
        "inertness": lambda: inertness(runs(), scale.of(STEPS, least=10)),
        "ddp": lambda: ddp(_new(place, "ddp"), scale.of(STEPS, least=10)),
        "exactness": lambda: exactness(scale.of(500), scale.seed),
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the parts asked for; the number of faults, at most 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--share", type=float, default=1.0, help="the part of all attacks to run (default: 1)"
    )
    parser.add_argument("--parts", default="", help="parts to run, comma-separated (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--log", type=Path, help="where to write every attack that was no success")
    options = parser.parse_args(arguments)
    faults = 0
    with tempfile.TemporaryDirectory() as folder:
        every = parts(Path(folder), Scale(options.share, options.seed))
        chosen = options.parts.split(",") if options.parts else list(every)
        if unknown := [name for name in chosen if name not in every]:
            parser.error(f"--parts: expected some of {', '.join(every)}, got {', '.join(unknown)}")
        for name in chosen:
            faults += _run(name, every[name](), options.log)
    return min(faults, 1)


def _run(name: str, attacks: Verdicts, log: Path | None) -> int:
    """Run one part and print its line; the number of faults."""
    started, counts, faults = time.monotonic(), Counter[str](), []
    for attack, verdict in attacks:
        counts[verdict.kind] += 1
        if verdict.kind == "fault":
            faults.append(f"{attack}: {verdict.what}")
        if log is not None and verdict.kind != "harmless":
            with log.open("a", encoding="utf-8") as file:
                file.write(f"{name}: {verdict.kind}: {attack}: {verdict.what}\n")
    tried, minutes = sum(counts.values()), (time.monotonic() - started) / 60
    print(
        f"{name:10s} {tried:6d} tried  {counts['harmless']:6d} harmless  {counts['named']:6d} named  "
        f"{counts['fault']:6d} faults  {minutes:6.1f} min",
        flush=True,
    )
    for fault in faults[:_SHOWN]:
        print(f"    {fault}")
    if len(faults) > _SHOWN:
        print(f"    and {len(faults) - _SHOWN} more")
    return len(faults)


def _new(place: Path, name: str) -> Path:
    folder = place / name
    folder.mkdir()
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
