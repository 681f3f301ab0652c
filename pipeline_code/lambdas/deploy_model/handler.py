"""Keeps the endpoint on the newest approved model package, by the serving stack's CloudFormation.

Contract:
    Event: one message of a queue, that of an event: a package of the group was approved or
    rejected, the challenger's parameter was changed, an update of the stack has ended, or an hour
    has gone by. It only says that it is time to look: what registry, parameters, stack and endpoint
    say by then counts, so that events may come twice, late, out of order, or not at all.
    Environment: as `DeploymentSettings` names it.
    Does, in this order: waits for the stack to be at rest; notes how the last deployment ended, and
    after a roll-back rejects its package and has the parameter name again what runs; rejects
    approved packages that do not fit this environment; and if the package that was approved last is
    not the one that is served, or the challenger is not the one in the shadow, copies the package's
    baselines to where the monitors read them, spells it in the parameter and updates the stack
    with its own template, so that CloudFormation reads the parameters anew.
    Never: names no package while an endpoint runs. Without another approved package, a rejected one
    goes on serving.
    A stack that is still busy when the invocation ends gives the message back to the queue; an
    error gives it back for a minute. After as many times as the queue allows, it goes to the
    dead-letter queue.
    Metrics: `FailedDeployments`, for operators to look at; `ChampionAgeDays`, of the package
    that is served.
    Returns: {"batchItemFailures": [...]} with the message that is to come again, if it is.
    Needs: what `Packages`, `Parameters`, `Stack`, `copy_baselines` and `served` need; and
    sqs:ReceiveMessage, DeleteMessage, GetQueueAttributes and ChangeMessageVisibility.
"""

import json
import os
from collections.abc import Mapping
from typing import Any

import boto3
from pipeline_code.contracts.environment import read

from deploy_model.deployer import Deployer
from deploy_model.log import log
from deploy_model.settings import DeploymentSettings
from deploy_model.stack import StackBusyError

BUSY_SECONDS = 2
RETRY_SECONDS = 60


def handler(event: Mapping[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """Lambda's entry."""
    settings = read(DeploymentSettings, os.environ)
    (message,) = event["Records"]
    try:
        cause = json.loads(message["body"])
        changed = cause.get("detail", {}).get("ModelPackageArn")
        done = Deployer.connected(settings).reconcile(message["messageId"], changed, context)
    except StackBusyError as busy:
        log(f"{busy}; the message comes again", message_id=message["messageId"])
        _come_again(settings, message, BUSY_SECONDS)
        return {"batchItemFailures": [{"itemIdentifier": message["messageId"]}]}
    except Exception:
        _come_again(settings, message, RETRY_SECONDS)
        raise
    log(done, cause=cause.get("detail-type"), event_id=cause.get("id"), model_package=changed)
    return {"batchItemFailures": []}


def _come_again(settings: DeploymentSettings, message: Mapping[str, Any], seconds: int) -> None:
    """Sooner than the queue would give the message out again by itself."""
    boto3.client("sqs").change_message_visibility(
        QueueUrl=settings.queue_url,
        ReceiptHandle=message["receiptHandle"],
        VisibilityTimeout=seconds,
    )
