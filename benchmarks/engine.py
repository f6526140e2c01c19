"""What a measurement costs, in units of one plain forward and backward pass on the same batch.

    python benchmarks/engine.py [--quick] [--repeats 9] [--threads N] [--cpu-time] [--json FILE]

Every repeat times the unit and all engines one after the other, and ratios are taken within a repeat, so
that a machine shared with others disturbs both sides alike; the table shows medians. An engine's time is
that of the measurement alone: the forward pass is the training step's own. Memory is the peak above what
was held before, of one run. On a crowded machine take --threads 1 --cpu-time: waiting for a core then
counts for nobody.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from _cases import Case, dmpnn, gine, mlp, total
from _memory import peak_memory

from gradprobe import combiners
from gradprobe.gradients import Engine, LoopEngine, RowwiseEngine
from gradprobe.probes import GradientProbe, inert
from gradprobe.training.update import CombinedUpdate

Timed = Callable[[], float]
Row = dict[str, object]
_SLOW, _REPEATS_OF_SLOW = 5.0, 2
_clock: Callable[[], float] = time.perf_counter


def main() -> None:
    """Run all cases, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small models, to see that everything runs")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--threads", type=int, help="threads of PyTorch; by default its own choice")
    parser.add_argument("--cpu-time", action="store_true", help="time spent computing, not time passed")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    global _clock  # noqa: PLW0603
    _clock = time.process_time if options.cpu_time else time.perf_counter
    repeats = 2 if options.quick else options.repeats
    torch.manual_seed(0)
    rows: list[Row] = []
    for measure in (engines, small_model, steps, many_tasks, sparse_probe, dense_labels):
        for row in measure(repeats, quick=options.quick):
            print(_line(row), flush=True)
            rows.append(row)
    if options.json:
        options.json.write_text(
            json.dumps({"machine": _machine(), "clock": _clock.__name__, "rows": rows}, indent=1)
        )


def engines(repeats: int, *, quick: bool) -> Iterator[Row]:
    """Each engine's measurement against the unit."""
    targets = {
        "checked": {"mlp": 1.0, "dmpnn": 1.7, "gine": 1.7},
        "traced": {"mlp": 0.7, "dmpnn": 1.1, "gine": 1.1},
    }
    for case in _cases(quick):
        timed: dict[str, Timed] = {
            # Owners of rows from a second pass every time, and from the graph wherever it tells them.
            "checked": measuring(case, RowwiseEngine(verify_every=1)),
            "traced": measuring(case, RowwiseEngine(verify_every=10**9)),
            "loop": measuring(case, LoopEngine()),
            **_torchjd(case),
        }
        for name, ratio in ratios(unit(case), timed, repeats).items():
            memory = peak_memory(timed[name]) if ratio is not None else None
            target = targets.get(name, {}).get(case.name)
            yield _row(f"{case.name}: measure, {name}", ratio, target, memory)
        yield _row(f"{case.name}: unit", 1.0, None, peak_memory(unit(case)))


def small_model(repeats: int, *, quick: bool) -> Iterator[Row]:  # noqa: ARG001 - small as it is
    """A probe's whole measurement of 7 tasks with 32 rows each on three layers of width 128."""
    case = mlp(tasks=7, rows=32, width=128)
    timed = {}
    for name in ("auto", "loop"):
        probe = GradientProbe(case.model, focal="task 0", shared=case.model.encoder, engine=name)

        def run(probe: GradientProbe = probe) -> float:
            losses = case.row_losses()
            start = _clock()
            probe.measure(losses)
            return _clock() - start

        timed[name] = run
    for name, ratio in ratios(unit(case), timed, max(repeats, 9)).items():
        yield _row(f"mlp of width 128, 7 tasks: measure, {name}", ratio, 1.2 if name == "auto" else None)


def steps(repeats: int, *, quick: bool) -> Iterator[Row]:
    """A combiner's whole optimiser step against an averaging one."""
    for case in _cases(quick)[:2]:
        average = training_step(case, "average")
        ours = {name: training_step(case, name) for name in ("pcgrad", "cagrad")}
        for name, ratio in ratios(average, ours, repeats).items():
            yield _row(f"{case.name}: step of {name} / of average", ratio, 1.6)


def many_tasks(repeats: int, *, quick: bool) -> Iterator[Row]:
    """A measurement of 64 tasks against one of 8, with the same number of rows."""
    width = 256 if quick else 2048
    few, many = mlp(tasks=8, rows=144, width=width), mlp(tasks=64, rows=18, width=width)
    for name, engine in (("traced", RowwiseEngine), ("loop", LoopEngine)):
        found = ratios(measuring(few, engine()), {name: measuring(many, engine())}, repeats)
        yield _row(f"mlp: 64 tasks / 8 tasks, {name}", found[name], 1.3 if name == "traced" else None)


def sparse_probe(repeats: int, *, quick: bool) -> Iterator[Row]:
    """Twenty training steps, of which every tenth is measured, against twenty without a probe."""
    case = _cases(quick)[0]
    found = ratios(
        run_of_steps(case, probed=False), {"probed": run_of_steps(case, probed=True)}, min(repeats, 5)
    )
    yield _row("mlp: run with every=10 / unprobed", found["probed"], 1.15)


def dense_labels(repeats: int, *, quick: bool) -> Iterator[Row]:
    """Twelve tasks that share all rows: a pass a task, without the loop's weight gradients."""
    case = mlp(tasks=12, rows=128, width=256 if quick else 1024, dense=True)
    found = ratios(measuring(case, LoopEngine()), {"exact": measuring(case, RowwiseEngine())}, repeats)
    yield _row("mlp, dense labels: exact / loop", found["exact"], 1.0)
    probe = GradientProbe(case.model, focal=next(iter(case.losses())), shared=list(case.shared.parameters))

    def partition() -> float:
        losses = case.row_losses()
        start = _clock()
        probe.measure(losses, rows="partition")
        return _clock() - start

    found = ratios(unit(case), {"partition": partition}, repeats)
    yield _row("mlp, dense labels: measure, partition", found["partition"], 1.7)


def unit(case: Case) -> Timed:
    """One plain forward and backward pass of the averaged loss."""

    def run() -> float:
        case.model.zero_grad()
        start = _clock()
        total(list(case.losses().values())).backward()
        return _clock() - start

    return run


def measuring(case: Case, engine: Engine) -> Timed:
    """What a probe does between two lines of a training loop."""
    shared = case.shared

    def run() -> float:
        losses = list(case.losses().values())
        start = _clock()
        with inert(case.model):
            engine.capture(losses, shared).gramian()
        return _clock() - start

    return run


def training_step(case: Case, combiner: str) -> Timed:
    """Forward pass, update and optimiser step."""
    update = CombinedUpdate(
        case.model,
        combiners.get(combiner),
        tasks=case.model.tasks,
        shared=case.model.encoder,
        focal=case.model.tasks[0],
    )
    optimiser = torch.optim.SGD(case.model.parameters(), lr=1e-6)

    def run() -> float:
        start = _clock()
        optimiser.zero_grad()
        update(case.losses())
        optimiser.step()
        return _clock() - start

    return run


def run_of_steps(case: Case, *, probed: bool) -> Timed:
    """Twenty steps of a user's own loop."""
    optimiser = torch.optim.SGD(case.model.parameters(), lr=1e-6)
    probe = GradientProbe(case.model, focal=case.model.tasks[0], shared=case.model.encoder, every=10)

    def run() -> float:
        start = _clock()
        for _ in range(20):
            losses = case.losses()
            if probed:
                probe.measure(losses)
            optimiser.zero_grad()
            total(list(losses.values())).backward()
            optimiser.step()
        return _clock() - start

    return run


def ratios(reference: Timed, timed: Mapping[str, Timed], repeats: int) -> dict[str, float | None]:
    """Median over repeats of time / the reference's time in the same repeat; None where it does not run."""
    first = {name: _warm_up(name, run) for name, run in timed.items()}
    reference()
    seen: dict[str, list[float]] = {name: [] for name in timed}
    for repeat in range(repeats):
        base = reference()
        for name, run in timed.items():
            taken = first[name]
            # What takes many units varies little, and would take the most of a run's time.
            if taken is not None and (repeat < _REPEATS_OF_SLOW or taken < _SLOW * base):
                seen[name].append(run() / base)
    return {name: statistics.median(values) if values else None for name, values in seen.items()}


def _warm_up(name: str, run: Timed) -> float | None:
    """The time of a first run; None for a competitor that cannot do a case, which is left out of it."""
    try:
        return run()
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:
        if not name.startswith("torchjd"):
            raise
        print(f"# {name} does not run here: {str(error).splitlines()[0]}", file=sys.stderr)
        return None


def _torchjd(case: Case) -> dict[str, Timed]:
    """The best public library, by its Jacobian and by its Gramian engine; empty where not installed."""
    try:
        from torchjd.autogram import Engine as Autogram
        from torchjd.autojac import jac
    except ImportError:
        return {}
    parameters = list(case.shared.parameters)
    # Its engine leaves hooks on the modules that it is given.
    own = copy.deepcopy(case)
    engine = Autogram(own.model.encoder, batch_dim=None)

    def jacobian() -> float:
        losses = list(case.losses().values())
        start = _clock()
        for matrix in jac(losses, parameters, parallel_chunk_size=1):
            flat = matrix.flatten(1)
            _ = flat @ flat.T
        return _clock() - start

    def gramian() -> float:
        losses = torch.stack(list(own.losses().values()))
        start = _clock()
        engine.compute_gramian(losses)
        return _clock() - start

    return {"torchjd.jac": jacobian, "torchjd autogram": gramian}


def _cases(quick: bool) -> list[Case]:
    if quick:
        return [mlp(rows=8, width=256), dmpnn(rows=2, width=64), gine(rows=2, width=64)]
    return [mlp(), dmpnn(), gine()]


def _row(case: str, ratio: float | None, target: float | None, memory: int | None = None) -> Row:
    return {"case": case, "ratio": ratio, "target": target, "peak_bytes": memory}


def _line(row: Row) -> str:
    ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
    target = "" if row["target"] is None else f"<= {row['target']}"
    memory = "" if not isinstance(row["peak_bytes"], int) else f"{row['peak_bytes'] / 1e6:.0f} MB"
    return f"{row['case']!s:44} {ratio:>8} {target:>8} {memory:>10}"


def _machine() -> dict[str, object]:
    return {"torch": torch.__version__, "threads": torch.get_num_threads()}


if __name__ == "__main__":
    main()
