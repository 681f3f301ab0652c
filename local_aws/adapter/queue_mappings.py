"""Lambda's mappings of queues receive with their function's role; ministack asks nobody."""

import logging
from typing import Any

from ministack.services import lambda_svc, sqs

from local_aws.adapter.actors import Role

logger = logging.getLogger("fraudloop.queues")

# "Lambda needs the following permissions ... in your function's execution role" (Lambda Developer
# Guide, "Creating and configuring an Amazon SQS event source mapping"); under a key also that of
# who receives.
_ACTIONS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def receive_as_roles() -> None:
    """Have a queue's messages left to it where a function's role may not take them."""
    inner = sqs._receive_messages_for_esm

    def receive(queue_url: str, most: int) -> Any:
        queue = sqs._queues.get(queue_url)
        if queue is not None and queue["messages"] and not _may_receive(queue):
            return []
        return inner(queue_url, most)

    sqs._receive_messages_for_esm = receive


def _may_receive(queue: dict[str, Any]) -> bool:
    """Whether the roles of all mappings may: ministack does not say for which one it asks."""
    arn = queue["attributes"]["QueueArn"]
    for mapping in list(lambda_svc._esms.values()):
        if mapping.get("EventSourceArn") != arn or not mapping.get("Enabled", True):
            continue
        config = lambda_svc._get_func_record_for_ref(mapping["FunctionArn"])[1] or {}
        role = Role(arn=str(config.get("Role", "")), session="awslambda")
        reasons = (role.denied(action, arn) for action in _ACTIONS)
        reason = next((reason for reason in reasons if reason is not None), None)
        if reason is not None:
            said = f"PROBLEM: {reason}"
            if mapping.get("LastProcessingResult") != said:
                logger.warning("mapping of %s: %s", arn, reason)
            mapping["LastProcessingResult"] = said
            return False
    return True
