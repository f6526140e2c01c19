"""Where the numbers come from, and what is missing from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradprobe.reports.compare.source import Cell, Source
from gradprobe.trace import TraceHeader


@dataclass(frozen=True)
class CellState:
    """How far one cell has come, in words."""

    cell: str
    state: str
    note: str


@dataclass(frozen=True)
class Provenance:
    """What one must know to trust or repeat the numbers, as names with values.

    `unfinished` are the cells without a result, `damaged` those whose trace cannot be read in full.
    """

    facts: tuple[tuple[str, str], ...]
    options: tuple[tuple[str, str], ...]
    versions: tuple[tuple[str, str], ...]
    unfinished: tuple[CellState, ...]
    damaged: tuple[CellState, ...]


def provenance_of(source: Source, engines: Sequence[str]) -> Provenance:
    """The provenance of a study or a bare trace."""
    header = next((cell.trace.header for cell in source.cells if cell.trace is not None), None)
    facts: list[tuple[str, str]] = []
    versions = dict(header.versions) if header is not None else {}
    options: dict[str, object] = {}
    if source.manifest is not None:
        facts += _study_facts(source)
        versions = source.manifest.versions
        options = source.manifest.options
    if header is not None:
        facts += [
            ("Minibatches", header.batches or "how they were formed was not recorded"),
            ("Measured", _steps(header)),
            ("Engine", ", ".join(engines) or "none yet"),
            ("Numbers and device", f"{header.dtype or 'unknown'}, {header.device or 'unknown'}"),
            ("Heads kept out", ", ".join(header.excluded) or "none"),
        ]
        if source.manifest is None:
            seed = "not recorded" if header.seed is None else str(header.seed)
            facts += [("Seed of the probe", seed), ("Started", header.created or "not recorded")]
    return Provenance(
        facts=tuple(facts),
        options=tuple((name, _plain(value)) for name, value in options.items()),
        versions=tuple(versions.items()),
        unfinished=tuple(_state(cell) for cell in source.cells if cell.state != "finished"),
        damaged=tuple(_damage(cell) for cell in source.cells if _damages(cell)),
    )


def _study_facts(source: Source) -> list[tuple[str, str]]:
    manifest = source.manifest
    assert manifest is not None
    return [
        ("Command", manifest.command),
        ("Table", manifest.table),
        ("SHA-256 of the data", manifest.data_digest),
        ("SHA-256 of the study", manifest.digest),
        ("Molecules", str(manifest.molecules)),
        ("Duplicates merged", str(manifest.merged)),
        ("Rows skipped", f"{manifest.skipped}, listed in skipped.csv" if manifest.skipped else "none"),
        ("Seeds", ", ".join(map(str, manifest.seeds))),
        ("Started", manifest.created),
    ]


def _steps(header: TraceHeader) -> str:
    if header.sample is not None:
        return f"each step with probability {header.sample:g}"
    return f"every {header.every} steps" if header.every > 1 else "every step"


def _plain(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in ({}, None, "") else "none"


def _state(cell: Cell) -> CellState:
    note = cell.error
    if cell.progress is not None and cell.state == "unfinished":
        note = f"epoch {cell.progress.epoch + 1} of {cell.progress.epochs}, step {cell.progress.step}"
    return CellState(cell.key.id, cell.state, note)


def _damages(cell: Cell) -> bool:
    return bool(cell.trace_error) or (cell.trace is not None and bool(cell.trace.damaged))


def _damage(cell: Cell) -> CellState:
    parts = cell.trace.damaged if cell.trace is not None else ()
    name = cell.key.id if cell.key.combiner else "the trace"
    state = "unreadable" if cell.trace_error else "read in part"
    return CellState(name, state, cell.trace_error or "; ".join(parts))
