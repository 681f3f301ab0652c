"""Credentials of containers, which fetch them as on AWS: where their environment says.

A container's SDK asks again before they expire, so that it may run for longer than any session.
"""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

PATH = "/_fraudloop/credentials"
# The variables of the AWS SDKs ("Container credential provider" of their reference guide). ECS and
# SageMaker give the first one relative to 169.254.170.2, an address that this machine has not.
_ADDRESS, _TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
SECONDS = 3600

Fetch = Callable[[], Mapping[str, str]]
_served: dict[str, Fetch] = {}


def serve_credentials(fetch: Fetch, endpoint_url: str) -> dict[str, str]:
    """Environment variables by which a container finds the credentials of its role.

    Args:
        fetch: Gives variables with new ones for an hour, as a process of its own would have them;
            called at each request of the container.
        endpoint_url: Where the embedded AWS listens.
    """
    token = secrets.token_urlsafe(32)
    _served[token] = fetch
    return {_ADDRESS: f"{endpoint_url}{PATH}", _TOKEN: token}


def withdraw_credentials(variables: Mapping[str, str]) -> None:
    """Serve no more to a container that has ended."""
    _served.pop(variables.get(_TOKEN, ""), None)


async def answer(scope: Any, send: Any) -> None:
    """Answer a container that asks for its credentials."""
    status, document = 403, {"message": "the token names no running container"}
    fetch = _served.get(dict(scope["headers"]).get(b"authorization", b"").decode())
    if fetch is not None:
        try:
            status, document = 200, _document(await asyncio.to_thread(fetch))
        except Exception as error:  # its role is gone, or trusts SageMaker no more
            document = {"message": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def _document(credentials: Mapping[str, str]) -> dict[str, str]:
    until = time.gmtime(time.time() + SECONDS)
    return {
        "AccessKeyId": credentials["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
        "Token": credentials["AWS_SESSION_TOKEN"],
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", until),
    }
