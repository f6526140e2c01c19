"""A language model behind an OpenAI-compatible chat endpoint, asked for one text at a time."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gradprobe.errors import InputError, missing_extra
from gradprobe.graphs.explain.answers import NoAnswerError, bounded_client, within

if TYPE_CHECKING:
    from openai import OpenAI

KEY_VARIABLE = "GRADPROBE_LLM_KEY"
_LONGEST = 2000  # characters of an answer that are kept
_MASK = "[key]"


@dataclass(frozen=True)
class LanguageModel:
    """A chat model at `url`, such as `http://localhost:11434/v1`; `model` is its name there.

    Only the prompt, the model's name and the key are sent, to `url` and nowhere else: redirects are not
    followed, and settings of the environment that are meant for other services (`OPENAI_*`) stay out. The
    key is read from the environment variable GRADPROBE_LLM_KEY when a question is asked. It is not kept in
    this object, stands in no message, is masked in answers, and travels without encryption to this machine
    only.

    Args:
        url: the address that `/chat/completions` follows.
        model: the name of the model.
        timeout: seconds to wait for the whole answer, all tries together.
        retries: further tries after a failure that may pass (no answer, status 408, 409, 429, 5xx).

    Raises:
        InputError: an address that is not one, that carries a password or a query, or that would take the
            key elsewhere by plain http; no model; a timeout or number of retries out of range.
        MissingExtraError: the package openai is not installed.
    """

    url: str
    model: str
    timeout: float = field(default=30.0, kw_only=True)
    retries: int = field(default=2, kw_only=True)

    def __post_init__(self) -> None:
        _check_url(self.url)
        if _key() and not _keeps_a_key(self.url):
            raise InputError(f"llm: {_PLAIN}")
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
                with something other than a chat completion with text, or with more than 4 MB.
        """
        key = _key()
        if key and not _keeps_a_key(self.url):
            raise NoAnswerError(_PLAIN)
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise NoAnswerError(f"{KEY_VARIABLE} holds characters that no key has")
        client = self._client(key)
        try:
            answer = within(
                self.timeout, lambda: _text(self._complete(client, prompt), key), tries=self.retries + 1
            )
        finally:
            client.close()
        return answer

    def _complete(self, client: OpenAI, prompt: str) -> object:
        return client.chat.completions.create(
            model=self.model, messages=[{"role": "user", "content": prompt}]
        )

    def _client(self, key: str) -> OpenAI:
        from openai import OpenAI

        return OpenAI(
            base_url=self.url,
            api_key=key or "none",  # the client insists on one; it is not sent
            timeout=self.timeout,
            max_retries=self.retries,
            # A proxy of the environment must not see a key that goes to this machine by plain http.
            http_client=bounded_client(with_key=bool(key), direct=_is_loopback(self.url)),
        )


_PLAIN = (
    "expected an https address, or one on this machine, for a key to be sent; got plain http to elsewhere, "
    f"where anyone on the way could read it; use https or unset {KEY_VARIABLE}"
)


def _key() -> str:
    return os.environ.get(KEY_VARIABLE, "").strip()


def _keeps_a_key(url: str) -> bool:
    return urlsplit(url).scheme == "https" or _is_loopback(url)


def _is_loopback(url: str) -> bool:
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _text(found: object, key: str) -> str:
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
    if key:
        # Before it is cut, which might leave half of a key.
        text = text.replace(key, _MASK)
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
