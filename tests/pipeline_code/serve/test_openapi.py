"""The server does what its description says, whatever is sent to it."""

import http.client
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline_code.contracts.serving import ATTRIBUTES_HEADER, CSV, JSON, JSON_LINES, MEDIA_TYPES
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.serve.openapi import description

from .conftest import PROJECT, Answer, Server, transaction

DESCRIPTION = description()
SCHEMAS: dict[str, Any] = DESCRIPTION["components"]["schemas"]
# Whoever asks for more reason codes than there are features is refused with this.
BOUNDS = f"reason_codes must be a whole number between 1 and {len(FEATURE_NAMES)}"
INVOCATIONS = DESCRIPTION["paths"]["/invocations"]["post"]
FUZZ = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# Fails with what Python shows of an error, or with the place of one.
LEAKS = re.compile(rb"Traceback|\.py\b|line \d+, in|0x[0-9a-f]{8}")


def validator(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema | {"components": {"schemas": SCHEMAS}})


def matching(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema of the description allows."""
    if "$ref" in schema:
        return matching(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    if "oneOf" in schema:
        return st.one_of([matching(each) for each in schema["oneOf"]])
    kinds: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
        "object": objects,
        "array": lambda each: st.lists(matching(each["items"]), min_size=1, max_size=4),
        "integer": lambda each: st.integers(each["minimum"], each["maximum"]),
        "number": lambda each: st.floats(each["minimum"], each["maximum"]) | st.integers(0, 10**6),
        "string": lambda each: st.from_regex(each["pattern"].replace("$", r"\Z")),
    }
    return kinds[schema["type"]](schema)


def objects(schema: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {name: matching(each) for name, each in schema["properties"].items()}
    optional = {name: fields.pop(name) for name in schema["properties"].keys() - schema["required"]}
    return st.fixed_dictionaries(fields, optional=optional)


def assert_described(answer: Answer, path: str = "/invocations", method: str = "post") -> None:
    """The answer is one of the description's, and tells nothing of the server's inside."""
    assert answer.status < 500, answer.body
    assert not LEAKS.search(answer.body), answer.body
    if answer.status in (404, 405):  # of paths and methods that are not in the description
        assert set(json.loads(answer.body)) == {"error"}
        return
    responses = DESCRIPTION["paths"][path][method]["responses"]
    assert str(answer.status) in responses, (answer.status, answer.body)
    content = responses[str(answer.status)]["content"]
    assert answer.content_type in content
    schema = content[answer.content_type]["schema"]
    if answer.content_type == JSON:
        validator(schema).validate(json.loads(answer.body))
    if answer.content_type == JSON_LINES:
        for line in answer.body.decode().splitlines():
            validator(schema).validate(json.loads(line))


def test_the_documentation_has_this_description() -> None:
    text = (PROJECT / "docs" / "serving-openapi.json").read_text(encoding="utf-8")
    assert json.loads(text) == DESCRIPTION, "run `make docs`"


def test_its_schemas_are_schemas() -> None:
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_every_path_is_described(server: Server) -> None:
    for path, methods in DESCRIPTION["paths"].items():
        for method in methods:
            body = json.dumps(transaction()).encode() if method == "post" else b""
            answer = server.request(method.upper(), path, body, {"content-type": JSON})
            assert answer.status == 200
            assert_described(answer, path, method)


BODIES = {
    JSON: matching(INVOCATIONS["requestBody"]["content"][JSON]["schema"]).map(json.dumps),
    JSON_LINES: st.one_of(
        [
            st.lists(matching(each), min_size=1, max_size=4)
            for each in INVOCATIONS["requestBody"]["content"][JSON_LINES]["schema"]["oneOf"]
        ]
    ).map(lambda rows: "\n".join(map(json.dumps, rows))),
}


@pytest.mark.parametrize("media_type", BODIES)
@FUZZ
@given(data=st.data())
def test_what_the_description_allows_is_answered(
    server: Server, media_type: str, data: st.DataObject
) -> None:
    body = data.draw(BODIES[media_type])
    accept = data.draw(st.sampled_from(MEDIA_TYPES))
    codes = data.draw(st.sampled_from(["", "reason_codes=2"])) if "json" in accept else ""
    answer = server.invoke(body, media_type, accept=accept, attributes=codes)
    assert_described(answer)
    if answer.status != 200:
        # A pattern cannot tell a date that there is not, nor a time outside the years we take.
        assert answer.status == 400
        assert re.search("event_time|amount", answer.document["error"]), answer.body


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([10**400, -1, 2**63, 1e308, -0.0, "\u0000", "\U0001f600", "9" * 5_000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SOUND = matching({"$ref": "#/components/schemas/Transaction"}) | matching(
    {"$ref": "#/components/schemas/FeatureRow"}
)


@FUZZ
@given(
    sound=SOUND,
    changes=st.dictionaries(
        st.sampled_from([*SCHEMAS["Transaction"]["properties"], "amount_minor", "is_night", "x"]),
        JSON_VALUES,
        min_size=1,
        max_size=3,
    ),
    form=st.sampled_from(["{}", "[{}]", "[{},{}]", "{}\n{}", '{{"a":{}}}', "{},"]),
    media_type=st.sampled_from([JSON, JSON_LINES]),
)
def test_damaged_documents_get_an_answer_or_a_reason(
    server: Server, sound: dict[str, Any], changes: dict[str, Any], form: str, media_type: str
) -> None:
    text = json.dumps(sound | changes)
    assert_described(server.invoke(form.format(*[text] * form.count("{}")), media_type))


@FUZZ
@given(
    body=st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode()),
    media_type=st.sampled_from(MEDIA_TYPES),
    accept=st.sampled_from(MEDIA_TYPES),
)
def test_any_bytes_get_a_reason(server: Server, body: bytes, media_type: str, accept: str) -> None:
    answer = server.invoke(body, media_type, accept=accept)
    assert_described(answer)
    assert answer.status == 400


PRINTABLE = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@FUZZ
@given(
    content_type=st.sampled_from(MEDIA_TYPES) | PRINTABLE,
    accept=st.sampled_from(MEDIA_TYPES) | PRINTABLE,
    attributes=PRINTABLE | st.sampled_from(["reason_codes=0", "reason_codes=9999", "state_cache="]),
)
def test_any_headers_get_an_answer_or_a_reason(
    server: Server, content_type: str, accept: str, attributes: str
) -> None:
    headers = {
        "content-type": content_type,
        "accept": accept,
        ATTRIBUTES_HEADER: attributes,
    }
    body = json.dumps(transaction()).encode()
    assert_described(server.request("POST", "/invocations", body, headers))


@FUZZ
@given(
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE"]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40),
)
def test_any_path_and_method_get_an_answer_or_a_reason(
    server: Server, method: str, path: str
) -> None:
    answer = server.request(method, "/" + path)
    # What is no URI at all is refused before the application sees it.
    assert answer.status in (400, 404, 405)


@FUZZ
@given(st.binary(min_size=1, max_size=300))
def test_bytes_that_are_no_http_harm_nobody(server: Server, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        received = b""
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65_536):
                received += part
        except OSError:
            pass  # the server hung up first
    assert not received.startswith(b"HTTP/1.1 5")
    assert server.request("GET", "/ping").status == 200


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_deep_and_long_bodies_get_a_reason(server: Server, media_type: str) -> None:
    deep = b'{"transaction_id":' * 60_000
    assert_described(server.invoke(deep, media_type))
    many = b"[" + b"{}," * 300_000 + b"{}]"
    assert_described(server.invoke(many, media_type))
    assert server.invoke(b"{}\n" * 300_000, media_type).status in (400, 413)


def test_too_many_transactions_get_413(server: Server) -> None:
    one = json.dumps(transaction())
    answer = server.invoke("[" + ",".join([one] * 1_001) + "]")
    assert answer.status == 413
    assert answer.document["error"] == "body must have at most 1000 transactions, got 1001"
    assert server.invoke("\n".join([one] * 1_001), JSON_LINES).status == 413


def test_a_place_in_a_batch_is_named(server: Server) -> None:
    rows = [transaction(), transaction(customer_id="x")]
    by_line = server.invoke("\n".join(map(json.dumps, rows)), JSON_LINES).document["error"]
    assert by_line == "line 2: customer_id must be an integer, got a string"
    in_array = server.invoke(json.dumps(rows)).document["error"]
    assert in_array == "item 2: customer_id must be an integer, got a string"


def test_transactions_and_rows_do_not_mix(server: Server) -> None:
    row = dict.fromkeys(SCHEMAS["Answer"]["properties"]["features"]["required"], 1.0)
    for mixed in ([transaction(), row], [row, transaction()]):
        assert server.invoke(json.dumps(mixed)).status == 400


def test_nothing_was_logged_of_what_was_sent(server: Server) -> None:
    text = Path(server.log).read_text()
    assert "request failed" not in text
    for line in text.splitlines():
        json.loads(line)


@pytest.mark.parametrize(
    ("attributes", "accept", "reason"),
    [
        ("reason_codes=0", JSON, f"{BOUNDS}, got '0'"),
        (f"reason_codes={len(FEATURE_NAMES) + 1}", JSON, BOUNDS),
        ("reason_codes=1000", JSON, BOUNDS),
        ("reason_codes", JSON, f"{BOUNDS}, got ''"),
        ("reason_codes=3", CSV, "reason_codes must be asked with an answer in application/json"),
        ("state_cache=never", JSON, "state_cache must be on or off, got 'never'"),
    ],
)
def test_what_cannot_be_had_is_refused(
    server: Server, attributes: str, accept: str, reason: str
) -> None:
    answer = server.invoke(json.dumps(transaction()), accept=accept, attributes=attributes)
    assert answer.status == 400
    assert answer.document["error"].startswith(reason)


def test_an_answer_that_is_not_acceptable_gets_406(server: Server) -> None:
    answer = server.invoke(json.dumps(transaction()), accept="text/html, image/*;q=0.5")
    assert answer.status == 406
    assert_described(answer)


def test_a_pipelined_connection_is_answered_in_order(server: Server) -> None:
    bodies = [json.dumps(transaction(transaction_id=n)).encode() for n in range(5)]
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for body in bodies:
            head = f"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-type: {JSON}\r\n"
            head += f"content-length: {len(body)}\r\n\r\n"
            connection.sendall(head.encode() + body)
        with connection.makefile("rb") as stream:
            for expected in range(5):
                assert stream.readline() == b"HTTP/1.1 200 OK\r\n"
                headers = http.client.parse_headers(stream)
                answer = json.loads(stream.read(int(headers["content-length"])))
                assert answer["transaction_id"] == expected
