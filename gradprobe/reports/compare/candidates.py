"""The combiners that a report tries on recorded Gramians: every registered one, and those of the study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from gradprobe import combiners
from gradprobe.combiners import Combiner
from gradprobe.errors import GradprobeError, MissingExtraError

AVERAGE = "average"
NO_OPTIONS = "it needs options, and none were set"
NEEDS_LOSSES = "its weights depend on the history of the losses, which Gramians do not tell"


def candidates(options: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Combiner | None, str]]:
    """Name, combiner and "" for each but averaging; None and the reason where it cannot be made.

    `options` holds the options of combiners by name. A combiner that visits tasks in random order draws
    them from its own fixed seed, so what is made of it is reproducible.
    """
    for name in dict.fromkeys((*combiners.names(), *options)):
        if name == AVERAGE:
            continue
        try:
            combiner = combiners.get(name, **options.get(name, {}))
            replayable = not combiner.needs_losses
            yield name, combiner if replayable else None, "" if replayable else NEEDS_LOSSES
        except GradprobeError as error:
            told = options.get(name) or isinstance(error, MissingExtraError)
            yield name, None, str(error) if told else NO_OPTIONS
