"""Policy documents held to IAM's grammar ("Grammar of the IAM JSON policy language")."""

import json
import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.evaluation import is_operator

_VERSIONS = ("2008-10-17", "2012-10-17")
_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_ACTION = re.compile(r"\*|[A-Za-z0-9-]+:[A-Za-z0-9*?-]+")
_ACCOUNT = re.compile(r"\d{12}|arn:aws[a-z-]*:iam::\d{12}:root")
_MALFORMED = "Syntax errors in policy."


class Kind(Enum):
    """Whose a policy is."""

    IDENTITY = auto()
    RESOURCE = auto()
    TRUST = auto()


def size(text: str) -> int:
    """The characters that count: "IAM doesn't count white space"."""
    return len(re.sub(r"\s", "", text))


def statements(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A document's statements."""
    found = document.get("Statement", [])
    return [found] if isinstance(found, Mapping) else list(found)


def listed(statement: Mapping[str, Any], element: str) -> list[str]:
    """An element's values."""
    found = statement.get(element, [])
    return [found] if isinstance(found, str) else list(found)


def problem(text: str, kind: Kind) -> str | None:
    """What is wrong with a policy, in IAM's words; None if nothing is."""
    try:
        document = json.loads(text)
    except ValueError:
        return "This policy contains invalid Json" if kind is not Kind.RESOURCE else _NO_JSON
    if not isinstance(document, Mapping) or {*document} - {"Version", "Id", "Statement"}:
        return _MALFORMED
    found = document.get("Statement")
    if document.get("Version", _VERSIONS[0]) not in _VERSIONS or not found:
        return _MALFORMED
    if not isinstance(found, Sequence | Mapping) or isinstance(found, str):
        return _MALFORMED
    sids = [each.get("Sid") for each in statements(document) if isinstance(each, Mapping)]
    named = [sid for sid in sids if sid is not None]
    if len({*named}) < len(named):
        return "Statement IDs (SID) in a single policy must be unique."
    return next(
        (reason for each in statements(document) if (reason := _statement(each, kind))), None
    )


_NO_JSON = "Policies must be valid JSON and the first byte must be '{'"


def _statement(statement: Any, kind: Kind) -> str | None:
    if not isinstance(statement, Mapping) or {*statement} - _ELEMENTS:
        return _MALFORMED
    if statement.get("Effect") not in ("Allow", "Deny"):
        return _MALFORMED
    if ("Action" in statement) == ("NotAction" in statement):
        return "Policy statement must contain actions."
    for action in [*listed(statement, "Action"), *listed(statement, "NotAction")]:
        if not isinstance(action, str) or _ACTION.fullmatch(action) is None:
            return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
    if not (listed(statement, "Action") or listed(statement, "NotAction")):
        return "Policy statement must contain actions."
    return _resources(statement, kind) or _principals(statement, kind) or _conditions(statement)


def _resources(statement: Mapping[str, Any], kind: Kind) -> str | None:
    given = "Resource" in statement or "NotResource" in statement
    if kind is Kind.TRUST:
        return "Has prohibited field Resource" if given else None
    if not given or ("Resource" in statement and "NotResource" in statement):
        return "Policy statement must contain resources."
    for resource in [*listed(statement, "Resource"), *listed(statement, "NotResource")]:
        if resource != "*" and (not resource.startswith("arn:") or resource.count(":") < 5):  # noqa: PLR2004 - an ARN's colons
            if resource.startswith(("*", "arn:*")):
                continue
            return f'Resource {resource} must be in ARN format or "*".'
    return None


def _principals(statement: Mapping[str, Any], kind: Kind) -> str | None:
    given = [name for name in ("Principal", "NotPrincipal") if name in statement]
    if kind is Kind.IDENTITY:
        return "Policy document should not specify a principal." if given else None
    if len(given) != 1:
        return "Missing required field Principal"
    if given == ["NotPrincipal"] and (kind is Kind.TRUST or statement["Effect"] == "Allow"):
        return "Has prohibited field NotPrincipal"
    principal = statement[given[0]]
    return None if principal == "*" else _named(principal)


def _named(principal: Any) -> str | None:
    """Who is named must be there: AWS keeps the ids of users and roles, not their ARNs."""
    if not isinstance(principal, Mapping):
        return f'Invalid principal in policy: "{principal}"'
    for named in listed(principal, "AWS"):
        if named != "*" and _ACCOUNT.fullmatch(named) is None and not _exists(named):
            return f'Invalid principal in policy: "AWS":"{named}"'
    for named in listed(principal, "Service"):
        if re.fullmatch(r"[a-z0-9.-]+\.amazonaws\.com", named) is None:
            return f'Invalid principal in policy: "SERVICE":"{named}"'
    return None


def _exists(arn: str) -> bool:
    """Whether a user or role is there; a session's role need not be asked about, nor a root."""
    if "*" in arn or "?" in arn:
        return False
    if ":assumed-role/" in arn:
        return True
    return lookups.principal_exists(arn)


def _conditions(statement: Mapping[str, Any]) -> str | None:
    conditions = statement.get("Condition", {})
    if not isinstance(conditions, Mapping):
        return _MALFORMED
    for operator, tests in conditions.items():
        if not is_operator(operator):
            return f"Invalid Condition type : {operator}."
        if not isinstance(tests, Mapping) or not tests:
            return _MALFORMED
    return None
