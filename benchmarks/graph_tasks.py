"""Combiners on five tasks of whole graphs: the label and four properties (GraGR's Table 2, well defined).

    python benchmarks/graph_tasks.py mutag|proteins [--root DIR] [--out DIR] [--seeds 5] [--epochs 30]
    python benchmarks/graph_tasks.py hiv --table hiv.csv.gz [--molecules 1000]

Prints, for each combiner, the mean over seeds of test loss, accuracy and AUROC (means over tasks), and the
difference from averaging, paired over seeds, with its 95 % t interval. Of the HIV table, molecules are drawn
at random with the shares of its label kept. A folder given with --out is gone on with.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gradprobe.graphs.multitask import GraphSet, load_graph_set, molecule_graph_set
from gradprobe.records.graph_tasks import GraphTasksRun
from gradprobe.reports.statistics.paired import paired_difference
from gradprobe.studies.graph_tasks import GraphTasksConfig, run_graph_tasks

_SCORES = ("loss", "accuracy", "auroc")


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=["mutag", "proteins", "hiv"])
    parser.add_argument("--root", type=Path, help="the folder that holds TUDataset")
    parser.add_argument("--table", type=Path, help="MoleculeNet's HIV.csv: smiles and HIV_active")
    parser.add_argument("--molecules", type=int, default=1000)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    if options.data == "hiv":
        if options.table is None:
            parser.error("hiv needs --table")
        data = _hiv(options.table, options.molecules)
    else:
        data = load_graph_set(options.data, root=options.root)
    config = GraphTasksConfig(seeds=options.seeds, epochs=options.epochs)
    with tempfile.TemporaryDirectory() as scratch:
        out = options.out or Path(scratch)
        outcome = run_graph_tasks(data, config, out, jobs=options.jobs)
    print(f"{data.name}: {len(data)} graphs. {' '.join(data.notes)}")
    for name in config.combiners:
        print(_line(name, list(outcome.study.results.values())))
    for failure in outcome.failures:
        print(f"{failure.key.id} failed: {failure.error}")


def _hiv(table: Path, molecules: int) -> GraphSet:
    frame = pd.read_csv(table)
    random = np.random.default_rng(0)
    rows = []
    for label in (0, 1):
        own = np.flatnonzero(frame["HIV_active"] == label)
        rows.append(random.choice(own, round(molecules * len(own) / len(frame)), replace=False))
    chosen = frame.iloc[np.sort(np.concatenate(rows))]
    return molecule_graph_set("HIV", list(chosen["smiles"]), chosen["HIV_active"].to_numpy())


def _line(name: str, runs: list[GraphTasksRun]) -> str:
    parts = [f"{name:10}"]
    for score in _SCORES:
        own = {run.key.seed: float(getattr(run, score)) for run in runs if run.key.combiner == name}
        base = {run.key.seed: float(getattr(run, score)) for run in runs if run.key.combiner == "average"}
        found = paired_difference(own, base)
        text = f"{score} {np.mean(list(own.values())):.3f}" if own else f"{score} none"
        if name != "average" and own:
            text += f" ({found.mean:+.3f}, {found.low:+.3f} to {found.high:+.3f})"
        parts.append(text)
    seconds = [run.seconds for run in runs if run.key.combiner == name]
    energy = [run.energy[1] for run in runs if run.key.combiner == name and run.energy[1] is not None]
    parts.append(f"{np.mean(seconds):.1f} s" if seconds else "")
    parts.append(f"energy {np.mean(energy):.3f}" if energy else "")
    return "  ".join(parts)


if __name__ == "__main__":
    main()
