"""Predictions for nodes explained from their gradients: in words by a template or a language model."""

from gradprobe.graphs.explain.answers import NoAnswerError
from gradprobe.graphs.explain.context import NodeContext, node_contexts
from gradprobe.graphs.explain.language_model import KEY_VARIABLE, LanguageModel
from gradprobe.graphs.explain.narrate import Explanation, explain_nodes
from gradprobe.graphs.explain.prompt import build_prompt
from gradprobe.graphs.explain.reasoner import ReasonedModel, Reasoner, Standardisation
from gradprobe.graphs.explain.template import explain

__all__ = [
    "KEY_VARIABLE",
    "Explanation",
    "LanguageModel",
    "NoAnswerError",
    "NodeContext",
    "ReasonedModel",
    "Reasoner",
    "Standardisation",
    "build_prompt",
    "explain",
    "explain_nodes",
    "node_contexts",
]
