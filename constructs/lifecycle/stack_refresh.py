"""A stack that decides its conditions again when the endpoint comes into service."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.event_function import EventFunction
from lifecycle.stack_role import StackRole

__all__ = ["StackRefresh"]


class StackRefresh(Construct):
    """Updates its own stack, with the template it has, whenever the endpoint is in service.

    So what needs an endpoint appears with the first one, without a second deployment. Define it
    last: what its stack has by then can be updated.

    Args:
        endpoint_name: The endpoint that is waited for.
        encryption_key: Key of the function's log and dead-letter queue.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        stack_role = StackRole(self, "StackRole", encryption_key=encryption_key)
        refresher = EventFunction(
            self,
            "Refresher",
            handler="refresh_stack",
            description="Has the monitors watch the endpoint once there is one",
            encryption_key=encryption_key,
            timeout=Duration.minutes(1),
            environment={
                "STACK_NAME": Stack.of(self).stack_name,
                "STACK_ROLE_ARN": stack_role.role_arn,
            },
        )
        stack_role.grant_update(refresher.role, "cloudformation:DescribeStacks")
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
