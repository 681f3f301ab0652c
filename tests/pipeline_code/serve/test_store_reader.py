"""Reading the online store on the event loop, from stores that misbehave."""

import asyncio
import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ReadTimeoutError,
)
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pipeline_code.features.definitions import CUSTOMER, TERMINAL
from pipeline_code.features.store import online_store
from pipeline_code.features.store.online_store import ATTEMPTS, StoreError
from pipeline_code.features.store.records import Key
from pipeline_code.serve import connections
from pipeline_code.serve import store as store_module
from pipeline_code.serve.store import ONE_BY_ONE, StoreReader

from .conftest import GROUPS, reader
from .hostile_store import (
    GOOD,
    ODD_VALUES,
    ONE,
    PATIENT,
    TWO,
    VALUES,
    Behaviour,
    ask,
    drips,
    floods,
    found,
    record,
    resets,
    says,
    sends,
)


@pytest.fixture(params=["batch", "single"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How records are read, for tests that hold for both ways."""
    if request.param == "batch":
        monkeypatch.setattr(store_module, "ONE_BY_ONE", 0)
    return str(request.param)


@pytest.fixture
def in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few records there are, they are read in a batch."""
    monkeypatch.setattr(store_module, "ONE_BY_ONE", 0)


async def read_twice(store: StoreReader) -> Any:
    until = asyncio.get_running_loop().time() + PATIENT
    first = await store.read([ONE], until)
    # What hangs up has done so when its connection is used again.
    await asyncio.sleep(0.02)
    return first, await store.read([ONE], until)


@pytest.mark.usefixtures("in_batches")
def test_records_are_those_of_their_keys() -> None:
    outcome, hostile = ask(says(found(record(TWO, []), record(ONE))), keys=[ONE, TWO])
    assert outcome == {ONE: VALUES, TWO: []}
    assert hostile.asked[0][0]["RecordIdentifiersValueAsString"] == ["1", "2"]


def test_a_transactions_records_are_asked_for_one_by_one() -> None:
    outcome, hostile = ask(GOOD, keys=[ONE, Key(TERMINAL, 1)])
    assert outcome == {ONE: VALUES, Key(TERMINAL, 1): VALUES}
    assert hostile.connections == 2
    features = "FeatureName=event_time&FeatureName=state"
    assert sorted(hostile.asked) == [
        f"/FeatureGroup/{GROUPS['customer']}?FeatureName=customer_id&{features}"
        "&RecordIdentifierValueAsString=1",
        f"/FeatureGroup/{GROUPS['terminal']}?{features}&FeatureName=terminal_id"
        "&RecordIdentifierValueAsString=1",
    ]


@pytest.mark.parametrize("count", [1, ONE_BY_ONE, ONE_BY_ONE + 1, 100])
def test_few_records_are_calls_of_the_larger_quota(count: int) -> None:
    keys = [Key(CUSTOMER, id_) for id_ in range(count)]
    none = says(found(Record=None))
    outcome, hostile = ask(none, keys=keys)
    assert outcome == {}
    assert len(hostile.asked) == (count if count <= ONE_BY_ONE else 1)


@pytest.mark.parametrize("nothing", [{}, {"Record": None}, {"Record": []}])
def test_a_record_that_is_not_there_has_no_values(nothing: Any) -> None:
    assert ask(says(nothing))[0] == {}


def test_one_record_that_fails_fails_the_read_and_the_other_is_waited_for() -> None:
    outcome, hostile = ask(says({"__type": "AccessForbidden"}, 403), GOOD, keys=[ONE, TWO])
    assert isinstance(outcome, ClientError)
    assert outcome.operation_name == "GetRecord"
    assert len(hostile.asked) == 2


@pytest.mark.usefixtures("way")
def test_a_connection_is_kept() -> None:
    outcome, hostile = ask(GOOD, work=read_twice)
    assert outcome == ({ONE: VALUES}, {ONE: VALUES})
    assert hostile.connections == 1


async def answers_and_hangs_up(writer: asyncio.StreamWriter) -> bool:
    await GOOD(writer)
    return False


@pytest.mark.usefixtures("way")
def test_a_connection_that_was_closed_meanwhile_is_replaced() -> None:
    outcome, hostile = ask(answers_and_hangs_up, work=read_twice)
    assert outcome == ({ONE: VALUES}, {ONE: VALUES})
    assert hostile.connections == 2


CUT_OFF = sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")
THROTTLED = says({"__type": "ThrottlingException", "message": "slow down"}, 400)
TRIED_AGAIN = {
    "reset": (resets, ConnectionClosedError),
    "cut off": (CUT_OFF, ConnectionClosedError),
    "no HTTP": (sends(b"220 mail.example ESMTP\r\n\r\n"), HTTPClientError),
    "500": (says({}, 500), ClientError),
    "503": (says(b"<html>", 503), ClientError),
    "throttled": (THROTTLED, ClientError),
}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("bad", "kind"), TRIED_AGAIN.values(), ids=TRIED_AGAIN)
def test_what_may_pass_is_tried_once_more(bad: Behaviour, kind: type[Exception]) -> None:
    outcome, hostile = ask(bad, GOOD)
    assert (outcome, len(hostile.asked)) == ({ONE: VALUES}, 2)
    outcome, hostile = ask(bad)
    assert (type(outcome), len(hostile.asked)) == (kind, 2)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(("bad", "kind"), TRIED_AGAIN.values(), ids=TRIED_AGAIN)
def test_nothing_is_tried_again_for_nobody(bad: Behaviour, kind: type[Exception]) -> None:
    outcome, hostile = ask(bad, GOOD, late=True)
    assert (type(outcome), len(hostile.asked)) == (kind, 1)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("status", "code"), [(400, "ValidationError"), (403, "AccessForbidden"), (301, "301")]
)
def test_a_refusal_is_final(status: int, code: str) -> None:
    outcome, hostile = ask(says({"__type": code}, status), GOOD)
    assert isinstance(outcome, ClientError)
    assert outcome.response["Error"]["Code"] == code
    assert len(hostile.asked) == 1


@pytest.mark.usefixtures("in_batches")
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        *([], None, "text", {}, {"Records": None}, {"Records": 5}, found(None), found({})),
        *(found(record(Key(CUSTOMER, 3))), found(record(ONE) | {"FeatureGroupName": [1]})),
        *(found(record(ONE, values)) for values in ODD_VALUES),
        found(record(ONE, [{"FeatureName": "state", "ValueAsString": 5}])),
        found(Errors=[{}]),
        found(Errors=[{"ErrorCode": "AccessForbidden", "ErrorMessage": "no"}]),
    ],
    ids=lambda answer: str(answer)[:60],
)
def test_an_answer_that_is_none_is_an_error_of_the_store(answer: Any) -> None:
    outcome, hostile = ask(says(answer), keys=[ONE, TWO])
    assert isinstance(outcome, StoreError)
    assert len(hostile.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        *(b"", b"{", b"\xff\xfe", b"[" * 100_000, [], None, "text", 5),
        *({"Record": values} for values in (5, "text", {"FeatureName": "state"}, *ODD_VALUES[1:])),
        {"Record": [{"FeatureName": "state", "ValueAsString": 5}]},
    ],
    ids=lambda answer: str(answer)[:60],
)
def test_a_single_record_that_is_none_is_an_error_of_the_store(answer: Any) -> None:
    outcome, hostile = ask(says(answer))
    assert isinstance(outcome, StoreError)
    assert "GetRecord must" in str(outcome)
    assert len(hostile.asked) == 1


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("behaviours", "count"),
    [([GOOD], 0), ([THROTTLED, GOOD], 1), ([THROTTLED], 2), ([says({}, 500)], 0), ([resets], 0)],
)
def test_each_try_that_was_throttled_is_told_of(
    behaviours: Sequence[Behaviour], count: int
) -> None:
    told: list[None] = []
    ask(*behaviours, throttled=lambda: told.append(None))
    assert len(told) == count


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    "huge", [floods, sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n{")]
)
def test_a_huge_answer_is_not_kept(huge: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_ANSWER_BYTES", 100_000)
    outcome, _ = ask(huge)
    assert isinstance(outcome, StoreError)
    assert "at most 100000 bytes" in str(outcome)


@pytest.mark.usefixtures("way")
def test_a_slow_answer_is_given_up_though_it_is_never_silent() -> None:
    outcome, hostile = ask(drips, timeout_seconds=0.1)
    assert isinstance(outcome, ReadTimeoutError)
    assert len(hostile.asked) == 2


def test_a_store_that_is_not_there() -> None:
    async def main() -> None:
        store = reader("http://127.0.0.1:1")
        await store.start()
        try:
            with pytest.raises(EndpointConnectionError):
                await store.read([ONE], 0)
        finally:
            await store.close()

    asyncio.run(main())


@pytest.mark.usefixtures("in_batches")
def test_what_was_left_unprocessed_is_asked_for_again() -> None:
    left = [{"FeatureGroupName": GROUPS["customer"], "RecordIdentifiersValueAsString": ["2"]}]
    first = says(found(record(ONE), UnprocessedIdentifiers=left))
    outcome, hostile = ask(first, says(found(record(TWO))), keys=[ONE, TWO])
    assert outcome == {ONE: VALUES, TWO: VALUES}
    assert hostile.asked[1] == left


@pytest.mark.usefixtures("in_batches")
def test_what_is_always_left_unprocessed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online_store, "FIRST_PAUSE_SECONDS", 0.001)
    outcome, hostile = ask(says(found(UnprocessedIdentifiers=[{}])))
    assert isinstance(outcome, StoreError)
    assert len(hostile.asked) == ATTEMPTS


def test_tls_is_checked(tmp_path: Path) -> None:
    authority = tmp_path / "authority.pem"
    secure = _secure(authority)
    outcome, hostile = ask(GOOD, work=read_twice, secure=secure, ca_bundle=str(authority))
    assert outcome == ({ONE: VALUES}, {ONE: VALUES})
    assert hostile.connections == 1
    outcome, hostile = ask(GOOD, secure=secure)
    assert isinstance(outcome, EndpointConnectionError)
    assert not hostile.asked


def test_without_credentials_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def anonymous(store: StoreReader) -> Any:
        store._connections._identity._current = None
        return await store.read([ONE], 0)

    outcome, hostile = ask(GOOD, work=anonymous)
    assert isinstance(outcome, NoCredentialsError)
    assert not hostile.asked


def _secure(authority: Path) -> ssl.SSLContext:
    """A server's side of TLS, with a certificate that only its own file vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    authority.write_bytes(certificate.public_bytes(pem))
    private = authority.with_suffix(".key")
    private.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(authority, private)
    return context
