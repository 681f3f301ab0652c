"""A stack that decides its conditions again when the endpoint comes into service."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.event_function import EventFunction
from lifecycle.wildcards import acknowledge_resource

__all__ = ["StackRefresh"]


class StackRefresh(Construct):
    """Updates its own stack, with the template it has, whenever the endpoint is in service.

    So what needs an endpoint appears with the first one, without a second deployment.

    Args:
        endpoint_name: The endpoint that is waited for.
        parameter_names: SSM parameters that the stack's conditions depend on.
        encryption_key: Key of the function's log and dead-letter queue.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        parameter_names: Sequence[str],
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        refresher = EventFunction(
            self,
            "Refresher",
            handler="refresh_stack",
            description="Has the monitors watch the endpoint once there is one",
            encryption_key=encryption_key,
            timeout=Duration.minutes(1),
            environment={"STACK_NAME": Stack.of(self).stack_name},
        )
        _allow_refresh(refresher.role, parameter_names)
        refresher.run_on(
            "InService",
            description="The endpoint is in service",
            pattern=events.EventPattern(
                source=["aws.sagemaker"],
                detail_type=["SageMaker Endpoint State Change"],
                detail={"EndpointName": [endpoint_name], "EndpointStatus": ["IN_SERVICE"]},
            ),
        )
        self.alarm = refresher.alarm


def _allow_refresh(role: iam.Role, parameter_names: Sequence[str]) -> None:
    stack = Stack.of(role)
    this_stack = stack.format_arn(
        service="cloudformation", resource="stack", resource_name=f"{stack.stack_name}/*"
    )
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["cloudformation:DescribeStacks", "cloudformation:UpdateStack"],
            resources=[this_stack],
        )
    )
    acknowledge_resource(
        role, this_stack, "One stack by name; CloudFormation ends its ARN with a random id"
    )
    # CloudFormation reads the values of SSM-typed parameters as whoever updates the stack; the
    # CDK's own parameter, the version of the bootstrap stack, is one of them.
    names = [*parameter_names, "/cdk-bootstrap/hnb659fds/version"]
    role.add_to_policy(
        iam.PolicyStatement(
            actions=["ssm:GetParameters"],
            resources=[
                stack.format_arn(
                    service="ssm", resource="parameter", resource_name=name.removeprefix("/")
                )
                for name in names
            ],
        )
    )
