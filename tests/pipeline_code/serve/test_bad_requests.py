"""Bad requests over HTTP: 4xx with a reason, never a 5xx, a stack trace or a dead server."""

import http.client
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline_code.features.definitions import FEATURE_NAMES

from .conftest import Answer, Server, transaction

OVER_HTTP = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
GOOD = json.dumps(transaction())


def assert_refused(answer: Answer, status: int = 400) -> str:
    assert answer.status == status, answer.body
    assert answer.content_type == "application/json"
    assert list(answer.document) == ["error"]
    reason: str = answer.document["error"]
    assert "Traceback" not in reason
    return reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "body must be JSON"),
        ("{}", "got no transaction_id"),
        (json.dumps(transaction(amount=-1)), "amount must be a decimal number of at least 0"),
        (json.dumps(transaction(customer_id=2**64)), "customer_id must be between 0 and"),
        (json.dumps(transaction(extra=1)), "fields must be among"),
        ("[" * 200_000, "body must not be nested deeply"),
    ],
)
def test_a_malformed_transaction_gets_400_and_a_reason(
    server: Server, body: str, reason: str
) -> None:
    assert reason in assert_refused(server.invoke(body))
    assert server.invoke(GOOD).status == 200


def test_a_malformed_row_gets_400_and_a_reason(server: Server) -> None:
    reason = assert_refused(server.invoke("1,2", "text/csv"))
    assert reason == f"row 1 must have {len(FEATURE_NAMES)} values, got 2"


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/jsonline", "application/parquet", "json", "x" * 300],
)
def test_another_content_type_gets_415(server: Server, content_type: str) -> None:
    reason = assert_refused(server.invoke(GOOD, content_type), 415)
    assert reason.startswith(
        "content type must be application/json, application/jsonlines, text/csv or "
        "application/x-parquet, got"
    )


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_carry_parameters(server: Server, content_type: str) -> None:
    assert server.invoke(GOOD, content_type).status == 200


def test_a_missing_content_type_gets_415(server: Server) -> None:
    assert_refused(server.request("POST", "/invocations", GOOD.encode()), 415)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/invocations", 405),
        ("PUT", "/invocations", 405),
        ("DELETE", "/ping", 405),
        ("POST", "/ping", 405),
        ("GET", "/", 404),
        ("GET", "/../model/metadata.json", 404),
        ("POST", "/invocations/", 404),
    ],
)
def test_another_path_or_method_is_refused(
    server: Server, method: str, path: str, status: int
) -> None:
    assert_refused(server.request(method, path), status)


def test_an_oversized_body_gets_413(server: Server) -> None:
    reason = assert_refused(server.invoke(b" " * (1024 * 1024 + 1)), 413)
    assert reason == "body must have at most 1048576 bytes, got more"


def test_a_body_of_the_largest_size_is_read(server: Server) -> None:
    assert server.invoke(GOOD.ljust(1024 * 1024)).status == 200


def test_an_oversized_body_without_a_length_gets_413(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    chunks = (b" " * 65_536 for _ in range(40))
    headers = {"content-type": "application/json"}
    connection.request("POST", "/invocations", chunks, headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 413
    connection.close()


def test_a_body_without_a_length_is_read(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    halves = (GOOD[:20].encode(), GOOD[20:].encode())
    headers = {"content-type": "application/json"}
    connection.request("POST", "/invocations", iter(halves), headers, encode_chunked=True)
    assert connection.getresponse().status == 200
    connection.close()


def test_a_caller_who_hangs_up_harms_nobody(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.putrequest("POST", "/invocations")
    connection.putheader("content-type", "application/json")
    connection.putheader("content-length", "1000")
    connection.endheaders(b"{")
    connection.close()
    assert server.invoke(GOOD).status == 200


@OVER_HTTP
@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/csv"]))
def test_any_bytes_get_400(server: Server, body: bytes, content_type: str) -> None:
    assert_refused(server.invoke(body, content_type))


@OVER_HTTP
@given(
    st.sampled_from(list(transaction())),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
)
def test_any_value_gets_an_answer_or_a_reason(server: Server, name: str, value: object) -> None:
    answer = server.invoke(json.dumps(transaction() | {name: value}))
    if answer.status == 200:
        assert 0 <= answer.document["score"] <= 1
    else:
        assert_refused(answer)


# Characters that an HTTP client may put into a header at all.
HEADER_TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)


@OVER_HTTP
@given(HEADER_TEXT.filter(lambda text: "/" not in text))
def test_any_content_type_gets_415(server: Server, content_type: str) -> None:
    assert_refused(server.invoke(GOOD, content_type), 415)
