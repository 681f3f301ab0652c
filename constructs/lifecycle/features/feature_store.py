"""The feature groups: one record per customer and one per terminal, online and offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aws_cdk import Aws, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.access.key_use import allow_through
from lifecycle.access.service_trust import for_no_other_account
from lifecycle.features.store_reads import StoreReads
from lifecycle.jobs.job_role import JobRole, grant_write_objects
from lifecycle.lake.retention import data_removal_policy, named_removal_policy, resource_tag
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_VERSIONS, UNTOLD_VERSION
from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    TERMINAL,
    Entity,
    feature_group_columns,
)
from pipeline_code.features.schema import check_schema

__all__ = ["OFFLINE_STORE_PREFIX", "FeatureStore", "FeatureStoreConfig"]

OFFLINE_STORE_PREFIX = "offline-store/"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureStoreConfig:
    """What becomes of the feature groups with their stack, and how fast they are read.

    Attributes:
        delete_with_stack: Whether the groups are to go with their stack; the environment must
            agree.
        reads: How many reads a second who makes.
    """

    delete_with_stack: bool = False
    reads: StoreReads = field(default_factory=StoreReads)


class FeatureStore(Construct):
    """Keeps each entity's state online, for serving, and its history offline, for training.

    Guarantees:
        Both stores of both groups are encrypted under the given key.
        A change of the features' schema is a new group beside the old one, never a replacement:
        the schema's version is part of the name. Each version that is alive has its groups.
        No tag reaches a group but the one that says whose it is: a changed tag, like a changed
        description, would demand its replacement.
        The groups' role keeps its ARN when the stack is made again: a group that outlived its
        stack cannot be given another role.

    Args:
        bucket: Where the offline store lands.
        encryption_key: The key of both stores.
        group_name: Physical name of an entity's group at a schema version.
        role_name: Physical name of the groups' role, which has the Region after it.
        config: What becomes of the groups with their stack, and how fast they are read.
        may_delete_data: Whether the environment allows deleting data with the stack.

    Raises:
        ValueError: If the features are not those that their schema's version promises.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        bucket: s3.IBucket,
        encryption_key: kms.IKey,
        group_name: Callable[[str, str], str],
        role_name: str,
        config: FeatureStoreConfig,
        may_delete_data: bool = False,
    ) -> None:
        super().__init__(scope, construct_id)
        check_schema()
        self.reads = config.reads
        self._bucket = bucket
        self._key = encryption_key
        self._removal_policy = data_removal_policy(
            self, delete_with_stack=config.delete_with_stack, may_delete_data=may_delete_data
        )
        # Roles are the account's, stacks are a Region's.
        self._role_name = f"{role_name}-{Aws.REGION}"
        self.role = self._define_role()
        self._group_name = group_name
        self.customer_group_name = self.group_name(CUSTOMER, NEWEST_VERSION)
        self.terminal_group_name = self.group_name(TERMINAL, NEWEST_VERSION)
        for version in SCHEMA_VERSIONS:
            for entity in ENTITIES:
                self._define_group(entity, version)

    @property
    def group_pattern(self) -> str:
        """The groups' name by `{entity}` and `{version}`, for who writes those of every version."""
        return self._group_name("{entity}", "{version}")

    def group_name(self, entity: Entity, version: str) -> str:
        """Name of an entity's group at a version of the schema, which may be a deploy-time value.

        Names and not references: what reads a group must not keep its stack from changing.
        """
        return self._group_name(entity.name, version)

    def _define_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            role_name=self._role_name,
            description="Lets SageMaker Feature Store write the offline store",
            assumed_by=for_no_other_account(self, "sagemaker.amazonaws.com"),
        )
        grant_write_objects(role, self._bucket, self._key, OFFLINE_STORE_PREFIX)
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:GetBucketAcl"],
                resources=[self._bucket.bucket_arn],
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["s3:PutObjectAcl"],
                resources=[self._bucket.arn_for_objects(f"{OFFLINE_STORE_PREFIX}*")],
            )
        )
        return role

    def _define_group(self, entity: Entity, version: str) -> None:
        suffix = "" if version == UNTOLD_VERSION else version.upper()
        name = self.group_name(entity, version)
        group = sagemaker.CfnFeatureGroup(
            self,
            entity.name.capitalize() + suffix,
            feature_group_name=name,
            description=f"State and latest features of each {entity.name}",
            record_identifier_feature_name=entity.record_identifier,
            event_time_feature_name="event_time",
            feature_definitions=[
                sagemaker.CfnFeatureGroup.FeatureDefinitionProperty(
                    feature_name=column, feature_type=kind
                )
                for column, kind in feature_group_columns(entity, version)
            ],
            # By name, so that a group that outlived its stack is adopted before there is a role.
            role_arn=Stack.of(self).format_arn(
                service="iam", region="", resource="role", resource_name=self._role_name
            ),
            # Untyped in the CDK: copied as they are, hence CloudFormation's own spelling.
            online_store_config={
                "EnableOnlineStore": True,
                "SecurityConfig": {"KmsKeyId": self._key.key_arn},
            },
            offline_store_config={
                "S3StorageConfig": {
                    "S3Uri": self._bucket.s3_url_for_object(OFFLINE_STORE_PREFIX + name),
                    "KmsKeyId": self._key.key_arn,
                }
            },
        )
        key, value = resource_tag(group)
        group.add_property_override("Tags", [{"Key": key, "Value": value}])
        group.apply_removal_policy(named_removal_policy(self._removal_policy))
        # Creation checks that the role can write to the bucket: its policy has to be there first.
        group.node.add_dependency(self.role)

    def grant_read(self, grantee: iam.Role, *entities: Entity) -> None:
        """Allow reading the entities' online records in batches; of both, if none is named."""
        self._grant_groups(grantee, entities, "sagemaker:BatchGetRecord")
        self._grant_records(grantee)

    def grant_serve(self, grantee: iam.Role) -> None:
        """Allow reading both entities' online records, in batches and one by one."""
        self.grant_read(grantee)
        self._grant_groups(grantee, ENTITIES, "sagemaker:GetRecord")

    def grant_write(self, grantee: iam.Role, *entities: Entity) -> None:
        """Allow putting the entities' records in batches; those of both, if none is named."""
        self._grant_groups(grantee, entities, "sagemaker:BatchWriteRecord")
        self._grant_records(grantee)

    def _grant_records(self, grantee: iam.Role) -> None:
        """What who reads and who writes needs: "The caller to all DataPlane operations must have
        ... kms:Decrypt" (API reference, OnlineStoreSecurityConfig), by way of SageMaker (Developer
        Guide, "Security and access control" of Feature Store: `kms:ViaService`).
        """
        allow_through(grantee, self._key, "sagemaker", "kms:Decrypt")

    def grant_read_history(self, role: JobRole) -> None:
        """Allow a job to find and read both entities' offline stores."""
        self._grant_groups(role, ENTITIES, "sagemaker:DescribeFeatureGroup")
        role.read(self._bucket, OFFLINE_STORE_PREFIX)

    def _grant_groups(self, grantee: iam.Role, entities: Sequence[Entity], *actions: str) -> None:
        stack = Stack.of(self)
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(actions),
            resource_arns=[
                stack.format_arn(
                    service="sagemaker",
                    resource="feature-group",
                    resource_name=self.group_name(entity, version),
                )
                for version in SCHEMA_VERSIONS
                for entity in entities or ENTITIES
            ],
        )
