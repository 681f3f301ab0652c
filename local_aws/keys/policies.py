"""Key policies: what KMS takes for one, and that it does not lock its owner out."""

import json
from typing import Any

from local_aws.adapter import key_requests

Refused = tuple[str, str] | None
_MALFORMED = "MalformedPolicyDocumentException"
_MAX_BYTES = 32_768
_ELEMENTS = frozenset(
    {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "Condition"}
)


def policy_refused(policy: Any, *, waived: bool = False) -> Refused:
    """Why KMS does not take a key policy, as an error's code and message, or None.

    Developer Guide, "Key policies in AWS KMS", "Default key policy"; API reference, PutKeyPolicy.

    Args:
        policy: The document's text.
        waived: Whether the caller waives the check that they can put another policy afterwards.
    """
    if not isinstance(policy, str) or len(policy.encode()) > _MAX_BYTES:
        return "LimitExceededException", f"a key policy must have at most {_MAX_BYTES} bytes"
    try:
        document = json.loads(policy)
    except ValueError:
        return _MALFORMED, "Policy is not valid JSON"
    statements = document.get("Statement") if isinstance(document, dict) else None
    if isinstance(statements, dict):
        statements = [statements]
    if not isinstance(statements, list) or not statements:
        return _MALFORMED, "Policy must contain at least one statement"
    for statement in statements:
        if (why := _statement_refused(statement)) is not None:
            return _MALFORMED, why
    if not waived and not key_requests.policy_allows(policy, "kms:PutKeyPolicy", "*"):
        return (
            _MALFORMED,
            "The new key policy will not allow you to update the key policy in the future.",
        )
    return None


def _statement_refused(statement: Any) -> str | None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        return "Policy contains a statement without the effect Allow or Deny"
    if unknown := set(statement) - _ELEMENTS:
        return f"Policy contains a statement with unknown elements: {', '.join(sorted(unknown))}"
    if "NotPrincipal" in statement:
        return "Policy contains NotPrincipal, which is not evaluated here; name the principals"
    for names in (("Principal",), ("Action", "NotAction"), ("Resource",)):
        if not set(names) & set(statement):
            return f"Policy contains a statement with no {names[0].lower()}."
    return _principals_refused(statement["Principal"])


def _principals_refused(principal: Any) -> str | None:
    """ "If the principals do not exist or are not visible, KMS refuses" (PutKeyPolicy, Policy)."""
    invalid = "Policy contains a statement with one or more invalid principals."
    if principal == "*":
        return None
    if not isinstance(principal, dict) or not set(principal) <= {"AWS", "Service", "Federated"}:
        return invalid
    named = principal.get("AWS", [])
    for arn in [named] if isinstance(named, str) else named:
        is_account = arn.isdigit() and len(arn) == 12  # noqa: PLR2004 - an account's digits
        if arn != "*" and not is_account and not key_requests.principal_exists(arn):
            return invalid
    services = principal.get("Service", [])
    for service in [services] if isinstance(services, str) else services:
        if not service.endswith(".amazonaws.com"):
            return invalid
    return None
