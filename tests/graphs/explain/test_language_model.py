import logging
import pickle
import time
from collections.abc import Iterator

import pytest

from gradprobe.errors import InputError, MissingExtraError
from gradprobe.graphs.explain import (
    KEY_VARIABLE,
    Explanation,
    LanguageModel,
    NoAnswerError,
    build_prompt,
    explain,
    explain_nodes,
)

from ._contexts import context
from ._endpoint import Endpoint, completion, endpoint

pytest.importorskip("openai", reason="the llm extra is not installed")
KEY = "sk-test-1f4d9"


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", KEY_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    with endpoint() as found:
        yield found


def model(stub: Endpoint, **options: float) -> LanguageModel:
    return LanguageModel(stub.url, "small", **({"timeout": 5.0, "retries": 0} | options))  # type: ignore[arg-type]


def refusal(stub: Endpoint, **options: float) -> str:
    with pytest.raises(NoAnswerError) as raised:
        model(stub, **options).ask("Why?")
    assert raised.value.__cause__ is None
    return str(raised.value)


def test_an_answer_comes_from_the_prompt_and_nothing_else_is_sent(stub: Endpoint) -> None:
    assert model(stub).ask("Why?") == "The node follows its neighbours."
    ((path, _, body),) = stub.requests
    assert path == "/v1/chat/completions"
    assert body == {"model": "small", "messages": [{"role": "user", "content": "Why?"}]}


def test_the_key_comes_from_its_own_variable_and_is_kept_nowhere(
    stub: Endpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    asked = model(stub)
    with caplog.at_level(logging.DEBUG):
        asked.ask("Why?")
    assert stub.requests[0][1]["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(asked)
    assert KEY.encode() not in pickle.dumps(asked)
    assert KEY not in caplog.text


def test_settings_of_other_services_and_of_this_machine_stay_here(
    stub: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Secret: secret")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    model(stub).ask("Why?")
    _, headers, _ = stub.requests[0]
    assert "secret" not in " ".join(headers.values())
    assert set(headers) <= {
        "host",
        "accept",
        "accept-encoding",
        "connection",
        "content-type",
        "content-length",
    }


def test_an_endpoint_that_hangs_is_left_after_the_timeout(stub: Endpoint) -> None:
    stub.hangs.clear()
    started = time.monotonic()
    assert refusal(stub, timeout=0.2) == "no answer within 0.2 s, in 1 try"
    assert time.monotonic() - started < 5.0  # the endpoint hangs for 10 s, whatever the machine


def test_a_failure_that_may_pass_is_tried_again(stub: Endpoint) -> None:
    stub.status, stub.body = 500, "{}"
    assert refusal(stub, retries=1) == "status 500, in up to 2 tries"
    assert len(stub.requests) == 2


def test_a_refusal_is_told_by_its_status_without_what_the_server_says(
    stub: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    stub.status, stub.body = 401, f'{{"error": {{"message": "wrong key {KEY}"}}}}'
    assert refusal(stub) == "status 401, in 1 try"


def test_no_redirect_is_followed(stub: Endpoint) -> None:
    stub.status, stub.headers = 307, {"location": f"{stub.url}/elsewhere"}
    assert refusal(stub) == "status 307, in 1 try"
    assert len(stub.requests) == 1


def test_no_one_there_is_no_connection() -> None:
    with endpoint() as gone:
        url = gone.url
    with pytest.raises(NoAnswerError, match="no connection, in 1 try"):
        LanguageModel(url, "small", retries=0).ask("Why?")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"choices": [', "not JSON of a chat completion"),
        ("<html>busy</html>", "not JSON of a chat completion"),
        ("[1, 2]", "not JSON of a chat completion"),
        ("null", "not JSON of a chat completion"),
        ('{"choices": "none"}', "not JSON of a chat completion"),
        ('{"answer": "yes"}', "not JSON of a chat completion"),
        ('{"choices": []}', "without choices"),
        ('{"choices": [{}]}', "without text"),
        ('{"choices": [null]}', "without text"),
        (completion(None), "without text"),
        (completion(" \n"), "without text"),
        (completion(7), "without text"),
    ],
)
def test_an_answer_of_another_shape_is_no_answer(stub: Endpoint, body: str, words: str) -> None:
    stub.body = body
    assert words in refusal(stub)


def test_a_page_for_browsers_is_no_answer(stub: Endpoint) -> None:
    stub.body, stub.kind = "<html>Please log in</html>", "text/html"
    assert "not JSON of a chat completion" in refusal(stub)


def test_an_answer_is_one_line_without_control_signs_and_of_bounded_length(stub: Endpoint) -> None:
    stub.body = completion("First.\n\x1b[31mSecond.\x07")
    assert model(stub).ask("Why?") == "First. [31mSecond."
    stub.body = completion("x" * 5000)
    assert len(model(stub).ask("Why?")) == 2001


@pytest.mark.parametrize("url", ["localhost:80/v1", "ftp://host/v1", "", "http://", "http://host:port/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="llm: expected an address such as"):
        LanguageModel(url, "small")


@pytest.mark.parametrize(
    "url", [f"http://user:{KEY}@host/v1", f"https://host/v1?key={KEY}", f"http://h/#{KEY}"]
)
def test_a_secret_in_an_address_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(InputError, match=KEY_VARIABLE) as raised:
        LanguageModel(url, "small")
    assert KEY not in str(raised.value)


def test_options_out_of_range_are_refused_by_name() -> None:
    with pytest.raises(InputError, match="llm_model"):
        LanguageModel("http://host/v1", " ")
    with pytest.raises(InputError, match="timeout"):
        LanguageModel("http://host/v1", "small", timeout=0.0)
    with pytest.raises(InputError, match="retries"):
        LanguageModel("http://host/v1", "small", retries=-1)


def test_explanations_are_the_model_s_where_it_answers(stub: Endpoint) -> None:
    (found,) = explain_nodes([context()], model=model(stub))
    assert found == Explanation(42, "The node follows its neighbours.", source="small")
    assert stub.requests[0][2]["messages"][0]["content"] == build_prompt(context())


def test_without_a_model_the_template_explains() -> None:
    assert explain_nodes([context()]) == (Explanation(42, explain(context())),)


def test_after_a_failure_the_template_stands_in_and_the_endpoint_is_left_alone(stub: Endpoint) -> None:
    stub.status, stub.body = 503, ""
    found = explain_nodes([context(node=node) for node in range(3)], model=model(stub))
    assert [entry.source for entry in found] == ["template"] * 3
    assert {entry.note for entry in found} == {
        "the language model small gave no answer: status 503, in 1 try"
    }
    assert found[2].text == explain(context(node=2))
    assert len(stub.requests) == 1


def test_without_the_package_the_extra_is_named_before_anything_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gradprobe.graphs.explain.language_model.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"gradprobe\[llm\]"):
        LanguageModel("http://host/v1", "small")
