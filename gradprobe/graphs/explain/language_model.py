"""A language model behind an OpenAI-compatible chat endpoint, asked for one text at a time."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from gradprobe.errors import GradprobeError, InputError, missing_extra

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "GRADPROBE_LLM_KEY"
_LONGEST = 2000  # characters of an answer that are kept
_SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "authorization"}
)


class NoAnswerError(GradprobeError, RuntimeError):
    """A language model that gave no usable answer; the message says why and quotes nothing it sent."""


@dataclass(frozen=True)
class LanguageModel:
    """A chat model at `url`, such as `http://localhost:11434/v1`; `model` is its name there.

    Only the prompt, the model's name and the key are sent, to `url` and nowhere else: redirects are not
    followed, and settings of the environment that are meant for other services (`OPENAI_*`) stay out. The
    key is read from the environment variable GRADPROBE_LLM_KEY when a question is asked; it is not kept in
    this object and stands in no message.

    Args:
        url: the address that `/chat/completions` follows.
        model: the name of the model.
        timeout: seconds to wait for an answer before a try counts as failed.
        retries: further tries after a failure that may pass (no answer, status 408, 409, 429, 5xx).

    Raises:
        InputError: an address that is not one, or that carries a password or a query; no model;
            a timeout or number of retries out of range.
        MissingExtraError: the package openai is not installed.
    """

    url: str
    model: str
    timeout: float = field(default=30.0, kw_only=True)
    retries: int = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        _check_url(self.url)
        if not self.model.strip():
            raise InputError("llm_model: expected the name of a model at the endpoint, got an empty name")
        if not 0.0 < self.timeout < math.inf:
            raise InputError(f"timeout: expected a number of seconds above 0, got {self.timeout}")
        if self.retries < 0:
            raise InputError(f"retries: expected a number of at least 0, got {self.retries}")
        if find_spec("openai") is None:
            raise missing_extra("openai", "llm")

    def ask(self, prompt: str) -> str:
        """The model's answer as one paragraph of printable text, cut after 2,000 characters.

        Raises:
            NoAnswerError: the endpoint cannot be reached, does not answer in time, refuses, or answers
                with something other than a chat completion with text.
        """
        import openai

        try:
            with self._client() as client:
                found: object = client.chat.completions.create(
                    model=self.model, messages=[{"role": "user", "content": prompt}]
                )
        # What an endpoint sends may quote the key: causes are not chained, only their kind is told.
        except openai.APITimeoutError:
            raise NoAnswerError(f"no answer within {self.timeout:g} s, {self._tries}") from None
        except openai.APIStatusError as error:
            raise NoAnswerError(f"status {error.status_code}, {self._tries}") from None
        except openai.APIConnectionError:
            raise NoAnswerError(f"no connection, {self._tries}") from None
        except (openai.OpenAIError, ValueError):
            raise NoAnswerError("an answer that is not JSON of a chat completion") from None
        return _text(found)

    @property
    def _tries(self) -> str:
        return "in 1 try" if self.retries == 0 else f"in up to {self.retries + 1} tries"

    def _client(self) -> OpenAI:
        from openai import DefaultHttpxClient, OpenAI

        key = os.environ.get(KEY_VARIABLE, "")

        def keep_to_the_prompt(request: Any) -> None:
            for name in list(request.headers):
                if name not in _SENT_HEADERS or (name == "authorization" and not key):
                    del request.headers[name]

        return OpenAI(
            base_url=self.url,
            api_key=key or "none",  # the client insists on one; it is not sent
            timeout=self.timeout,
            max_retries=self.retries,
            http_client=DefaultHttpxClient(
                follow_redirects=False, event_hooks={"request": [keep_to_the_prompt]}
            ),
        )


def _text(found: object) -> str:
    """The first choice's text; the client checks no shapes, so nothing is taken for granted."""
    choices = getattr(found, "choices", None)
    if not isinstance(choices, list):
        raise NoAnswerError("an answer that is not JSON of a chat completion")
    if not choices:
        raise NoAnswerError("an answer without choices")
    content = getattr(getattr(choices[0], "message", None), "content", None)
    # One line without control characters, which a terminal might obey.
    words = (
        "".join(sign if sign.isprintable() else " " for sign in content) if isinstance(content, str) else ""
    )
    text = " ".join(words.split())
    if not text:
        raise NoAnswerError("an answer without text")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _check_url(url: str) -> None:
    """Refuse what is no address, and secrets in it: a command line is written into the folder of a grid."""
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username or parts.password or parts.query or parts.fragment
        parts.port  # noqa: B018 - raises for a port that is no number
    except ValueError:
        host, secret = None, None
    if not host or parts.scheme not in ("http", "https"):
        raise InputError("llm: expected an address such as http://localhost:11434/v1, got something else")
    if secret:
        raise InputError(
            "llm: expected an address without user, password or query, because addresses are written down; "
            f"put the key into the environment variable {KEY_VARIABLE}"
        )
