"""The notifications of SNS, S3 and CloudWatch: each sent as itself, with the keys it gives.

The policy of the queue, topic or function decides; ministack asks those of functions never, and
gives every service `aws:SourceOwner`.
"""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc, s3, sns, sqs
from ministack.services.cloudformation import provisioners

from local_aws.adapter import messages
from local_aws.adapter.identity.actors import Service

logger = logging.getLogger("fraudloop.notifications")

INVOKE, PUBLISH, SEND = "lambda:InvokeFunction", "sns:Publish", "sqs:SendMessage"
_S3, _SNS = "s3.amazonaws.com", "sns.amazonaws.com"


def ask_resource_policies() -> None:
    """Have all of them asked."""
    sqs.queue_policy_allows = lambda arn, service, source, account: _allowed(
        Service(name=service, source_arn=source, source_account=account), SEND, arn
    )
    sns.topic_policy_allows = lambda arn, service, source, account: _allowed(
        Service(name=service, source_arn=source, source_account=account), PUBLISH, arn
    )
    _keep_keys()
    _ask_for_topics()
    _ask_for_buckets()
    _refuse_log_subscriptions()


def alarm_refused(alarm: dict[str, Any], action: str) -> str | None:
    """Why CloudWatch may not do an alarm's action (a topic or a function), or None."""
    account, arn = str(responses.get_account_id()), str(alarm.get("AlarmArn", ""))
    if action.split(":")[2] == "lambda":
        # CloudWatch User Guide, "Invoke a Lambda function from an alarm".
        service = "lambda.alarms.cloudwatch.amazonaws.com"
        sender = Service(name=service, source_arn=arn, source_account=account)
        return sender.denied(INVOKE, action)
    sender = Service(name="cloudwatch.amazonaws.com", source_arn=arn, source_account=account)
    # SNS's default policy, which has no other condition, lets a topic's own account's alarms in
    # (SNS Developer Guide, "aws:SourceAccount versus aws:SourceOwner", which lists CloudWatch).
    if sender.denied(PUBLISH, action, {"aws:SourceOwner": account}) is None:
        return None
    # re:Post, "Why didn't I receive an SNS notification for my CloudWatch alarm trigger?"
    return f"Resource: {arn} is not authorized to perform: SNS:Publish on resource: {action}"


def record_alarm_action(alarm: dict[str, Any], action: str, refused: str | None) -> None:
    """Note in an alarm's history what became of an action."""
    summary = f"Successfully executed action {action}"
    if refused is not None:
        summary = f'Failed to execute action {action}. Received error: "{refused}"'
        logger.warning("alarm %s: %s", alarm["AlarmName"], summary)
    cloudwatch._history_entries().append(
        {
            "AlarmName": alarm["AlarmName"],
            "AlarmType": "CompositeAlarm" if "AlarmRule" in alarm else "MetricAlarm",
            "Timestamp": cloudwatch._ts_iso(time.time()),
            "HistoryItemType": "Action",
            "HistorySummary": summary,
            "HistoryData": json.dumps({"actionState": "Failed" if refused else "Succeeded"}),
        }
    )


def _keep_keys() -> None:
    """Let topics of templates have their key, which ministack's provisioner leaves out."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::SNS::Topic"]

    def keeping(inner: Callable[..., Any], place: int) -> Callable[..., Any]:
        def provision(*arguments: Any, **more: Any) -> Any:
            made = inner(*arguments, **more)
            attributes = sns._topics[made[0]]["attributes"]
            attributes["KmsMasterKeyId"] = arguments[place].get("KmsMasterKeyId", "")
            return made

        return provision

    handler["create"] = keeping(handler["create"], 1)
    handler["update"] = keeping(handler["update"], 2)


def _allowed(service: Service, action: str, resource: str) -> bool:
    return service.denied(action, resource) is None


def _ask_for_topics() -> None:
    to_queue, to_function = sns._deliver_to_sqs, sns._deliver_to_lambda

    def sender(topic_arn: str) -> Service:
        account = topic_arn.split(":")[4]
        return Service(name=_SNS, source_arn=topic_arn, source_account=account)

    def deliver_to_queue(endpoint: str, envelope: str, *rest: Any, **more: Any) -> None:
        topic_arn = str(more.get("topic_arn", ""))
        reason = sender(topic_arn).denied(SEND, endpoint)
        if sqs._queue_by_arn(endpoint) is None:
            reason = f"queue {endpoint} does not exist"
        if reason is None:
            to_queue(endpoint, envelope, *rest, **more)
        _told(topic_arn, endpoint, envelope, reason)

    def deliver_to_function(endpoint: str, envelope: str, topic_arn: str, *rest: Any) -> None:
        reason = sender(topic_arn).denied(INVOKE, endpoint)
        if not lambda_svc._get_func_record_for_ref(endpoint)[1]:
            reason = f"function {endpoint} does not exist"
        if reason is None:
            to_function(endpoint, envelope, topic_arn, *rest)
        _told(topic_arn, endpoint, envelope, reason)

    def _told(topic_arn: str, endpoint: str, envelope: str, reason: str | None) -> None:
        """Count; what was not delivered goes to the subscription's dead letters, if it has any."""
        name = {"TopicName": topic_arn.rpartition(":")[2]}
        outcome = "Delivered" if reason is None else "Failed"
        metric = f"NumberOfNotifications{outcome}"
        cloudwatch.record_metric("AWS/SNS", metric, 1, "Count", name)
        if reason is None:
            return
        logger.warning("topic %s: not delivered to %s: %s", topic_arn, endpoint, reason)
        letters = _dead_letters(topic_arn, endpoint)
        if letters is None:
            return
        # SNS Developer Guide, "Amazon SNS dead-letter queues": the queue's policy lets SNS in.
        metric = "NumberOfNotificationsRedrivenToDlq"
        if sender(topic_arn).denied(SEND, letters) is None:
            messages.send_to_queue(letters, envelope)
        else:
            metric = "NumberOfNotificationsFailedToRedriveToDlq"
        cloudwatch.record_metric("AWS/SNS", metric, 1, "Count", name)

    sns._deliver_to_sqs = deliver_to_queue
    sns._deliver_to_lambda = deliver_to_function


def _dead_letters(topic_arn: str, endpoint: str) -> str | None:
    topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": ()}
    for subscription in topic["subscriptions"]:
        policy = subscription["attributes"].get("RedrivePolicy")
        if subscription["endpoint"] == endpoint and policy:
            found: str | None = json.loads(policy).get("deadLetterTargetArn")
            return found
    return None


def _ask_for_buckets() -> None:
    validate, to_function = s3._validate_notification_configs, s3._deliver_event_to_lambda

    def sender(bucket: str) -> Service:
        account = str(responses.get_account_id())
        return Service(name=_S3, source_arn=f"arn:aws:s3:::{bucket}", source_account=account)

    def validate_configs(
        configs: list[dict[str, Any]],
        region: str,
        bucket: str = "",
        skip_destination_validation: bool = False,
    ) -> Any:
        invalid = validate(configs, region, bucket, skip_destination_validation)
        if invalid is not None or skip_destination_validation:
            return invalid
        for config in configs:
            if config["type"] == "lambda" and sender(bucket).denied(INVOKE, config["arn"]):
                # awslabs/aws-lambda-redshift-loader #219.
                return s3._invalid_notification_config(
                    "Unable to validate the following destination configurations: "
                    f"Not authorized to invoke function [{config['arn']}]"
                )
        return None

    def deliver_to_function(arn: str, event: dict[str, Any], region: str) -> None:
        bucket = event["Records"][0]["s3"]["bucket"]["name"]
        denied = sender(bucket).denied(INVOKE, arn)
        if denied is None:
            to_function(arn, event, region)
        else:
            logger.warning("bucket %s: %s not invoked: %s", bucket, arn, denied)

    s3._validate_notification_configs = validate_configs
    s3._deliver_event_to_lambda = deliver_to_function


def _refuse_log_subscriptions() -> None:
    """Refuse subscription filters: their deliveries asked nobody, and nothing here has one."""

    def put_filter(request: dict[str, Any]) -> Any:
        reason = f"The embedded AWS does not support subscriptions of {request.get('logGroupName')}"
        return responses.error_response_json("InvalidParameterException", reason, 400)

    cloudwatch_logs._put_subscription_filter = put_filter
