"""Peak memory of a piece of work, where the system tells it."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path


def peak_memory(work: Callable[[], object]) -> int | None:
    """Bytes held at the peak of some work above those held before; None where Linux's counters are absent."""
    gc.collect()
    _return_freed_memory()
    try:
        # Resets the high-water mark of this process.
        Path("/proc/self/clear_refs").write_text("5")
        before = _status("VmRSS")
        work()
        return max(_status("VmHWM") - before, 0)
    except OSError:
        return None


def _return_freed_memory() -> None:
    """Glibc keeps what was freed, and the next piece of work would seem to need none."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise OSError(f"/proc/self/status has no {key}")
