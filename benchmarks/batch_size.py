"""Whether the noise measured at one batch size predicts raw cosines at others.

    python benchmarks/batch_size.py [--quick] [--table FILE --focal TASK --smiles COLUMN] [--json FILE]

An MLP and a D-MPNN are trained for a while by averaging and then frozen. From minibatches of one size, in
folds, the raw cosine of the focal task with every auxiliary is predicted for other sizes, where it is then
measured on minibatches drawn anew. By default on the embedded physchem data; one core, some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from gradprobe import GradientProbe, combiners
from gradprobe.data import MoleculeTable, physchem, read_table, split_molecules
from gradprobe.encoders import ENCODERS
from gradprobe.geometry import Estimate, FoldProducts, corrected_cosines, predicted_cosines, signal
from gradprobe.training import MultiTaskModel, TrainingData, TrainingOptions, build_model, make_batches, train
from gradprobe.training.losses import TaskLosses

Row = dict[str, object]
FOCAL = "flash_point"
OPTIONS: Mapping[str, Mapping[str, int]] = {"mlp": {"width": 128}, "dmpnn": {"width": 64}}
SIZES = (8, 16, 64, 128)


def main() -> None:
    """Train, freeze, predict, measure; print a line an encoder and size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps of the MLP, to see that it runs")
    parser.add_argument(
        "--table", type=Path, help="a CSV or Parquet file; default: the embedded physchem data"
    )
    parser.add_argument("--focal", default=FOCAL)
    parser.add_argument("--smiles", default="smiles", help="the table's column of molecules")
    parser.add_argument("--from-size", type=int, default=32, help="labels per task per step to predict from")
    parser.add_argument("--steps", type=int, default=80, help="minibatches measured at each size")
    parser.add_argument("--epochs", type=int, default=3, help="of training before the model is frozen")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.steps, options.epochs = 12, 1
    table = physchem() if options.table is None else read_table(options.table, smiles=options.smiles)
    rows = []
    for encoder in ("mlp",) if options.quick else OPTIONS:
        found = list(study(table, encoder, options))
        _show(found)
        rows += found
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


def study(table: MoleculeTable, encoder: str, options: argparse.Namespace) -> Iterator[Row]:
    """Predicted and measured raw cosines of one encoder, a row a batch size.

    `predicted` and `measured` are means over auxiliaries, `error` the root mean square of their difference
    over auxiliaries, `sampling` the one that the errors of both explain, and `unpredicted` that of the
    measured cosines from those at the size that was predicted from. `share` is the mean signal share.
    """
    torch.manual_seed(options.seed)  # dropout draws from the global state, here as in training
    model, data = _frozen(table, encoder, options)
    base = _window(model, data, options.from_size, options.steps, options.seed)
    start = corrected_cosines(base, focal=data.focal).raw
    for number, size in enumerate(sorted((*SIZES, options.from_size))):
        # Minibatches of their own, also at the size that was predicted from.
        window = _window(model, data, size, options.steps, options.seed + 1 + number)
        measured = corrected_cosines(window, focal=data.focal).raw
        predicted = predicted_cosines(base, focal=data.focal, rows=window.batch_rows)
        yield {
            "encoder": encoder,
            "labels a task": size,
            "share": float(np.nanmean(signal(base).share_at(float(size)))),
            "predicted": float(np.nanmean(predicted.values)),
            "measured": float(np.nanmean(measured.values)),
            "error": _root_mean_square(predicted.values - measured.values),
            "sampling": _expected(predicted, measured),
            "unpredicted": _root_mean_square(start.values - measured.values),
            "by auxiliary": {
                task: [float(p), float(m)]
                for task, p, m in zip(
                    [t for t in base.tasks if t != data.focal], predicted.values, measured.values, strict=True
                )
            },
        }


def _frozen(
    table: MoleculeTable, encoder: str, options: argparse.Namespace
) -> tuple[MultiTaskModel, TrainingData]:
    """A model trained by averaging, and its data."""
    spec = ENCODERS[encoder]
    chosen = spec.options(**OPTIONS[encoder])
    split = split_molecules(table, kind="random", seed=options.seed, focal=options.focal)
    features = spec.featurise(table.smiles, chosen, None)
    features.fit(split.train)
    data = TrainingData.from_table(table, split, features=features, focal=options.focal)
    model = build_model(lambda: spec.build(chosen, features), data.tasks, seed=options.seed)
    training = TrainingOptions(epochs=options.epochs, batch_size=32)
    train(model, data, combiners.get("average"), options=training, seed=options.seed)
    return model.train(), data


def _window(model: MultiTaskModel, data: TrainingData, size: int, steps: int, seed: int) -> FoldProducts:
    """The products of minibatches of `size` labels a task at the model's parameters, in folds."""
    batches = make_batches("balanced", data.rows["train"], focal=data.focal, batch_size=size, seed=seed)
    stream = itertools.chain.from_iterable(batches.epoch() for _ in itertools.count())
    losses = TaskLosses(data)
    with GradientProbe(model, focal=data.focal, shared=model.encoder, seed=seed) as probe:
        for batch in itertools.islice(stream, steps):
            rows = {task: batch.rows(task) for task in batch.positions}
            probe.measure(losses(model, batch), rows=rows)
        return FoldProducts.of([record.gramian for record in probe.trace.gramians])


def _expected(predicted: Estimate, measured: Estimate) -> float:
    """The root mean square difference that the standard errors of both would give by themselves."""
    return float(np.sqrt(np.nanmean(predicted.standard_error**2 + measured.standard_error**2)))


def _root_mean_square(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


def _show(rows: Sequence[Row]) -> None:
    columns = [name for name in rows[0] if name != "by auxiliary"]
    print("  ".join(f"{name:>13}" for name in columns))
    for row in rows:
        cells = [row[name] for name in columns]
        print("  ".join(f"{c:>13.3f}" if isinstance(c, float) else f"{c!s:>13}" for c in cells), flush=True)


if __name__ == "__main__":
    main()
