"""One colour for one thing, in every figure and report.

Encoders and splits share the eight colours of Okabe and Ito (2008) without an overlap; combiners have
those of Paul Tol's muted scheme. Both can be told apart with any common colour blindness. No figure
tells by colour alone: lines and dots are labelled, or differ in shape.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

ENCODERS: Mapping[str, str] = {"mlp": "#0072B2", "dmpnn": "#D55E00", "gine": "#009E73", "this run": "#0072B2"}
SPLITS: Mapping[str, str] = {"minibatch": "#E69F00", "heldout": "#56B4E9", "train": "#000000"}
COMBINERS: Mapping[str, str] = {
    "average": "#555555",
    "single_task": "#999933",
    "weighted": "#DDCC77",
    "pcgrad": "#CC6677",
    "cagrad": "#332288",
    "cosine_gating": "#117733",
    "rcgrad": "#882255",
    "gragr": "#44AA99",
    "mgda": "#AA4499",
    "gre": "#88CCEE",
    "gre_plus": "#6699CC",
}
# Methods that train node models; a method without one of its parts has the method's colour.
NODE_METHODS: Mapping[str, str] = {"base": "#555555", "gragr": "#44AA99", "gragr++": "#882255"}
# Nodes whose gradient pulls against their neighbours', and all others; the ends of the diverging scale.
CONFLICT, CALM = "#B2182B", "#4393C3"
_MORE_ENCODERS = ("#CC79A7", "#8C6D1F", "#7F7F7F")
_MORE_COMBINERS = ("#661100", "#8C6D1F", "#7F7F7F")
# Lines that stand for nothing else in a report, such as single auxiliaries.
LINES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DIVERGING = "RdBu"  # red: conflict, blue: agreement
HELPS, HARMS = "#2166AC", "#B2182B"  # the same two, for dots
GRID, TEXT, FAINT = "#DDDDDD", "#222222", "#777777"


def of_encoder(name: str) -> str:
    """The colour of an encoder; one that is not built in keeps the same colour in every report."""
    return ENCODERS.get(name) or _kept(name, _MORE_ENCODERS)


def of_combiner(name: str) -> str:
    """The colour of a combiner; one that is not built in keeps the same colour in every report."""
    return COMBINERS.get(name) or _kept(name, _MORE_COMBINERS)


def of_node_method(name: str) -> str:
    """The colour of a method that trains node models, such as `gragr` or `gragr-no-attention`."""
    return NODE_METHODS.get(name.partition("-no-")[0]) or _kept(name, _MORE_COMBINERS)


def of_split(name: str) -> str:
    """The colour of a split."""
    return SPLITS[name]


def _kept(name: str, colours: Sequence[str]) -> str:
    return colours[zlib.crc32(name.encode()) % len(colours)]
