"""Signatures, compared with botocore's."""

import time
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import quote

import botocore.auth
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from pipeline_code.serve.signing import Signer

TEXTS = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=40)
URLS = st.sampled_from(
    [
        "https://featurestore-runtime.sagemaker.eu-west-1.amazonaws.com/BatchGetRecord",
        "https://featurestore-runtime.sagemaker.eu-west-1.amazonaws.com/FeatureGroup/bank-customer",
        "http://127.0.0.1:4566/BatchGetRecord",
        "https://[::1]:8443/a%20b/BatchGetRecord",
        "https://Example.org:443/BatchGetRecord",
    ]
)
TIMES = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))


PAIRS = st.tuples(TEXTS, st.text(st.characters(codec="utf-8"), max_size=40).map(quote))
SENT = st.tuples(st.just("POST"), st.just(""), st.binary(min_size=1)) | st.tuples(
    st.just("GET"),
    st.lists(PAIRS).map(lambda pairs: "&".join(map("=".join, sorted(pairs)))),
    st.just(b""),
)


@given(URLS, SENT, TIMES, TEXTS, TEXTS, st.none() | TEXTS, TEXTS)
def test_a_signature_is_botocores(
    url: str,
    sent: tuple[str, str, bytes],
    at: datetime,
    access: str,
    secret: str,
    token: str | None,
    region: str,
) -> None:
    credentials = Credentials(access, secret, token)
    target, (method, query, body) = URL(url), sent
    ours = Signer(method, target, region, "sagemaker").headers(
        credentials.get_frozen_credentials(), at.timestamp(), query=query, body=body
    )
    headers = {"content-type": "application/json"} if method == "POST" else {}
    whole = f"{target}?{query}" if query else str(target)
    request = AWSRequest(method, whole, headers, body or None)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at):
        SigV4Auth(credentials, "sagemaker", region).add_auth(request)
    theirs = {name.lower(): value for name, value in request.headers.items()}
    assert ours.pop("host") == target.host_port_subcomponent
    assert ours == theirs


def test_what_is_asked_is_signed() -> None:
    signer = Signer("GET", URL("http://127.0.0.1/FeatureGroup/bank-customer"), "us-east-1", "s")
    credentials, now = Credentials("a", "x").get_frozen_credentials(), time.time()
    signed = {signer.headers(credentials, now, query=f"Id={id_}")["authorization"] for id_ in "12"}
    assert len(signed) == 2


def test_a_new_day_and_new_credentials_have_their_own_key() -> None:
    signer = Signer("POST", URL("http://127.0.0.1/BatchGetRecord"), "us-east-1", "sagemaker")
    now = time.time()
    one, other = (Credentials("a", secret).get_frozen_credentials() for secret in ("x", "y"))
    signed = [
        signer.headers(credentials, at, body=b"{}")["authorization"]
        for credentials in (one, other, one)
        for at in (now, now + 86_400)
    ]
    assert len(set(signed)) == 4
    assert signed[:2] == signed[4:]
