"""Key policies: what KMS takes for one, and that it does not lock its owner out."""

import json
from typing import Any

from local_aws.adapter.keys import requests as key_requests
from local_aws.guesses import Guess, guessed
from local_aws.policies import grammar as policies

Refused = tuple[str, str] | None
_MALFORMED = "MalformedPolicyDocumentException"
_MAX_BYTES = 32_768


def policy_refused(policy: Any, *, waived: bool = False) -> Refused:
    """Why KMS does not take a key policy, as an error's code and message, or None.

    Developer Guide, "Key policies in AWS KMS", "Default key policy"; API reference, PutKeyPolicy.

    Args:
        policy: The document's text.
        waived: Whether the caller waives the check that they can put another policy afterwards.
    """
    if not isinstance(policy, str) or len(policy.encode()) > _MAX_BYTES:
        words = f"a key policy must have at most {_MAX_BYTES} bytes"
        return "LimitExceededException", guessed(words, Guess.WORDS)
    found = policies.problem(policy, policies.Kind.RESOURCE)
    if found is not None:
        invalid = "Policy contains a statement with one or more invalid principals."
        words = guessed(found.words, Guess.WORDS)
        return _MALFORMED, invalid if found.element == "Principal" else words
    for statement in policies.statements(json.loads(policy)):
        if "NotPrincipal" in statement:
            return _MALFORMED, "NotPrincipal in key policies is not evaluated here (README)"
        # Required since August 2025, and "the only accepted Resource element value in a KMS key
        # policy is "*"" (AWS's mail in ministryofjustice/analytical-platform #7691).
        if policies.listed(statement, "Resource") != ["*"]:
            words = "Policy contains a statement whose resource is not *"
            return _MALFORMED, guessed(words, Guess.WORDS)
    if not waived and not key_requests.policy_allows(policy, "kms:PutKeyPolicy", "*"):
        return (
            _MALFORMED,
            "The new key policy will not allow you to update the key policy in the future.",
        )
    return None
