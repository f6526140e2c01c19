"""Endpoints that hang, drip, flood or repeat the key."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from gradprobe.errors import InputError
from gradprobe.graphs.explain import KEY_VARIABLE, LanguageModel, NoAnswerError
from tests.graphs.explain._endpoint import completion, endpoint

pytest.importorskip("openai", reason="the llm extra is not installed")
KEY = "sk-test-77ab0"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def sending(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that reads a request and then says what `talk` says, once."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as caller:
            caller.recv(65536)
            talk(caller)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
    finally:
        listener.close()
        thread.join(5)


def refusal(url: str, *, timeout: float = 5.0) -> str:
    with pytest.raises(NoAnswerError) as raised:
        LanguageModel(url, "small", timeout=timeout, retries=0).ask("Why?")
    assert raised.value.__cause__ is None
    return str(raised.value)


@pytest.mark.parametrize("head", [_HEAD + b"Content-Length: 9999\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Slow: "])
def test_a_byte_now_and_then_does_not_keep_anyone_waiting(head: bytes) -> None:
    over = threading.Event()

    def drip(caller: socket.socket) -> None:
        caller.sendall(head)
        while not over.wait(0.05):
            caller.sendall(b" ")

    with sending(drip) as url:
        started = time.monotonic()
        assert refusal(url, timeout=0.4) == "no answer within 0.4 s, in 1 try"
        assert time.monotonic() - started < 3.0
        over.set()


def test_a_flood_is_left_after_four_megabytes() -> None:
    def flood(caller: socket.socket) -> None:
        caller.sendall(_HEAD + b"\r\n")
        for _ in range(1000):
            caller.sendall(b" " * 1_000_000)

    with sending(flood) as url:
        assert refusal(url) == "an answer of more than 4,000,000 bytes"


def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b" " * 50_000_000)

    def explode(caller: socket.socket) -> None:
        head = _HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
        caller.sendall(head + bomb)

    with sending(explode) as url:
        tracemalloc.start()
        try:
            assert refusal(url) == "a compressed answer, which was not asked for"
            assert tracemalloc.get_traced_memory()[1] < 20_000_000
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("depth", [900, 100_000])
def test_an_answer_nested_without_end_is_no_completion(depth: int) -> None:
    with endpoint() as stub:
        stub.body = '{"choices": ' + "[" * depth + "]" * depth + "}"
        assert "without text" in refusal(stub.url) or "not JSON" in refusal(stub.url)


def test_no_compressed_answer_is_asked_for() -> None:
    with endpoint() as stub:
        LanguageModel(stub.url, "small", retries=0).ask("Why?")
        assert stub.requests[0][1]["accept-encoding"] == "identity"


def test_an_answer_that_repeats_the_key_shows_a_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\n")
    with endpoint() as stub:
        model = LanguageModel(stub.url, "small", retries=0)
        stub.body = completion(f"Your key is {KEY}, or {KEY}.")
        assert model.ask("Why?") == "Your key is [key], or [key]."
        stub.body = completion("x" * 1990 + KEY + "y" * 100)
        assert KEY[:6] not in model.ask("Why?")


@pytest.mark.parametrize(
    "url", ["http://example.com/v1", "http://10.0.0.7/v1", "http://localhost.evil.org/v1"]
)
def test_a_key_goes_nowhere_else_by_plain_http(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(url, "small", retries=0)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with pytest.raises(NoAnswerError, match="expected an https address"):
        model.ask("Why?")
    with pytest.raises(InputError, match="llm: expected an https address, or one on this machine") as raised:
        LanguageModel(url, "small")
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://host/v1", "http://localhost/v1", "http://127.3.0.1/v1", "http://[::1]/v1"]
)
def test_a_key_may_go_by_https_or_stay_on_this_machine(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    LanguageModel(url, "small")


def test_a_proxy_does_not_see_a_key_that_stays_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with endpoint() as proxy, endpoint() as stub:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removesuffix("/v1"))
        LanguageModel(stub.url, "small", retries=0).ask("Why?")
        assert (len(proxy.requests), len(stub.requests)) == (0, 1)


def test_a_key_that_no_header_can_carry_is_named_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "sk-schlüssel")
    with endpoint() as stub:
        message = refusal(stub.url)
    assert message == f"{KEY_VARIABLE} holds characters that no key has"
