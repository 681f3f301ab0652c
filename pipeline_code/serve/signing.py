"""Signature Version 4 for requests that differ in nothing but query, body, time and credentials."""

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from urllib.parse import quote

from botocore.credentials import ReadOnlyCredentials
from yarl import URL

from pipeline_code.contracts.serving import JSON

__all__ = ["Signer"]

ALGORITHM = "AWS4-HMAC-SHA256"


class Signer:
    """Signs GET requests, and POST requests with JSON bodies, to one URL.

    botocore's signer takes 90 microseconds a request, nearly all of it for what is the same in each
    of them, and this one a tenth of that. A test compares the two.

    Args:
        method: GET or POST.
        url: Where the requests go, without a query.
        region: The region whose service that is.
        service: Its name in signatures.
    """

    def __init__(self, method: str, url: URL, region: str, service: str) -> None:
        self._request = f"{method}\n{quote(url.raw_path, safe='/~')}"
        # In the order of their names, as they are signed.
        self._headers = {"content-type": JSON} if method == "POST" else {}
        self._headers["host"] = url.host_port_subcomponent or ""
        self._region = region
        self._service = service

    def headers(
        self, credentials: ReadOnlyCredentials, at: float, *, query: str = "", body: bytes = b""
    ) -> dict[str, str]:
        """The headers of a request, with its signature.

        Args:
            credentials: Whose request it is.
            at: The time, in seconds since 1970.
            query: What is asked, encoded, in the order of names and then of values.
            body: What is sent.
        """
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
        headers = {**self._headers, "x-amz-date": stamp}
        if credentials.token:
            headers["x-amz-security-token"] = credentials.token
        names = ";".join(headers)
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        request = f"{self._request}\n{query}\n{lines}\n{names}\n{sha256(body).hexdigest()}"
        scope = f"{stamp[:8]}/{self._region}/{self._service}/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        key = _key(credentials.secret_key, stamp[:8], self._region, self._service)
        headers["authorization"] = (
            f"{ALGORITHM} Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={names}, Signature={_signed(key, text).hex()}"
        )
        return headers


@lru_cache(2)
def _key(secret: str, day: str, region: str, service: str) -> bytes:
    """The key of a day, a region and a service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = _signed(key, part)
    return key


def _signed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
