"""An answer from an endpoint that may hang, drip or flood: bounded in time, size and depth."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from gradprobe.errors import GradprobeError

if TYPE_CHECKING:
    import httpx2

MOST_BYTES = 4_000_000
_SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "connection", "content-type", "content-length", "authorization"}
)


class NoAnswerError(GradprobeError, RuntimeError):
    """A language model that gave no usable answer; the message says why and quotes nothing it sent."""


def within(seconds: float, ask: Callable[[], str], *, tries: int) -> str:
    """What `ask` returns, unless it takes longer.

    It runs in a thread of its own, which is left behind when time is up: a server that sends a byte now and
    then, of the head or of the body, starts every time limit of a connection anew.

    Raises:
        NoAnswerError: time is up, or `ask` failed; its own errors are not chained, since what an endpoint
            sends may quote the key.
    """
    outcome: SimpleQueue[str | NoAnswerError] = SimpleQueue()

    def run() -> None:
        try:
            outcome.put(ask())
        except BaseException as error:
            outcome.put(_as_no_answer(error, seconds, tries))

    threading.Thread(target=run, daemon=True, name="gradprobe-llm").start()
    try:
        answer = outcome.get(timeout=seconds)
    except Empty:
        answer = _timed_out(seconds, tries)
    if isinstance(answer, NoAnswerError):
        raise answer from None
    return answer


def bounded_client(*, with_key: bool, direct: bool) -> httpx2.Client:
    """A client that sends nothing but what a prompt needs, and reads at most 4 MB that are not compressed.

    `direct` ignores the environment's proxies.
    """
    from openai import DefaultHttpxClient

    def keep_to_the_prompt(request: Any) -> None:
        request.headers["accept-encoding"] = "identity"
        for name in list(request.headers):
            if name not in _SENT_HEADERS or (name == "authorization" and not with_key):
                del request.headers[name]

    def bound(response: Any) -> None:
        # A megabyte of gzip may hold a gigabyte.
        if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise NoAnswerError("a compressed answer, which was not asked for")
        response.stream = _limited(response.stream)

    return DefaultHttpxClient(
        follow_redirects=False,
        trust_env=not direct,
        event_hooks={"request": [keep_to_the_prompt], "response": [bound]},
    )


def _limited(stream: httpx2.SyncByteStream) -> httpx2.SyncByteStream:
    import httpx2

    class Limited(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            size = 0
            for chunk in stream:
                size += len(chunk)
                if size > MOST_BYTES:
                    raise NoAnswerError(f"an answer of more than {MOST_BYTES:,} bytes")
                yield chunk

        def close(self) -> None:
            stream.close()

    return Limited()


def _as_no_answer(error: BaseException, seconds: float, tries: int) -> NoAnswerError:
    import openai

    # The client turns whatever is raised while it reads into a failed connection.
    for refused in (error, error.__cause__):
        if isinstance(refused, NoAnswerError):
            return refused
    if isinstance(error, openai.APITimeoutError):
        return _timed_out(seconds, tries)
    words = f"the client failed with {type(error).__name__}"
    if isinstance(error, openai.APIStatusError):
        words = f"status {error.status_code}, {_in_tries(tries)}"
    elif isinstance(error, openai.APIConnectionError):
        words = f"no connection, {_in_tries(tries)}"
    elif isinstance(error, (openai.OpenAIError, ValueError, RecursionError)):
        words = "an answer that is not JSON of a chat completion"
    return NoAnswerError(words)


def _timed_out(seconds: float, tries: int) -> NoAnswerError:
    return NoAnswerError(f"no answer within {seconds:g} s, {_in_tries(tries)}")


def _in_tries(tries: int) -> str:
    return "in 1 try" if tries == 1 else f"in up to {tries} tries"
