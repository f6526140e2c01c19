"""One colour for one thing, in every figure and report.

Encoders, splits, networks and architectures have the eight colours of Okabe and Ito (2008); combiners have
those of Paul Tol's muted scheme. Both can be told apart with any common colour blindness. No figure tells
by colour alone: lines and dots are labelled, or differ in shape.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_BLACK, _BLUE, _RED, _GREEN = "#000000", "#0072B2", "#D55E00", "#009E73"
_YELLOW, _SKY, _PINK, _BROWN, _GREY = "#E69F00", "#56B4E9", "#CC79A7", "#8C6D1F", "#777777"

GRID, TEXT, FAINT, UNDEFINED = "#DDDDDD", "#222222", _GREY, "#E5E5E5"
DIVERGING = "RdBu"  # red: conflict, blue: agreement
SEQUENTIAL = "viridis"
HELPS, HARMS = "#2166AC", "#B2182B"  # the ends of the diverging scale, for dots
# Nodes whose gradient pulls against their neighbours', and all others.
CONFLICT, CALM = HARMS, "#4393C3"
# Nodes predicted wrongly and rightly.
WRONG, RIGHT = _RED, _SKY
# Lines that stand for nothing else in a report, such as single auxiliaries.
LINES = (_BLUE, _RED, _GREEN, _PINK, _YELLOW, _SKY)


@dataclass(frozen=True)
class Look:
    """A colour, a marker and a line, so that none is told by colour alone."""

    colour: str
    marker: str = ""
    line: str = "-"


_ENCODERS: Mapping[str, str] = {"mlp": _BLUE, "dmpnn": _RED, "gine": _GREEN, "this run": _BLUE}
_SPLITS: Mapping[str, Look] = {
    "minibatch": Look(_YELLOW),
    "heldout": Look(_SKY, "o"),
    "train": Look(_BLACK, "s", "--"),
}
_COMBINERS: Mapping[str, str] = {
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
# Methods that train node models; a method without one of its parts has the method's look.
_NODE_METHODS: Mapping[str, Look] = {
    "base": Look("#555555", line="--"),
    "gragr": Look("#44AA99"),
    "gragr++": Look("#882255", line="-."),
}
# The perceptron's methods are dashed.
_EDIT_METHODS: Mapping[str, Look] = {
    "gd": Look(_BLACK),
    "gre": Look(_BLUE),
    "gre_plus": Look(_RED),
    "egnn": Look(_GREY, line="--"),
    "egnn_gre": Look(_SKY, line="--"),
    "egnn_gre_plus": Look(_YELLOW, line="--"),
}
_NETWORKS: Mapping[str, Look] = {
    "gcn": Look(_BLUE, "o"),
    "mlp": Look(_BROWN, "^"),
    "rp": Look(_RED, "s"),
    "rp_kernel": Look(_PINK, "D"),
}
_ARCHITECTURES = (
    Look("#555555", "o", ":"),
    Look(_RED, "s", "--"),
    Look(_BLUE, "^", "-"),
    Look(_GREEN, "D", "-."),
)
ALIGNMENTS: Mapping[str, Look] = {
    "GCN kernel with graph": Look(_BLUE, "o"),
    "GCN kernel with labels": Look(_RED, "s"),
    "MLP kernel with labels": Look(_BROWN, "^", "--"),
    "graph with labels": Look(_BLACK, "D", ":"),
    "GCN test accuracy": Look(_GREEN, "", "-."),
}
WIN, LOSS = Look(_BLUE, "^"), Look(_RED, "v")
_MORE_ENCODERS = (_PINK, _BROWN, "#7F7F7F")
_MORE_COMBINERS = ("#661100", _BROWN, "#7F7F7F")


def of_encoder(name: str) -> str:
    """The colour of an encoder; one that is not built in keeps the same colour in every report."""
    return _ENCODERS.get(name) or _kept(name, _MORE_ENCODERS)


def of_combiner(name: str) -> str:
    """The colour of a combiner; one that is not built in keeps the same colour in every report."""
    return _COMBINERS.get(name) or _kept(name, _MORE_COMBINERS)


def of_split(name: str) -> Look:
    """The look of a split."""
    return _SPLITS[name]


def of_node_method(name: str) -> Look:
    """The look of a method that trains node models, such as `gragr` or `gragr-no-attention`."""
    return _NODE_METHODS.get(name.partition("-no-")[0]) or Look(_kept(name, _MORE_COMBINERS), line=":")


def of_edit_method(name: str) -> Look:
    """The look of a method that edits models."""
    return _EDIT_METHODS[name]


def of_network(name: str) -> Look:
    """The look of a network, or of what stands beside it in a dynamics study."""
    return _NETWORKS[name]


def of_architecture(names: Sequence[str], name: str) -> Look:
    """The look of one of the architectures of a depth study, by its place among them."""
    return _ARCHITECTURES[list(names).index(name) % len(_ARCHITECTURES)]


def _kept(name: str, colours: Sequence[str]) -> str:
    return colours[zlib.crc32(name.encode()) % len(colours)]
