"""The data lake: five buckets under one key, for every file of the system."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import cast

from aws_cdk import Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.lake.data_key import DataKey
from lifecycle.lake.retention import data_removal_policy, tag_kept

__all__ = [
    "BATCH_WORK_PREFIX",
    "CHECKPOINTS_PREFIX",
    "QUERY_RESULTS_PREFIX",
    "DataLake",
    "DataLakeConfig",
]

BATCH_WORK_PREFIX = "batch/executions/"
CHECKPOINTS_PREFIX = "checkpoints/"
QUERY_RESULTS_PREFIX = "athena/"
# What the CDK's function that empties a bucket asks of it, but for deleting its objects.
_EMPTYING = (
    "s3:GetBucketPolicy",
    "s3:GetBucketTagging",
    "s3:ListBucketVersions",
    "s3:PutBucketPolicy",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLakeConfig:
    """How long the lake keeps what.

    Attributes:
        delete_with_stack: Whether data is to go with its stack; the environment must agree.
        raw_archive_days: Raw data moves to intelligent tiering after so many days.
        capture_days: Captured requests and answers are deleted after so many days.
        superseded_days: Overwritten and deleted versions are kept for so many days.
        access_log_days: Access logs are deleted after so many days.
        query_result_days: Results of Athena queries are deleted after so many days.
        checkpoint_days: Checkpoints of training jobs are deleted after so many days.
        batch_work_days: What lies between the steps of a batch is deleted after so many days.
    """

    delete_with_stack: bool = False
    raw_archive_days: int = 90
    capture_days: int = 90
    superseded_days: int = 90
    access_log_days: int = 365
    query_result_days: int = 7
    checkpoint_days: int = 7
    batch_work_days: int = 7

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self) if field.name.endswith("_days")):
            value = getattr(self, name)
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}; give a number of days")


class DataLake(Construct):
    """Keeps raw data, features, artifacts and captures, and logs who reads them.

    Guarantees:
        Every bucket is versioned, refuses plain HTTP and TLS below 1.2, blocks public access and
        access lists, and is encrypted under the lake's rotating key; the bucket of access logs,
        for which S3 supports no customer key, under S3's own.
        Data survives its stack unless the configuration and the environment both give it up.

    Args:
        config: How long to keep what.
        may_delete_data: Whether the environment allows deleting data with the stack.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: DataLakeConfig,
        may_delete_data: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self.capture_days = config.capture_days
        self._removal_policy = data_removal_policy(
            self, delete_with_stack=config.delete_with_stack, may_delete_data=may_delete_data
        )
        self.encryption_key = DataKey(self, "DataKey", removal_policy=self._removal_policy).key
        self.access_logs_bucket = self._define_access_logs_bucket()
        self.raw_bucket = self._define_bucket(
            "Raw",
            s3.LifecycleRule(
                transitions=[
                    s3.Transition(
                        storage_class=s3.StorageClass.INTELLIGENT_TIERING,
                        transition_after=Duration.days(config.raw_archive_days),
                    )
                ]
            ),
        )
        self.features_bucket = self._define_bucket("Features")
        self.artifacts_bucket = self._define_bucket(
            "Artifacts",
            s3.LifecycleRule(
                prefix=QUERY_RESULTS_PREFIX, expiration=Duration.days(config.query_result_days)
            ),
            s3.LifecycleRule(
                prefix=CHECKPOINTS_PREFIX,
                expiration=Duration.days(config.checkpoint_days),
                # A checkpoint overwrites the one before, every few seconds.
                noncurrent_version_expiration=Duration.days(1),
            ),
            s3.LifecycleRule(
                prefix=BATCH_WORK_PREFIX,
                expiration=Duration.days(config.batch_work_days),
                noncurrent_version_expiration=Duration.days(1),
            ),
        )
        self.captures_bucket = self._define_bucket(
            "Captures", s3.LifecycleRule(expiration=Duration.days(config.capture_days))
        )

    def _define_bucket(self, construct_id: str, *rules: s3.LifecycleRule) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.KMS,
            encryption_key=self.encryption_key,
            # One data key per bucket, not per object: requests to KMS, and their price, drop.
            bucket_key_enabled=True,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            server_access_logs_bucket=self.access_logs_bucket,
            server_access_logs_prefix=f"{construct_id.lower()}/",
            lifecycle_rules=[self._housekeeping(), *rules],
            removal_policy=self._removal_policy,
            auto_delete_objects=self._removal_policy is RemovalPolicy.DESTROY,
        )
        self._narrow_emptying(bucket)
        tag_kept(bucket)
        return bucket

    def _define_access_logs_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "AccessLogs",
            # S3 delivers access logs to no bucket whose default is a KMS key:
            # https://docs.aws.amazon.com/AmazonS3/latest/userguide/enable-server-access-logging.html
            encryption=s3.BucketEncryption.S3_MANAGED,
            versioned=True,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[
                self._housekeeping(),
                s3.LifecycleRule(expiration=Duration.days(self._config.access_log_days)),
            ],
            removal_policy=self._removal_policy,
            auto_delete_objects=self._removal_policy is RemovalPolicy.DESTROY,
        )
        self._narrow_emptying(bucket)
        tag_kept(bucket)
        return bucket

    def _narrow_emptying(self, bucket: s3.Bucket) -> None:
        """The CDK's function that empties a bucket gets what it calls, and on what.

        The CDK allows it s3:DeleteObject*, s3:GetBucket* and s3:List*, each on bucket and objects.
        """
        if self._removal_policy is not RemovalPolicy.DESTROY or bucket.policy is None:
            return
        policy = cast(s3.CfnBucketPolicy, bucket.policy.node.default_child)
        statements = Stack.of(self).resolve(bucket.policy.document)["Statement"]
        (place,) = (n for n, each in enumerate(statements) if each["Effect"] == "Allow")
        granted = f"PolicyDocument.Statement.{place}"
        policy.add_property_override(f"{granted}.Action", list(_EMPTYING))
        policy.add_property_override(f"{granted}.Resource", bucket.bucket_arn)
        function = Token.as_string(statements[place]["Principal"]["AWS"])
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ArnPrincipal(function)],
                actions=["s3:DeleteObject", "s3:DeleteObjectVersion"],
                resources=[bucket.arn_for_objects("*")],
            )
        )

    def _housekeeping(self) -> s3.LifecycleRule:
        return s3.LifecycleRule(
            noncurrent_version_expiration=Duration.days(self._config.superseded_days),
            abort_incomplete_multipart_upload_after=Duration.days(7),
        )
