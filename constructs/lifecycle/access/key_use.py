"""Using a key through one service: who may for S3's objects may not for anything else."""

from __future__ import annotations

from functools import cache
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

__all__ = ["allow_through"]


def allow_through(role: iam.Role, key: kms.IKey, service: str, *actions: str) -> None:
    """Allow using a key through a service, which tells KMS so (kms:ViaService).

    The CDK's own grants would also allow what KMS itself is asked for, and kms:GenerateDataKey* and
    kms:ReEncrypt*. AWS's own policies for Firehose have the condition for S3 and Kinesis (Firehose
    Developer Guide, "Grant Firehose access to an Amazon S3 destination").

    Args:
        role: Who may.
        key: The key.
        service: The service's name as in its endpoint, such as `s3`.
        actions: Such as `kms:Decrypt`.
    """
    hashable: Any = key  # as every class of the CDK's is, which its interfaces do not say
    arn, host = _reached(hashable, service)
    role.add_to_policy(
        iam.PolicyStatement(
            actions=list(actions),
            resources=[arn],
            conditions={"StringEquals": {"kms:ViaService": host}},
        )
    )


# Few keys are granted to many, and each question to the CDK crosses into another process.
@cache
def _reached(key: kms.IKey, service: str) -> tuple[str, str]:
    """The key's ARN, and the host of the service in its Region."""
    return key.key_arn, f"{service}.{Stack.of(key).region}.amazonaws.com"
