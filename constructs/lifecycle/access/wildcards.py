"""Wildcards in policies that are meant, each acknowledged where it is granted.

cdk-nag reports every `*` of a policy as a finding of its own. Whoever grants one says why here, so
that a wildcard nobody meant still stops the synthesis.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any, Final

from aws_cdk import Acknowledgment, Reference, Stack, Tokenization, Validations
from constructs import IConstruct

__all__ = ["acknowledge_action", "acknowledge_resource"]

# How the CDK writes a value that is not yet known into a text (its guide, "Tokens").
TOKEN: Final = re.compile(r"\$\{Token\[[^\]]+\]\}")


def acknowledge_resource(grantee: IConstruct, resource: str, reason: str) -> None:
    """Accept a resource with a wildcard in the policy of a role, for a reason."""
    _acknowledge(grantee, f"Resource::{_as_reported(grantee, resource)}", reason)


def acknowledge_action(grantee: IConstruct, action: str, reason: str) -> None:
    """Accept an action with a wildcard in the policy of a role, for a reason."""
    _acknowledge(grantee, f"Action::{action}", reason)


def _acknowledge(grantee: IConstruct, finding: str, reason: str) -> None:
    Validations.of(grantee).acknowledge(
        Acknowledgment(id=f"AwsSolutions::AwsSolutions-IAM5[{finding}]", reason=reason)
    )


def _as_reported(scope: IConstruct, resource: str) -> str:
    """The resource as cdk-nag will spell it: `<Logical.Attribute>`, or the name of an export."""
    stack = Stack.of(scope)
    return TOKEN.sub(lambda found: _flattened(stack, found[0]), resource)


# Few tokens are in many resources, and each question to the CDK crosses into another process.
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
