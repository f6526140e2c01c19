"""Small traces that grow record by record."""

from __future__ import annotations

import numpy as np

from gradprobe.geometry import Gramian, Group
from gradprobe.trace import GramianRecord, TraceHeader

TASKS = ("focal", "x", "y")


def header(created="now", tasks=TASKS):
    return TraceHeader(focal="focal", tasks=tasks, layers=("l",), parameters=(5,), created=created)


def record(step, split="minibatch", tasks=TASKS, zero=()):
    rows = np.random.default_rng([step, len(tasks)]).normal(size=(len(tasks), 5))
    rows[[tasks.index(task) for task in zero]] = 0.0
    groups = tuple(Group(task) for task in tasks)
    gramian = Gramian(groups, ("l",), (rows @ rows.T)[None], (4,) * len(tasks), (5,))
    return GramianRecord(step, split, "loop", gramian, np.ones(len(tasks)), epoch=step // 10)


def add(trace, *records):
    for entry in records:
        trace.append(entry)
    trace.flush()
