"""The principals of resources' policies and of trust policies.

"Principal" is the IAM User Guide's "AWS JSON policy elements: Principal".
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import iam

_ACCOUNT = re.compile(r"(?:arn:aws[a-z-]*:iam::)?(\d{12})(?::root)?")


def role_of(session: str) -> str:
    """The ARN of the role that a session is one of."""
    account, name = session.split(":")[4], session.split("/")[1]
    role = iam._roles.get_scoped(account, None, name)
    return f"arn:aws:iam::{account}:role/{name}" if role is None else str(role["Arn"])


def _principals(principal: Any, kind: str) -> list[str]:
    if principal == "*":
        return ["*"] if kind == "AWS" else []
    named = principal.get(kind, []) if isinstance(principal, Mapping) else []
    return [named] if isinstance(named, str) else list(named)


def names(principal: Any, caller: str) -> bool:
    """Whether a principal element names a caller, or the account that they are of.

    ARNs are whole and case matters: "You cannot use a wildcard to match part of a principal name
    or ARN" (Principal). "*" is everybody.
    """
    return names_itself(principal, caller) or any(
        (found := _ACCOUNT.fullmatch(named)) is not None and found[1] == caller.split(":")[4]
        for named in _principals(principal, "AWS")
        if caller.count(":") >= 5  # noqa: PLR2004 - an ARN's colons
    )


def names_itself(principal: Any, caller: str) -> bool:
    """Whether a principal element names a caller, their session's role, or everybody."""
    itself = {"*", caller}
    if ":assumed-role/" in caller:
        itself.add(role_of(caller))
    return bool(itself & {*_principals(principal, "AWS")})


def _parsed(doc: Any) -> Any:
    try:
        return json.loads(doc) if isinstance(doc, str) else doc
    except ValueError:
        return None  # what is no document allows nothing


def evaluate_resource_policy(
    doc: Any,
    ctx: Any,
    service: str | None = None,
    named_only: bool = False,
    direct_only: bool = False,
) -> Any:
    """What a resource's policy says to a request.

    Args:
        doc: The policy, as text or parsed; None allows and denies nothing.
        ctx: The request.
        service: The service principal that makes it, if none of an account's does.
        named_only: Whether naming the caller's account does not count.
        direct_only: Whether only naming the very user or session counts.
    """
    document = _parsed(doc)
    statements = document.get("Statement", []) if isinstance(document, Mapping) else []
    statements = [statements] if isinstance(statements, Mapping) else statements
    caller = ctx.principal_arn

    def applies(statement: Mapping[str, Any]) -> bool:
        if "NotPrincipal" in statement:
            # It denies all but those who are named; what it would allow is left out (stricter).
            named = statement["NotPrincipal"]
            but = names(named, caller) or service in _principals(named, "Service")
            return statement.get("Effect") == "Deny" and not but
        principal = statement.get("Principal", {})
        if direct_only:
            return caller in _principals(principal, "AWS")
        if service is not None:
            return service in _principals(principal, "Service") or _principals(
                principal, "AWS"
            ) == ["*"]
        return (names_itself if named_only else names)(principal, caller)

    applying = [each for each in statements if applies(each)]
    version = document.get("Version") if isinstance(document, Mapping) else None
    parsed = iam_evaluator.parse_policy_document({"Version": version, "Statement": applying})
    return iam_evaluator.evaluate(ctx, [parsed])


def or_trust_policy(inner: Callable[[str, str], Any]) -> Callable[[str, str], Any]:
    """A resource's policy and account; of a role that is assumed, its trust policy.

    Who is named by a trust policy of the same account needs no other leave, who is of an account
    that is named does (User Guide, "Compare the IAM resource-based policies and trust policies",
    and "Cross account resource access in IAM", of roles' trust policies as resources' policies).
    """

    def resource_policy(service: str, arn: str) -> Any:
        name = arn.rpartition("/")[2]
        role = iam._roles.get(name) if service == "sts" and ":role/" in arn else None
        if role is None or role["Arn"] != arn:
            return inner(service, arn)
        return role["AssumeRolePolicyDocument"], arn.split(":")[4]

    return resource_policy


def trusts(trust_doc: Any, caller_arn: str, ctx: Any = None) -> bool:
    """Whether a trust policy lets a principal of an account assume the role."""
    if ctx is None:
        ctx = iam_evaluator.EvalContext(
            principal_arn=caller_arn,
            principal_type="",
            principal_account=caller_arn.split(":")[4],
            action="sts:AssumeRole",
            resource_arn="*",
            region="",
        )
    return bool(evaluate_resource_policy(trust_doc, ctx).decision == "Allow")
