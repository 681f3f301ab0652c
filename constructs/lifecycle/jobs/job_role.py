"""The role of one kind of SageMaker job: what running the image takes, and what it is granted."""

from __future__ import annotations

from typing import Literal

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.access.key_use import allow_through
from lifecycle.access.service_trust import for_this_account
from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.execution_role import allow_log, allow_metrics, allow_volume

__all__ = [
    "JobRole",
    "grant_get_objects",
    "grant_read_objects",
    "grant_write_objects",
    "sagemaker_principal",
]

Kind = Literal["Processing", "Training"]


class JobRole(iam.Role):
    """Runs the project's image as a SageMaker job, and may touch only the objects it is granted.

    Guarantees:
        SageMaker can assume it for this account only.
        Every action is named in full, and every object by its prefix.

    Args:
        image: The image that the job runs.
        encryption_key: The key of the job's volume, and of what it reads and writes.
        description: What the job does.
        kind: Which of SageMaker's kinds of job it is; each logs to a group of its own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        image: ContainerImage,
        encryption_key: kms.IKey,
        description: str,
        kind: Kind = "Processing",
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            description=description,
            assumed_by=sagemaker_principal(scope),
        )
        self._key = encryption_key
        image.grant_pull(self)
        allow_volume(self, encryption_key)
        # Both are named so.
        log_group = namespace = f"/aws/sagemaker/{kind}Jobs"
        allow_log(self, log_group)
        allow_metrics(self, namespace)
        acknowledge_resource(
            self,
            "*",
            "ecr:GetAuthorizationToken and cloudwatch:PutMetricData take no resource; the latter "
            "is limited to one namespace",
        )

    def read(self, bucket: s3.IBucket, *prefixes: str) -> None:
        """Allow reading the objects below the prefixes."""
        grant_read_objects(self, bucket, self._key, *prefixes)

    def list_versions(self, bucket: s3.IBucket, *prefixes: str) -> None:
        """Allow listing the versions of the objects below the prefixes."""
        self.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:ListBucketVersions"],
                resources=[bucket.bucket_arn],
                conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
            )
        )

    def write(self, bucket: s3.IBucket, *prefixes: str) -> None:
        """Allow writing objects below the prefixes."""
        grant_write_objects(self, bucket, self._key, *prefixes)

    def publish_metrics(self, namespace: str) -> None:
        """Allow putting metrics into one namespace."""
        allow_metrics(self, namespace)


def sagemaker_principal(scope: Construct) -> iam.ServicePrincipal:
    """SageMaker running models, jobs and pipelines, for this account and for no other."""
    return for_this_account(scope, "sagemaker.amazonaws.com")


def grant_read_objects(role: iam.Role, bucket: s3.IBucket, key: kms.IKey, *prefixes: str) -> None:
    """Allow listing and reading what is below the prefixes, and nothing beside them.

    `Bucket.grant_read` would also allow listing every other prefix, and reading access lists,
    policies and tags.
    """
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in prefixes]}},
        )
    )
    grant_get_objects(role, bucket, key, *prefixes)


def grant_get_objects(role: iam.Role, bucket: s3.IBucket, key: kms.IKey, *prefixes: str) -> None:
    """Allow reading what is below the prefixes by its name, and not listing it."""
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:GetObject"], resources=_objects(role, bucket, prefixes))
    )
    allow_through(role, key, "s3", "kms:Decrypt")


def grant_write_objects(role: iam.Role, bucket: s3.IBucket, key: kms.IKey, *prefixes: str) -> None:
    """Allow writing below the prefixes, in parts too; not reading, and not deleting.

    Parts of an upload that failed are the bucket's to delete, by its lifecycle rule.
    """
    role.add_to_policy(
        iam.PolicyStatement(actions=["s3:PutObject"], resources=_objects(role, bucket, prefixes))
    )
    # A multipart upload under a KMS key reads its own parts back.
    allow_through(role, key, "s3", "kms:Decrypt", "kms:GenerateDataKey")


def _objects(role: iam.Role, bucket: s3.IBucket, prefixes: tuple[str, ...]) -> list[str]:
    resources = [bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
    for resource in resources:
        acknowledge_resource(role, resource, "Objects are named by day, execution or job")
    return resources
