"""Wildcards in policies that are meant, each acknowledged where it is granted.

cdk-nag reports every `*` of a policy as a finding of its own. Whoever grants one says why here, so
that a wildcard nobody meant still stops the synthesis.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from aws_cdk import Acknowledgment, Reference, Stack, Tokenization, Validations
from constructs import Construct

__all__ = ["acknowledge_action", "acknowledge_resource"]

# How the CDK writes a value that is not yet known into a text (its guide, "Tokens").
TOKEN: Final = re.compile(r"\$\{Token\[[^\]]+\]\}")


def acknowledge_resource(grantee: Construct, resource: str, reason: str) -> None:
    """Accept a resource with a wildcard in the policy of a role, for a reason."""
    _acknowledge(grantee, f"Resource::{_as_reported(grantee, resource)}", reason)


def acknowledge_action(grantee: Construct, action: str, reason: str) -> None:
    """Accept an action with a wildcard in the policy of a role, for a reason."""
    _acknowledge(grantee, f"Action::{action}", reason)


# Some are granted once for each resource that takes them.
@cache
def _acknowledge(grantee: Construct, finding: str, reason: str) -> None:
    _validations_of(grantee).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[{finding}]", reason=reason)
    )


def _as_reported(scope: Construct, resource: str) -> str:
    """The resource as cdk-nag will spell it: `<Logical.Attribute>`, or the name of an export."""
    return TOKEN.sub(lambda found: _flattened(_stack_of(scope), found[0]), resource)


# Few roles and few tokens are in many findings, and each question to the CDK crosses into another
# process.
_stack_of = cache(Stack.of)
_validations_of = cache(Validations.of)


@cache
def _flattened(stack: Stack, marker: str) -> str:
    token: Any = Tokenization.reverse_string(marker).first_token
    if Reference.is_reference(token) and Stack.of(token.target) is not stack:
        # By the time of the check the CDK has made this reference an import; here it has not yet.
        marker = Stack.of(token.target).export_value(token)
    ((function, value),) = stack.resolve(marker).items()
    if function == "Fn::ImportValue":
        return str(value)
    return f"<{'.'.join(value) if function == 'Fn::GetAtt' else value}>"
