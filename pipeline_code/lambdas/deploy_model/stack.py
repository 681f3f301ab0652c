"""The stack that holds the endpoint: whether it rests, updating it, and how an update ended."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import ClientError

__all__ = ["STACK_POLICY", "Stack", "StackBusyError", "UpdateOutcome"]

# How often the stack is looked at: soon at first, seldom once it takes long.
POLL_SECONDS, LONGEST_POLL_SECONDS, SLOWER = 1.0, 10.0, 1.1
RESERVE_MILLISECONDS = 20_000
UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_FAILED",
        "UPDATE_ROLLBACK_COMPLETE",
    }
)
# What CloudFormation says of those that were stopped because another one failed.
CONSEQUENCES = ("Resource update cancelled", "Resource creation cancelled")
# What it says of a stack's roll-back if a person asked for it; of any other, what failed. So it is
# in recorded events; the API reference (CancelUpdateStack) has no words.
CANCELLED = "User Initiated"

# The endpoint may be updated, never replaced or deleted: either is an outage.
STACK_POLICY = json.dumps(
    {
        "Statement": [
            {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"},
            {
                "Effect": "Deny",
                "Action": ["Update:Replace", "Update:Delete"],
                "Principal": "*",
                "Resource": "*",
                "Condition": {"StringEquals": {"ResourceType": ["AWS::SageMaker::Endpoint"]}},
            },
        ]
    }
)


class StackBusyError(Exception):
    """The stack cannot be updated now; the next attempt may find it at rest."""


@dataclass(frozen=True, slots=True)
class UpdateOutcome:
    """How an update ended.

    Attributes:
        status: The stack's then.
        reason: The first thing that failed.
        at: When it ended.
        is_cancelled: Whether a person had it rolled back.
    """

    status: str
    reason: str
    at: datetime
    is_cancelled: bool = False

    @property
    def rolled_back(self) -> bool:
        return "ROLLBACK" in self.status or self.status.endswith("_FAILED")


class Stack:
    """One stack.

    Args:
        name: Its name.
        role_arn: The role by which it is updated. It does what the update does; the one of the
            stack's last deployment, the CDK's, may do anything.

    Needs: cloudformation:DescribeStacks, DescribeStackEvents, UpdateStack and SetStackPolicy on it;
    iam:PassRole of the role.
    """

    def __init__(self, name: str, role_arn: str) -> None:
        self._cloudformation = boto3.client("cloudformation")
        self.name = name
        self._role_arn = role_arn

    def status_at_rest(self, context: Any) -> str:
        """The stack's status once nothing is being done to it.

        Raises:
            StackBusyError: If that takes longer than the invocation.
        """
        pause = POLL_SECONDS
        while True:
            status: str = self._described()["StackStatus"]
            if not status.endswith("_IN_PROGRESS") or status == "DELETE_IN_PROGRESS":
                return status
            if context.get_remaining_time_in_millis() < RESERVE_MILLISECONDS:
                raise StackBusyError(f"stack {self.name} is {status}")
            time.sleep(pause)
            pause = min(pause * SLOWER, LONGEST_POLL_SECONDS)

    def protect(self) -> None:
        """See to it that no update replaces or deletes the endpoint, whoever starts it."""
        self._cloudformation.set_stack_policy(StackName=self.name, StackPolicyBody=STACK_POLICY)

    def update(self, token: str) -> bool:
        """Start an update that only reads the parameters anew; False if nothing has changed.

        Raises:
            StackBusyError: If another update began in between.
        """
        keys = [each["ParameterKey"] for each in self._described().get("Parameters", [])]
        try:
            self._cloudformation.update_stack(
                StackName=self.name,
                UsePreviousTemplate=True,
                Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in keys],
                Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"],
                RoleARN=self._role_arn,
                StackPolicyBody=STACK_POLICY,
                ClientRequestToken=token,
            )
        except ClientError as error:
            message = error.response["Error"]["Message"]
            if "No updates are to be performed" in message:
                return False
            if "_IN_PROGRESS" in message:
                raise StackBusyError(f"stack {self.name} is being updated") from error
            raise
        return True

    def outcome(self, token: str, since: datetime) -> UpdateOutcome | None:
        """How the update with a token ended; None if it has never begun, or not ended.

        Whatever ends next after its beginning is its end: an operator who cancels an update, or
        continues a roll-back, does so with a token of their own.
        """
        ended: UpdateOutcome | None = None
        for event in self._events_since(since - timedelta(minutes=1)):
            status, reason = event["ResourceStatus"], event.get("ResourceStatusReason", "")
            if event["PhysicalResourceId"] != event["StackId"]:
                # Newest first, so that the last one that is met here is the first that failed.
                if ended and status.endswith("_FAILED") and not reason.startswith(CONSEQUENCES):
                    ended = replace(ended, reason=f"{event['LogicalResourceId']}: {reason}")
            elif event.get("ClientRequestToken") == token and status == "UPDATE_IN_PROGRESS":
                return ended
            elif status in UPDATABLE or status.endswith("ROLLBACK_FAILED"):
                ended = UpdateOutcome(status, reason, event["Timestamp"])
            elif ended and status == "UPDATE_ROLLBACK_IN_PROGRESS":
                # Of several the first one counts: a person may only have continued it.
                ended = replace(ended, is_cancelled=reason == CANCELLED)
        return None

    def _events_since(self, moment: datetime) -> Iterator[Mapping[str, Any]]:
        """Newest first."""
        pages = self._cloudformation.get_paginator("describe_stack_events").paginate(
            StackName=self.name
        )
        for page in pages:
            for event in page["StackEvents"]:
                if event["Timestamp"] < moment:
                    return
                yield event

    def _described(self) -> Mapping[str, Any]:
        found: list[Mapping[str, Any]] = self._cloudformation.describe_stacks(StackName=self.name)[
            "Stacks"
        ]
        return found[0]
