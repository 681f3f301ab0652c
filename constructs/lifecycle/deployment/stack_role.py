"""The role by which CloudFormation updates a stack for one of the stack's own functions."""

from __future__ import annotations

import json
from collections.abc import Callable

import jsii
from aws_cdk import (
    Aws,
    CfnParameter,
    CfnResource,
    IResolveContext,
    IStringProducer,
    Lazy,
    Stack,
)
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from lifecycle.access.service_trust import for_no_other_account
from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.deployment.stack_role_grants import ResourceGrants, allow_passing_to

__all__ = ["StackRole"]

CLOUDFORMATION = "cloudformation.amazonaws.com"


class StackRole(iam.Role):
    """Does what an update of its stack takes when nothing but the approved model has changed.

    A stack that is deployed by the CDK acts with the CDK's execution role, an administrator's: who
    may update it without naming another role may do everything. This role makes, changes and
    deletes what depends on the stack's SSM parameters, passes the roles that those resources name,
    and can do nothing else: nothing of IAM, Lambda or S3, whatever template it is given.

    Define it last: what the stack has by then is covered.

    Args:
        encryption_key: Key of the volumes of an endpoint's instances.
    """

    def __init__(self, scope: Construct, construct_id: str, *, encryption_key: kms.IKey) -> None:
        super().__init__(
            scope,
            construct_id,
            description="Lets CloudFormation put another model in place in this stack",
            assumed_by=for_no_other_account(scope, CLOUDFORMATION),
        )
        self._stack = Stack.of(self)
        found = self._stack.node.find_all()
        self._parameters = [
            each
            for each in found
            if isinstance(each, CfnParameter) and each.type.startswith("AWS::SSM::")
        ]
        self._allow_reading_parameters(self)
        grants = ResourceGrants(self, encryption_key)
        for resource in found:
            if isinstance(resource, CfnResource) and self._may_change(resource):
                grants.cover(resource)

    def grant_update(self, role: iam.Role, *actions: str) -> None:
        """To update the stack by this role, and not by the one that it has.

        "If you don't specify a value, CloudFormation uses the role that was previously associated
        with the stack" (API reference, UpdateStack): a request that names none is denied, since an
        absent key matches no `ArnEquals`.

        Args:
            role: Of the function.
            actions: What else it may do to the stack, such as `cloudformation:DescribeStacks`.
        """
        this_stack = self._stack.format_arn(
            service="cloudformation", resource="stack", resource_name=f"{self._stack.stack_name}/*"
        )
        role.add_to_policy(iam.PolicyStatement(actions=list(actions), resources=[this_stack]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["cloudformation:UpdateStack"],
                resources=[this_stack],
                conditions={
                    "ArnEquals": {"cloudformation:RoleArn": self.role_arn},
                    # The template is the one that the stack has.
                    "Null": {"cloudformation:TemplateUrl": "true"},
                },
            )
        )
        acknowledge_resource(
            role, this_stack, "One stack by name; CloudFormation ends its ARN with a random id"
        )
        allow_passing_to(role, self.role_arn, CLOUDFORMATION)
        self._allow_reading_parameters(role)

    def _allow_reading_parameters(self, role: iam.Role) -> None:
        """The values of SSM-typed parameters are read by whoever calls, or by the stack's role.

        Of a change set it is the caller (the CDK's bootstrap template says so of its deployment
        role); of UpdateStack nothing is documented, so both may.
        """
        arns = [self._parameter_arn(str(each.default)) for each in self._parameters]
        # The CDK adds one to every template, the version of the bootstrap stack, whose name follows
        # from the synthesizer's qualifier; not before the synthesis.
        arns.append(Lazy.uncached_string(_BootstrapVersion(self._stack, self._parameter_arn)))
        role.add_to_policy(iam.PolicyStatement(actions=["ssm:GetParameters"], resources=arns))

    def _parameter_arn(self, name: str) -> str:
        return self._stack.format_arn(
            service="ssm", resource="parameter", resource_name=name.removeprefix("/")
        )

    def _may_change(self, resource: CfnResource) -> bool:
        """Whether an update may change it: of some types, stacks have others beside those."""
        if not isinstance(resource, sagemaker.CfnPipeline):
            return True
        text = json.dumps(self._stack.resolve(resource.pipeline_definition))
        names = [self._stack.resolve(each.logical_id) for each in self._parameters]
        return any(f'"Ref": "{name}"' in text for name in names)


@jsii.implements(IStringProducer)
class _BootstrapVersion:
    """ARN of the SSM parameter with the bootstrap stack's version, if the template reads it."""

    def __init__(self, stack: Stack, arn_of: Callable[[str], str]) -> None:
        self._stack = stack
        self._arn_of = arn_of

    def produce(self, _context: IResolveContext) -> str:
        parameter = self._stack.node.try_find_child("BootstrapVersion")
        if isinstance(parameter, CfnParameter):
            return self._arn_of(str(parameter.default))
        return Aws.NO_VALUE
