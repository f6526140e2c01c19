"""Encoders: molecules in, representations out, behind one small protocol.

An encoder is a module with an attribute `width` that maps the inputs of its own features to a
representation [b, width]. A new one is one file and one line in `registry.ENCODERS`.
"""

from gradprobe.encoders.features import EncoderOptions, Features, IntArray
from gradprobe.encoders.naming import NamedEncoder, parse_encoder, split_names
from gradprobe.encoders.registry import ENCODERS, Encoder, EncoderSpec, get

__all__ = [
    "ENCODERS",
    "Encoder",
    "EncoderOptions",
    "EncoderSpec",
    "Features",
    "IntArray",
    "NamedEncoder",
    "get",
    "parse_encoder",
    "split_names",
]
