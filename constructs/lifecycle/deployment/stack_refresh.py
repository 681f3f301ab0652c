"""A stack that decides its conditions again when the endpoint serves what is approved."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from lifecycle.deployment.grants import grant_endpoint
from lifecycle.deployment.stack_role import StackRole
from lifecycle.functions.queued_function import QueuedFunction

__all__ = ["StackRefresh"]

# What a message may be given out at most (SQS, CreateQueue, RedrivePolicy). It comes again ten
# seconds after the stack was found busy: that is nearly three hours.
RECEIVES = 1000


class StackRefresh(Construct):
    """Updates its own stack, with the template it has, when the endpoint serves what is approved.

    So what needs an endpoint appears with the first one, without a second deployment, and goes when
    nothing is approved any more. Define it last: what its stack has by then can be updated.

    Guarantees:
        An event waits in a queue while the stack is being updated by somebody else, for hours.
        What could not be done all the same is kept, and an alarm: read `alarms`.

    Args:
        endpoint_name: The endpoint that is waited for.
        parameter_name: The SSM parameter that names the approved model package, or none.
        encryption_key: Key of the function's log and queues.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        parameter_name: str,
        encryption_key: kms.IKey,
    ) -> None:
        super().__init__(scope, construct_id)
        stack_role = StackRole(self, "StackRole", encryption_key=encryption_key)
        refresher = QueuedFunction(
            self,
            "Refresher",
            handler="refresh_stack",
            description="Has the monitors watch the endpoint once there is one",
            encryption_key=encryption_key,
            timeout=Duration.minutes(1),
            receives=RECEIVES,
            environment={
                "STACK_NAME": Stack.of(self).stack_name,
                "STACK_ROLE_ARN": stack_role.role_arn,
                "ENDPOINT_NAME": endpoint_name,
                "PARAMETER_NAME": parameter_name,
            },
        )
        stack_role.grant_update(refresher.role, "cloudformation:DescribeStacks")
        grant_endpoint(refresher.role, endpoint_name)
        refresher.run_on(
            "InService",
            description="The endpoint is in service",
            pattern={
                "source": ["aws.sagemaker"],
                "detail-type": ["SageMaker Endpoint State Change"],
                "detail": {"EndpointName": [endpoint_name], "EndpointStatus": ["IN_SERVICE"]},
            },
        )
        # Of a roll-back it is the last thing that happens (Systems Manager User Guide, "Setting up
        # notifications or triggering actions based on Parameter Store events").
        refresher.run_on(
            "Approved",
            description="Another model package is approved, or none",
            pattern={
                "source": ["aws.ssm"],
                "detail-type": ["Parameter Store Change"],
                "detail": {"name": [parameter_name], "operation": ["Update"]},
            },
        )
        self.function = refresher
        self.alarms = refresher.alarms
