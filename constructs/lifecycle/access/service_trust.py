"""Services that may assume a role, for this account only (the confused deputy)."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

__all__ = ["for_no_other_account", "for_this_account"]


def for_this_account(scope: Construct, service: str) -> iam.ServicePrincipal:
    """A service that says, as its guide promises, which account it acts for.

    So do SageMaker for models, jobs and pipelines ("Cross-service confused deputy prevention",
    which has no section on Feature Store) and EventBridge Scheduler (the page of that name).
    """
    return iam.ServicePrincipal(
        service, conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
    )


def for_no_other_account(scope: Construct, service: str) -> iam.ServicePrincipal:
    """A service whose guide does not promise it: what it does say must be this account.

    A condition on a key that a service leaves out refuses everybody, and the deployment fails
    (prowler #4714 has seen it with CloudTrail). Firehose's guide shows a trust policy without a
    condition ("Allow Firehose to assume an IAM role"); in public ones the account is also found as
    `sts:ExternalId`.
    """
    account = Stack.of(scope).account
    return iam.ServicePrincipal(
        service,
        conditions={
            "StringEqualsIfExists": {"aws:SourceAccount": account, "sts:ExternalId": account}
        },
    )
