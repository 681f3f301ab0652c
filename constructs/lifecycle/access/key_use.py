"""Using a key through one service: who may for S3's objects may not for anything else."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

__all__ = ["allow_through"]


def allow_through(grantee: iam.IGrantable, key: kms.IKey, service: str, *actions: str) -> None:
    """Allow using a key through a service, which tells KMS so (kms:ViaService).

    The CDK's own grants would also allow what KMS itself is asked for, and kms:GenerateDataKey* and
    kms:ReEncrypt*. AWS's own policies for Firehose have the condition for S3 and Kinesis (Firehose
    Developer Guide, "Grant Firehose access to an Amazon S3 destination").

    Args:
        grantee: Who may.
        key: The key.
        service: The service's name as in its endpoint, such as `s3`.
        actions: Such as `kms:Decrypt`.
    """
    host = f"{service}.{Stack.of(key).region}.amazonaws.com"
    grantee.grant_principal.add_to_principal_policy(
        iam.PolicyStatement(
            actions=list(actions),
            resources=[key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": host}},
        )
    )
