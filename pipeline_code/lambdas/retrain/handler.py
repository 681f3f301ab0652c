"""Starts the training pipeline when a monitor, an alarm, a schedule or an operator asks for it.

Contract:
    Event: a batch of messages of a queue, each with an event as `triggers` names them.
    Environment: as `RetrainingSettings` names it.
    Each event ends in one of: started; declined, by a rule of `policy`; noted, if it only says that
    nothing drifts, that a retraining failed, or that an operator took matters in hand; or failed.
    What failed is given back to the queue, for longer each time, and after as many times as the
    queue allows it goes to the dead-letter queue. The others of its batch go on: their order does
    not matter.
    A start is written down before it is asked for, with the token of its event, so that neither a
    repeated event, nor a response that was lost, starts a second execution.
    The execution's display name starts with `retrain-`; its parameters are TriggerReason,
    TriggerEvidence, and DataVersion: the fingerprint of the raw data
    (`pipeline_code.contracts.pipelines`), so that steps are taken from the cache only when their
    data is the same.
    Metrics, with the dimension Endpoint: RetrainingsStarted, RetrainingsDeclined (also with
    Reason, the rule), RetrainingsFailed, RetrainingEventsFailed, and UncuredDrifts: 1 when drift
    asks again that retraining did not cure, 0 when it may be asked for again.
    Returns: {"batchItemFailures": [...]} with the messages that are to come again.
    Needs: what `TrainingPipeline` and `StateParameter` need; and sqs:ReceiveMessage, DeleteMessage,
    GetQueueAttributes and ChangeMessageVisibility.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import boto3
from pipeline_code.contracts import environment

from retrain.calls import CONFIG
from retrain.outcomes import FAILED, EventOutcome, log, log_outcome
from retrain.retrainer import Retrainer
from retrain.settings import RetrainingSettings
from retrain.triggers import read

# What one event may take, at worst: calls that hang until they are given up.
MARGIN_MILLISECONDS = 150_000
LONGEST_RETRY_SECONDS = 15 * 60


def handler(event: Mapping[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Lambda's entry."""
    settings = environment.read(RetrainingSettings, os.environ)
    retrainer = Retrainer.connected(settings)
    again = []
    for message in event["Records"]:
        if context.get_remaining_time_in_millis() < MARGIN_MILLISECONDS:
            log("no time is left; the message comes again", message_id=message["messageId"])
            again.append(message)
        elif not _is_handled(message, retrainer, settings):
            again.append(message)
    return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in again]}


def _is_handled(
    message: Mapping[str, Any], retrainer: Retrainer, settings: RetrainingSettings
) -> bool:
    try:
        event = json.loads(message["body"])
        outcome = retrainer.handle(read(event))
    except Exception as error:  # whatever it is, the other messages are none the worse for it
        retrainer.forget()
        reason = f"{type(error).__name__}: {error}"
        log_outcome(EventOutcome(outcome=FAILED, reason=reason), settings, body=message["body"])
        _come_again(settings, message)
        return False
    told = {name: event.get(name) for name in ("source", "detail-type")}
    log_outcome(outcome, settings, event_id=event["id"], **told)
    return True


def _come_again(settings: RetrainingSettings, message: Mapping[str, Any]) -> None:
    """Later each time: what fails is rarely mended at once."""
    receives = int(message["attributes"]["ApproximateReceiveCount"])
    seconds = min(settings.retry_seconds * 2 ** (receives - 1), LONGEST_RETRY_SECONDS)
    boto3.client("sqs", config=CONFIG).change_message_visibility(
        QueueUrl=settings.queue_url,
        ReceiptHandle=message["receiptHandle"],
        VisibilityTimeout=seconds,
    )
