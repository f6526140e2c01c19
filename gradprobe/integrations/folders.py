"""Where the adapters of trainers put their traces when nobody names a folder."""

from __future__ import annotations

import itertools
from pathlib import Path


def new_trace_folder(run: Path) -> Path:
    """A folder in a run's own that does not exist yet: gradient_trace, gradient_trace-1, ..."""
    first = run / "gradient_trace"
    numbered = (first.with_name(f"{first.name}-{k}") for k in itertools.count(1))
    return next(path for path in itertools.chain([first], numbered) if not path.exists())
