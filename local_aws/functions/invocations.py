"""Lambda's use of a function's role beside running it: logs, destinations, dead letters."""

import json
import logging
import os
import time
import uuid
from typing import Any

import botocore.exceptions

from local_aws import adapter
from local_aws.adapter.functions import invocations
from local_aws.adapter.functions.invocations import Configuration, InvocationOutcome
from local_aws.functions.creation import CALLS
from local_aws.policies import authorization
from local_aws.policies.passed_roles import LAMBDA
from local_aws.quotas import limits
from local_aws.sagemaker.context import LocalSession

logger = logging.getLogger("fraudloop.invocations")

_MOST_MESSAGE = 1024


def install() -> None:
    """Have all of it decided by the function's role."""
    invocations.run_trusted_functions(LAMBDA.not_trusted)
    invocations.invoke_asynchronously(tell, destination_refusal)
    invocations.log_as_roles(may_log)
    most = limits.limit("lambda", "Concurrent executions")
    invocations.bound_executions(int(most or 0))


def may_log(config: Configuration, group: str, exists: bool) -> bool:
    """Whether a function's role may write its log.

    Lambda Developer Guide, AWSLambdaBasicExecutionRole: CreateLogGroup, CreateLogStream and
    PutLogEvents; where they are missing, a function runs and has no log.
    """
    role = adapter.Role(arn=config["Role"], session=config["FunctionName"])
    arn = authorization.log_arn(adapter.current_region(), adapter.current_account(), group)
    # Of a stream whose name only Lambda knows, what a policy says of all.
    actions = ["logs:CreateLogStream", "logs:PutLogEvents"]
    actions += [] if exists else ["logs:CreateLogGroup"]
    return all(role.denied(action, arn) is None for action in actions)


def destination_refusal(config: Configuration, destination: str) -> str | None:
    """Why a function may not have a destination, or None."""
    service = destination.split(":")[2]
    action, call = CALLS[service]
    resource = f"{destination}/aws/lambda/async/any" if service == "s3" else destination
    role = adapter.Role(arn=config["Role"], session="awslambda")
    if role.denied(action, resource) is None:
        return None
    call = call.partition(" ")[0]
    # terraform-provider-aws waits for it (lambda/function_event_invoke_config.go).
    return (
        f"The function's execution role does not have permissions to call {call} on {destination}"
    )


def tell(outcome: InvocationOutcome) -> None:
    """Tell a function's destination, or else its dead-letter queue, how an invocation ended."""
    name = str(outcome.config["FunctionName"])
    if outcome.failed:
        invocations.count_failed_delivery(name, "Errors")
    arn, metric = outcome.destination, "DestinationDeliveryFailures"
    if arn is None and outcome.failed:
        arn, metric = outcome.dead_letters, "DeadLetterErrors"
    if arn is None:
        return
    try:
        credentials = LAMBDA.assume(outcome.config["Role"], "awslambda")
        session = LocalSession(
            os.environ["AWS_ENDPOINT_URL"], adapter.current_region(), credentials
        )
        if arn == outcome.destination:
            _send(session, arn, _record(outcome), name)
        else:
            _bury(session, arn, outcome)
    except (adapter.RoleNotAssumableError, botocore.exceptions.ClientError) as error:
        logger.error("function %s: %s was not told: %s", name, arn, error)
        invocations.count_failed_delivery(name, metric)


def _record(outcome: InvocationOutcome) -> dict[str, Any]:
    """The invocation record (Lambda Developer Guide, "Asynchronous invocation", "Configuring
    destinations").
    """
    response = {"statusCode": 200, "executedVersion": outcome.config.get("Version", "$LATEST")}
    if outcome.failed:
        response["functionError"] = outcome.result.get("function_error") or "Unhandled"
    arn = str(outcome.config["FunctionArn"])
    return {
        "version": "1.0",
        "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": arn if arn.count(":") > 6 else f"{arn}:$LATEST",  # noqa: PLR2004
            "condition": outcome.condition,
            "approximateInvokeCount": outcome.attempts,
        },
        "requestPayload": outcome.event,
        "responseContext": response,
        "responsePayload": outcome.result.get("body"),
    }


def _send(session: LocalSession, arn: str, record: dict[str, Any], name: str) -> None:
    service, text = arn.split(":")[2], json.dumps(record)
    if service == "sqs":
        session.client("sqs").send_message(QueueUrl=_queue_url(arn), MessageBody=text)
    elif service == "sns":
        session.client("sns").publish(TopicArn=arn, Message=text)
    elif service == "lambda":
        session.client("lambda").invoke(FunctionName=arn, InvocationType="Event", Payload=text)
    elif service == "s3":
        moment = time.strftime("%Y/%m/%d/%Y-%m-%dT%H.%M.%S", time.gmtime())
        key = f"aws/lambda/async/{name}/{moment}-{uuid.uuid4()}"
        session.client("s3").put_object(Bucket=arn.rpartition(":")[2], Key=key, Body=text.encode())
    else:
        succeeded = record["requestContext"]["condition"] == "Success"
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {_said(succeeded=succeeded)}",
            "Detail": text,
            "Resources": [record["requestContext"]["functionArn"], arn],
            "EventBusName": arn,
        }
        session.client("events").put_events(Entries=[entry])


def _said(*, succeeded: bool) -> str:
    return "Success" if succeeded else "Failure"


def _bury(session: LocalSession, arn: str, outcome: InvocationOutcome) -> None:
    """A dead letter is the event itself, with what went wrong as attributes (Lambda Developer
    Guide, "Asynchronous invocation", "Dead-letter queues").
    """
    body = outcome.result.get("body")
    message = str(body.get("errorMessage", "") if isinstance(body, dict) else body)[:_MOST_MESSAGE]
    attributes = {
        "RequestID": {"DataType": "String", "StringValue": str(uuid.uuid4())},
        "ErrorCode": {"DataType": "Number", "StringValue": "200"},
        "ErrorMessage": {"DataType": "String", "StringValue": message or "Unhandled"},
    }
    text = json.dumps(outcome.event)
    if arn.split(":")[2] == "sqs":
        session.client("sqs").send_message(
            QueueUrl=_queue_url(arn), MessageBody=text, MessageAttributes=attributes
        )
    else:
        session.client("sns").publish(TopicArn=arn, Message=text, MessageAttributes=attributes)


def _queue_url(arn: str) -> str:
    account, name = arn.split(":")[4:6]
    return f"{os.environ['AWS_ENDPOINT_URL']}/{account}/{name}"
