"""Explanations of several nodes, by a language model where one answers and by the template otherwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gradprobe.graphs.explain.answers import NoAnswerError
from gradprobe.graphs.explain.context import NodeContext
from gradprobe.graphs.explain.prompt import build_prompt
from gradprobe.graphs.explain.template import explain

TEMPLATE = "template"


class Answering(Protocol):
    """Whoever answers a prompt with a text, or raises NoAnswerError."""

    @property
    def model(self) -> str:
        """The name under which the answers are shown."""

    def ask(self, prompt: str) -> str:
        """The answer to a prompt."""


@dataclass(frozen=True)
class Explanation:
    """Words about a node, and whose they are: `"template"` or the name of the language model.

    `note` says why the template stands in for a language model that was asked for.
    """

    node: int
    text: str
    source: str = TEMPLATE
    note: str = ""


def explain_nodes(
    contexts: Sequence[NodeContext], *, model: Answering | None = None, with_label: bool = False
) -> tuple[Explanation, ...]:
    """An explanation of every context; without a model, the template's.

    A language model that gave no answer for one node is not asked about the ones after it: where an
    endpoint hangs, waiting once is enough. Those get the template's words, and `note` says why.
    """
    explanations: list[Explanation] = []
    failure = ""
    for context in contexts:
        if model is None or failure:
            explanations.append(Explanation(context.node, explain(context), note=failure))
            continue
        try:
            text = model.ask(build_prompt(context, with_label=with_label))
            explanations.append(Explanation(context.node, text, source=model.model))
        except NoAnswerError as error:
            failure = f"the language model {model.model} gave no answer: {error}"
            explanations.append(Explanation(context.node, explain(context), note=failure))
    return tuple(explanations)
