"""Lambda's event source mappings of queues: what its function's role must be allowed.

Lambda takes messages as the role (Lambda Developer Guide, "Using Lambda with Amazon SQS",
"Execution role permissions"): asked when a mapping is made, and again while it is polled.
"""

import time
from typing import Any

from local_aws import adapter
from local_aws.adapter.functions import mappings
from local_aws.adapter.functions.queue_mappings import check_others, visibility_seconds
from local_aws.guesses import Guess, guessed
from local_aws.policies.passed_roles import LAMBDA

ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
PERMISSION_SECONDS = 2.0
_WITHOUT_WINDOW = 10  # messages of a batch
_DEFAULTS = ("None", "False", "0", "1")
# "Kinesis and DynamoDB Streams only".
_OF_STREAMS = (
    "BisectBatchOnFunctionError",
    "ParallelizationFactor",
    "StartingPosition",
    "StartingPositionTimestamp",
    "TumblingWindowInSeconds",
)
# When a role was asked about a queue, and the answer.
_checked: dict[tuple[str, str], tuple[float, tuple[str, str] | None]] = {}


def install() -> None:
    """Check mappings of queues."""
    check_others(refusal, may_poll)


def refusal(mapping: mappings.Mapping) -> str | None:
    """Why a mapping cannot be, in Lambda's words, or None."""
    arn = str(mapping.get("EventSourceArn", ""))
    if arn.split(":")[2:3] != ["sqs"]:
        return f"The embedded AWS does not support the event source {arn}; use SQS or Kinesis"
    if (reason := _settings_refusal(mapping, fifo=arn.endswith(".fifo"))) is not None:
        return reason
    name = str(mapping.get("FunctionName") or mapping.get("FunctionArn", ""))
    config = mappings.function_configuration(name)
    if config is None:
        return None  # Lambda says so itself
    return _queue_refusal(arn, config)


def _queue_refusal(arn: str, config: dict[str, Any]) -> str | None:
    """Why a function cannot take a queue's messages, or None."""
    visible, timeout = visibility_seconds(arn), int(config.get("Timeout", 3))
    if visible is None:
        return (
            "Error occurred while ReceiveMessage. SQS Error Code: "
            "AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does "
            "not exist for this wsdl version."
        )
    if (denied := _denied(config["Role"], arn)) is not None:
        # anomalyco/sst #5737; aws-cdk #6770 has "The provided execution role".
        called = denied[0]
        return f"The function execution role does not have permissions to call {called} on SQS"
    if visible < timeout:
        # github-aws-runners/terraform-aws-github-runner #465.
        return (
            f"Queue visibility timeout: {visible} seconds is less than Function timeout: "
            f"{timeout} seconds"
        )
    return None


def _settings_refusal(mapping: mappings.Mapping, *, fifo: bool) -> str | None:
    """Why a queue's mapping cannot be set so (CreateEventSourceMapping, of each parameter)."""
    # Their defaults may be said.
    given = [name for name in _OF_STREAMS if str(mapping.get(name)) not in _DEFAULTS]
    if given:
        return guessed(f"{given[0]} is not supported for SQS event sources", Guess.WORDS)
    size, window = (
        int(mapping.get(name) or 0) for name in ("BatchSize", "MaximumBatchingWindowInSeconds")
    )
    if fifo and (window or size > _WITHOUT_WINDOW):
        return "Batching window is not supported for FIFO queues, nor batches beyond 10"
    if size > _WITHOUT_WINDOW and not window:
        # pulumi-aws and serverless users quote it.
        return (
            "Maximum batch window in seconds must be greater than 0 if maximum batch size is "
            "greater than 10"
        )
    return None


def may_poll(mapping: mappings.Mapping, config: dict[str, Any]) -> bool:
    """Whether a mapping's role may take messages now; asked again after a while."""
    key = (str(config["Role"]), str(mapping["EventSourceArn"]))
    asked, denied = _checked.get(key, (0.0, None))
    if time.monotonic() - asked > PERMISSION_SECONDS:
        denied = _denied(*key)
        _checked[key] = (time.monotonic(), denied)
    if denied is not None:
        mappings.note_result(mapping["UUID"], f"PROBLEM: may not call {denied[0]}: {denied[1]}")
    return denied is None


def _denied(role_arn: str, queue_arn: str) -> tuple[str, str] | None:
    """The first operation that a role may not call on a queue, and why; or None."""
    if (reason := LAMBDA.not_trusted(role_arn)) is not None:
        return "AssumeRole", reason
    role = adapter.Role(arn=role_arn, session="awslambda")
    for action in ACTIONS:
        if (reason := role.denied(action, queue_arn)) is not None:
            return action.partition(":")[2], reason
    return None
