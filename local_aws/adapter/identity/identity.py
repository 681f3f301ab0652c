"""Accounts, regions, roles and their policies."""

import functools
import os
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from ministack import app as ms
from ministack.core import iam_evaluator, responses, router
from ministack.services import iam, sts

from local_aws.adapter.identity.actors import Caller

OPERATOR = "operator"
ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_tls_version: ContextVar[str | None] = ContextVar("tls_version", default="1.3")


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


def caller(headers: dict[str, str]) -> Caller:
    """Whoever makes a request."""
    return caller_of_key(router.extract_access_key_id(headers, None) or "")


def caller_of_key(access_key_id: str) -> Caller:
    """Whoever makes requests with an access key."""
    found = iam_evaluator.resolve_credential(access_key_id, current_account())
    # What resolves to nobody is refused by the evaluator itself.
    name = str(getattr(found, "principal_arn", "anonymous"))
    return Caller(access_key_id=access_key_id, name=name)


def path_of(kind: str, name: str, path: str | None = None) -> str:
    """The end of a role's or user's ARN: its path and name.

    Args:
        kind: role or user.
        name: Its name.
        path: Of one that is going to be made.
    """
    known = (iam._roles if kind == "role" else iam._users).get(name)
    if known is None:
        return f"{(path or '/')[1:]}{name}"
    return str(known["Arn"]).partition(f":{kind}/")[2]


def pass_role_denied(
    headers: dict[str, str], role_arn: str, service: str = "sagemaker.amazonaws.com"
) -> str | None:
    """Why the caller of this request may not pass a role to a service, or None if they may.

    ministack itself never checks `iam:PassRole`.
    """
    return caller(headers).denied("iam:PassRole", role_arn, {"iam:PassedToService": service})


def enrol_operator(account: str, region: str, access_key_id: str, secret: str) -> None:
    """Make an IAM user with all permissions and these credentials, and let no one else in.

    ministack lets the keys "test" and any account number act as root, and checks the signature of
    no root key, so that every program on this machine could. Of root keys only the server's own
    is left, which it tells to no one.
    """

    def is_root_access_key(key: str) -> bool:
        return key == os.environ["AWS_ACCESS_KEY_ID"]

    # Nor is anybody served without credentials, as SNS's links and S3 are: what few requests AWS
    # takes unsigned, this project does not make.
    iam_evaluator._served_unsigned = lambda _service, _action: False
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


def parse_policies_once() -> None:
    """Keep what a policy's text says; thousands of objects are authorized by the same few."""
    inner = iam_evaluator.parse_policy_document
    by_text = functools.lru_cache(4096)(inner)

    def parse(document: Any) -> Any:
        return by_text(document) if isinstance(document, str) else inner(document)

    iam_evaluator.parse_policy_document = parse


def accept_loopback_as_secure() -> None:
    """Let plain HTTP on loopback count as TLS, unless a request says that it is none.

    Bucket policies deny what does not come over TLS (CDK's own bootstrap bucket has one), and
    there is no TLS between processes of one machine.
    """
    pin = ms.pin_request_origin
    ms.pin_request_origin = lambda source_ip, _: pin(source_ip, _tls_version.get() is not None)


def note_transport(headers: Mapping[bytes, bytes]) -> None:
    """Remember of a request, before ministack handles it, what it says of its transport.

    `X-Forwarded-Proto: http` is plain HTTP, `X-Amzn-Tls-Version: TLSv1.1` an older TLS: the
    headers by which AWS's load balancers tell it.
    """
    plain = headers.get(b"x-forwarded-proto") == b"http"
    said = headers.get(b"x-amzn-tls-version", b"TLSv1.3").decode(errors="replace")
    _tls_version.set(None if plain else said.removeprefix("TLSv"))


def tls_version() -> str | None:
    """The TLS version of the request being handled; None if it is plain HTTP."""
    return _tls_version.get()


def list_as_documented() -> None:
    """Keep tags, and policies' descriptions, out of lists of users, roles and policies.

    "IAM resource-listing operations return a subset of the available attributes for the resource.
    For example, this operation does not return tags" (IAM API Reference, ListRoles, ListUsers,
    ListPolicies).
    """
    role, user, policy = iam._role_xml, iam._user_xml, iam._managed_policy_xml

    def without(element: str, text: str) -> str:
        return re.sub(f"<{element}>.*</{element}>", "", text, flags=re.DOTALL)

    def listed_policy(arn: str, usage_counts: Any) -> str:
        return without("Description", without("Tags", policy(arn, usage_counts)))

    def tagged(text: str) -> str:
        return text if "<Tags>" in text else f"{text}<Tags></Tags>"

    # Their lists are those that leave boundaries out, and that have counted usages beforehand.
    iam._role_xml = lambda name, boundary=True: (
        role(name) if boundary else without("Tags", role(name, boundary=False))
    )
    iam._user_xml = lambda name, boundary=True: (
        user(name) if boundary else without("Tags", user(name, boundary=False))
    )
    iam._managed_policy_xml = lambda arn, usage_counts=None: (
        tagged(policy(arn)) if usage_counts is None else listed_policy(arn, usage_counts)
    )
