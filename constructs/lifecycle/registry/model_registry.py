"""The model registry, where trained models wait for approval."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import ArnFormat, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.lake.retention import named_removal_policy, tag_kept

__all__ = ["ModelRegistry"]


class ModelRegistry(Construct):
    """Holds every version of one model, each with its metrics, baselines and approval.

    Args:
        group_name: Physical name; approvals and roll-backs name it.
        description: What the model is for. Another wording would replace the group, which
            CloudFormation refuses as long as its name is taken.
        removal_policy: What becomes of the registry with its stack. SageMaker deletes a group only
            when it is empty, so teardown has to delete the packages first.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        group_name: str,
        description: str,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        self.group_name = group_name
        group = sagemaker.CfnModelPackageGroup(
            self,
            "Group",
            model_package_group_name=group_name,
            model_package_group_description=description,
        )
        group.apply_removal_policy(named_removal_policy(removal_policy))
        tag_kept(group)

    def grant_read(self, role: iam.Role) -> None:
        """Allow finding the versions and reading what is known of each."""
        self._grant(role, [self._versions], "sagemaker:DescribeModelPackage")
        # It takes versions (Service Authorization Reference), and names the group.
        self._grant(role, [self._group, self._versions], "sagemaker:ListModelPackages")

    def grant_register(self, role: iam.Role, approval_status: str) -> None:
        """Allow adding a version with this status, and with no other."""
        self._grant(role, [self._versions], "sagemaker:DescribeModelPackage")
        # A step that registers makes the group first, and goes on when it is there; without the
        # permission it fails ("Failed to invoke sagemaker:CreateModelPackageGroup", recorded with
        # a pipeline's role of least privilege).
        self._grant(role, [self._group], "sagemaker:AddTags", "sagemaker:CreateModelPackageGroup")
        self._grant(
            role,
            [self._versions],
            "sagemaker:CreateModelPackage",
            conditions={"StringEquals": {"sagemaker:ModelApprovalStatus": approval_status}},
        )

    def _grant(
        self,
        role: iam.Role,
        resources: list[str],
        *actions: str,
        conditions: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        iam.Grant.add_to_principal(
            grantee=role,
            actions=list(actions),
            resource_arns=resources,
            conditions=conditions,
        )
        acknowledge_resource(
            role, self._versions, "The registry numbers the versions of its one model"
        )

    @property
    def _group(self) -> str:
        return self._arn("model-package-group", self.group_name)

    @property
    def _versions(self) -> str:
        return self._arn("model-package", f"{self.group_name}/*")

    def _arn(self, resource: str, name: str) -> str:
        return Stack.of(self).format_arn(
            service="sagemaker",
            resource=resource,
            resource_name=name,
            arn_format=ArnFormat.SLASH_RESOURCE_NAME,
        )
