"""The template of the run's own stack: what probes need before they can ask."""

from __future__ import annotations

import json
from typing import Any

from operations.smoke.grants import Place, policy, resource, roles
from operations.smoke.stacks import ENDPOINT_LOGS

__all__ = ["own_template"]

# The endpoints that have an alarm: one of the API's, one of a stack's.
_ALARMED = ("api", "stack")


def own_template(place: Place) -> str:
    """Buckets, keys, queues, rules, roles, alarms; every resource is an output of its name."""
    resources: dict[str, Any] = {
        "Bucket": resource(
            "S3::Bucket",
            BucketName=f"{place.name}-{place.account}",
            PublicAccessBlockConfiguration={"BlockPublicAcls": True, "BlockPublicPolicy": True},
        ),
        "Packages": resource("SageMaker::ModelPackageGroup", ModelPackageGroupName=place.name),
        "Stream": resource("Kinesis::Stream", ShardCount=1),
        "Log": resource("Logs::LogGroup", LogGroupName=f"{ENDPOINT_LOGS}/{place.name}-api"),
        **{f"{name.title()}Alarm": _alarm() for name in _ALARMED},
        **_keys(place),
        **_queues(place),
        **roles(place),
    }
    outputs = {
        name: {"Value": _value(name, body["Type"])}
        for name, body in resources.items()
        if body["Type"] not in ("AWS::SQS::QueuePolicy", "AWS::Logs::LogGroup")
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


def _value(name: str, kind: str) -> Any:
    has_arn = kind in (
        *("AWS::KMS::Key", "AWS::Kinesis::Stream", "AWS::IAM::Role", "AWS::Events::EventBus"),
    )
    return {"Fn::GetAtt": [name, "Arn"]} if has_arn else {"Ref": name}


def _alarm() -> dict[str, Any]:
    """Its state is what it is set to: there are no data, which change nothing."""
    return resource(
        "CloudWatch::Alarm",
        Namespace="fraudloop/smoke",
        MetricName="Nothing",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )


def _keys(place: Place) -> dict[str, Any]:
    """A key as the project's lets EventBridge in, and one with the plain condition."""
    queues = place.arn("sqs", "*")
    conditions = {
        "Key": {"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": queues}},
        "AccountKey": {"StringEquals": {"aws:SourceAccount": place.account}},
    }
    root = {"AWS": place.arn("iam", "root", region=False)}
    return {
        name: resource(
            "KMS::Key",
            Description=f"Smoke test {place.name}",
            PendingWindowInDays=7,
            KeyPolicy=policy(
                {"Principal": root, "Action": "kms:*", "Resource": "*"},
                {
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                    "Resource": "*",
                    "Condition": condition,
                },
            ),
        )
        for name, condition in conditions.items()
    }


def _queues(place: Place) -> dict[str, Any]:
    """Queues under either key and under none, all behind one rule; one for dead letters."""
    keys = {"Queue": "Key", "AccountQueue": "AccountKey", "PlainQueue": None, "Letters": None}
    nothing = {"Ref": "AWS::NoValue"}
    queues: dict[str, Any] = {
        name: resource("SQS::Queue", KmsMasterKeyId={"Ref": key} if key else nothing)
        for name, key in keys.items()
    }
    behind = [name for name in keys if name != "Letters"]
    arns: dict[str, Any] = {name: {"Fn::GetAtt": [name, "Arn"]} for name in behind}
    rule = resource(
        "Events::Rule",
        EventPattern={"source": [place.name]},
        Targets=[{"Id": name, "Arn": arn} for name, arn in arns.items()],
    )
    policies = {
        f"{name}Policy": resource(
            "SQS::QueuePolicy",
            Queues=[{"Ref": name}],
            PolicyDocument=policy(
                {
                    "Principal": {"Service": "events.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]}}},
                }
            ),
        )
        for name, arn in arns.items()
    }
    bus = {
        "Bus": resource("Events::EventBus", Name=place.name),
        "BusRule": resource("Events::Rule", EventPattern={"source": [f"{place.name}-bus"]}),
    }
    return {**queues, "Rule": rule, **policies, **bus}
