"""gradprobe graph nodes: node classifiers with and without GraGR, on a graph."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gradprobe.commands.arguments import Out, names
from gradprobe.commands.running import run_and_report
from gradprobe.errors import InputError

if TYPE_CHECKING:
    from gradprobe.data.graphs import NodeDataset
    from gradprobe.graphs.explain import LanguageModel
    from gradprobe.records.nodes import NodeRun, NodesManifest
    from gradprobe.records.study import StoredStudy

_DATASET = "A graph by name, such as cora, cornell or sbm:0.3. Default: karate, which needs no download."


def nodes(  # noqa: PLR0913 - a command has as many options as a study
    dataset: Annotated[str | None, typer.Argument(help=_DATASET)] = None,
    *,
    model: Annotated[str | None, typer.Option(help="gcn, gat, gin or sage; several with commas.")] = None,
    method: Annotated[str | None, typer.Option(help="Such as base,gragr,gragr++.")] = None,
    seeds: Annotated[int | None, typer.Option(help="Runs of each model and method.")] = None,
    ablate: Annotated[bool, typer.Option("--ablate", help="Also the methods without one part each.")] = False,
    epochs: Annotated[int | None, typer.Option(help="Updates of each run, on the whole graph.")] = None,
    jobs: Annotated[int, typer.Option(help="Runs side by side; scores do not depend on it.")] = 0,
    root: Annotated[
        Path | None, typer.Option(help="PyG's folder of data sets; what is missing is downloaded into it.")
    ] = None,
    out: Out = None,
    edges: Annotated[
        Path | None, typer.Option(help="Your own graph: a table with the columns source and target.")
    ] = None,
    features: Annotated[
        Path | None, typer.Option(help="Its nodes: columns node, label, maybe split, and numbers.")
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option(help="A chat endpoint to word explanations, such as http://localhost:11434/v1."),
    ] = None,
    llm_model: Annotated[
        str | None, typer.Option(help="The name of the language model there (--model is the graph network).")
    ] = None,
) -> None:
    """Train node classifiers with and without GraGR, and explain the nodes in conflict."""
    from gradprobe.studies.nodes import nodes_config, plan_nodes

    given: dict[str, Any] = {
        "models": names(model),
        "methods": names(method),
        "seeds": seeds,
        "epochs": epochs,
    }
    config = nodes_config(
        ablate=ablate, **{name: value for name, value in given.items() if value is not None}
    )
    asked = _language_model(llm, llm_model)
    graph = _graph(dataset, root, edges, features)
    target = out or Path("runs") / f"nodes-{graph.name.lower().replace(':', '-')}"
    run_and_report(plan_nodes(graph, config, target), jobs, finish=lambda study: _explain(study, asked))


def _graph(dataset: str | None, root: Path | None, edges: Path | None, features: Path | None) -> NodeDataset:
    from gradprobe.data.graphs import load_graph, read_graph

    if edges is None and features is None:
        return load_graph(dataset or "karate", root=root)
    if edges is None or features is None:
        missing = "edges" if edges is None else "features"
        raise InputError(
            f"{missing}: expected a file, got none; a graph of your own takes --edges and --features"
        )
    if dataset is not None:
        raise InputError(
            f"dataset: expected either a name or --edges and --features, got {dataset!r} and both files; "
            "leave one out"
        )
    return read_graph(edges, features)


def _language_model(url: str | None, name: str | None) -> LanguageModel | None:
    from gradprobe.graphs.explain import LanguageModel

    if url is None and name is None:
        return None
    if url is None or name is None:
        missing = "llm" if url is None else "llm_model"
        raise InputError(
            f"{missing}: expected a value, got none; a language model takes --llm and --llm-model"
        )
    return LanguageModel(url, name)


def _explain(study: StoredStudy[NodesManifest, NodeRun], model: LanguageModel | None) -> None:
    """Write words about the snapshot's most conflicted nodes into the folder; no label goes in."""
    from gradprobe.graphs.explain import explain_nodes, node_contexts
    from gradprobe.records.nodes import EXPLANATIONS, NodeExplanation, NodeExplanations
    from gradprobe.records.record import write_record
    from gradprobe.reports.nodes.summarise import of_study

    snapshot = of_study(study).snapshot
    if snapshot is None:
        return
    contexts = node_contexts(
        snapshot.most_conflicted.tolist(),
        snapshot.features,
        ids=snapshot.nodes.tolist(),
        predicted=snapshot.predicted.tolist(),
        probabilities=snapshot.probability.tolist(),
        degrees=snapshot.degree.tolist(),
    )
    entries = [NodeExplanation(**asdict(each)) for each in explain_nodes(contexts, model=model)]
    said = NodeExplanations(entries=tuple(entries))
    write_record(study.folder.path / EXPLANATIONS, said, within=study.folder.path)
