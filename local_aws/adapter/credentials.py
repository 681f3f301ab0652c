"""Credentials of containers, which fetch them as on AWS: where their environment says.

A container's SDK asks again before they expire, so that it may run for longer than any session.
"""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import identity
from local_aws.adapter.actors import RoleNotAssumableError, Service

PATH = "/_fraudloop/credentials"
# The variables of the AWS SDKs ("Container credential provider" of their reference guide). ECS and
# SageMaker give the first one relative to 169.254.170.2, an address that this machine has not.
_ADDRESS, _TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN"
_SECONDS = 3600
# Account, region, role and session, by token.
_served: dict[str, tuple[str, str, str, str]] = {}


def serve_credentials(role_arn: str, session: str, endpoint_url: str) -> dict[str, str]:
    """Environment variables by which a container finds the credentials of a role.

    Raises:
        RoleNotAssumableError: If SageMaker may not assume it now.
    """
    _assume(role_arn, session)
    token = secrets.token_urlsafe(32)
    scope = (identity.current_account(), identity.current_region())
    _served[token] = (*scope, role_arn, session)
    return {_ADDRESS: f"{endpoint_url}{PATH}", _TOKEN: token}


def withdraw_credentials(variables: Mapping[str, str]) -> None:
    """Serve no more to a container that has ended."""
    _served.pop(variables.get(_TOKEN, ""), None)


async def answer(scope: Any, send: Any) -> None:
    """Answer a container that asks for its credentials."""
    status, document = 403, {"message": "the token names no running container"}
    found = _served.get(dict(scope["headers"]).get(b"authorization", b"").decode())
    if found is not None:
        account, region, role_arn, session = found
        with identity.request_scope(account, region):
            try:
                status, document = 200, _document(_assume(role_arn, session))
            except RoleNotAssumableError as error:
                document = {"message": str(error)}
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(document).encode()})


def _assume(role_arn: str, session: str) -> dict[str, str]:
    # As aws:SourceAccount (Developer Guide, "Cross-service confused deputy prevention"). It names
    # the job as aws:SourceArn too, which is not supplied here: a trust that asks for it is refused.
    service = Service(name="sagemaker.amazonaws.com", source_account=identity.current_account())
    return service.assume(role_arn, session, _SECONDS)


def _document(credentials: Mapping[str, str]) -> dict[str, str]:
    until = time.gmtime(time.time() + _SECONDS)
    return {
        "AccessKeyId": credentials["AWS_ACCESS_KEY_ID"],
        "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
        "Token": credentials["AWS_SESSION_TOKEN"],
        "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", until),
    }
