"""Accounts, regions, roles and their policies."""

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from ministack import app as ms
from ministack.core import iam_evaluator, responses, router
from ministack.services import iam, sts

OPERATOR = "operator"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"

# When a key that only permissions are asked with was made, and the key, by role and session.
_keys: dict[tuple[str, str], tuple[float, str]] = {}
_KEY_SECONDS = 600


def current_account() -> str:
    """The account of the request being handled."""
    return str(responses.get_account_id())


def current_region() -> str:
    """The region of the request being handled."""
    return str(responses.get_region())


def caller_identity(headers: dict[str, str]) -> dict[str, str] | None:
    """The `Arn` and `UserId` of who makes a request, as `GetCallerIdentity` says, if known."""
    identity = sts._caller_identity(headers, None)
    if not isinstance(identity, dict):
        return None
    return {"Arn": str(identity["userArn"]), "UserId": str(identity["userId"])}


def request_scope(account: str, region: str) -> AbstractContextManager[None]:
    """Act for an account and region outside a request, as in a thread of our own."""
    scope: AbstractContextManager[None] = responses.request_scope(account, region)
    return scope


def role_credentials(role_arn: str, session_name: str, seconds: int = 3600) -> dict[str, str]:
    """Environment variables with credentials of a role, as a service assumes it for a job."""
    account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    key = "ASIA" + secrets.token_hex(8).upper()
    secret, token = secrets.token_urlsafe(30), secrets.token_urlsafe(64)
    session: dict[str, Any] = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session_name}",
        "UserId": f"{role}:{session_name}",
        "SecretAccessKey": secret,
        "SessionToken": token,
        "Expiration": time.time() + seconds,
    }
    sts.register_session(key, session)
    return {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }


def role_denied(
    role_arn: str,
    session_name: str,
    action: str,
    resource_arn: str,
    keys: Mapping[str, str] | None = None,
) -> str | None:
    """Why a role may not do something, or None; for what a service does in its name.

    Args:
        role_arn: The role.
        session_name: The session that AWS would show.
        action: Such as `kinesis:GetRecords`.
        resource_arn: What it is done to.
        keys: Condition keys of the request, if it has some.
    """
    if not ms.AUTH:
        return None
    made, key = _keys.get((role_arn, session_name), (0.0, ""))
    if time.time() - made > _KEY_SECONDS / 2:
        key = role_credentials(role_arn, session_name, _KEY_SECONDS)["AWS_ACCESS_KEY_ID"]
        _keys[role_arn, session_name] = (time.time(), key)
    service, region = action.partition(":")[0], responses.get_region()
    if iam_evaluator.enforce(key, action, service, region, resource_arn, dict(keys or {})) is None:
        return None
    account, role = role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]
    session = f"arn:aws:sts::{account}:assumed-role/{role}/{session_name}"
    return f"User: {session} is not authorized to perform: {action} on resource: {resource_arn}"


def pass_role_denied(
    headers: dict[str, str], role_arn: str, service: str = "sagemaker.amazonaws.com"
) -> str | None:
    """Why the caller of this request may not pass a role to a service, or None if they may.

    ministack itself never checks `iam:PassRole`.
    """
    if not ms.AUTH:
        return None
    denied = iam_evaluator.enforce(
        router.extract_access_key_id(headers, None),
        "iam:PassRole",
        "iam",
        responses.get_region(),
        resource_arn=role_arn,
        service_context={"iam:PassedToService": service},
    )
    if denied is None:
        return None
    caller = iam_evaluator.request_caller_arn(headers)
    return f"User: {caller} is not authorized to perform: iam:PassRole on resource: {role_arn}"


def enrol_operator(account: str, region: str, access_key_id: str, secret: str) -> None:
    """Make an IAM user with all permissions and these credentials, and let no one else in.

    ministack lets the keys "test" and any account number act as root, and checks the signature of
    no root key, so that every program on this machine could. Of root keys only the server's own
    is left, which it tells to no one.
    """

    def is_root_access_key(key: str) -> bool:
        return not key or key == os.environ["AWS_ACCESS_KEY_ID"]

    iam_evaluator.is_root_access_key = is_root_access_key
    sts.is_root_access_key = is_root_access_key
    with request_scope(account, region):
        iam._create_user({"UserName": OPERATOR})
        iam._attach_user_policy({"UserName": OPERATOR, "PolicyArn": ADMINISTRATOR})
        iam._access_keys[access_key_id] = {
            "UserName": OPERATOR,
            "AccessKeyId": access_key_id,
            "SecretAccessKey": secret,
            "Status": "Active",
            "CreateDate": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }


def accept_loopback_as_secure() -> None:
    """Let plain HTTP on loopback count as TLS.

    Bucket policies deny what does not come over TLS (CDK's own bootstrap bucket has one), and
    there is no TLS between processes of one machine.
    """
    pin = ms.pin_request_origin
    ms.pin_request_origin = lambda source_ip, _secure_transport: pin(source_ip, True)
