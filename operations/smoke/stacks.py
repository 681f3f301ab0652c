"""The run's own stacks: what probes need before they can ask, and an endpoint of CloudFormation's.

Roles and key policies have the shapes of the project's (`lifecycle.access`, `lifecycle.lake`), as
far as a question hangs on them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.errors import OperationError

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["ALARMED", "ENDPOINT_LOGS", "Place", "own_template", "rested", "stack", "update"]

ENDPOINT_LOGS = "/aws/sagemaker/Endpoints"
# The endpoints that have an alarm: one of the API's, one of a stack's.
ALARMED = ("api", "stack")
_ENDED = ("_COMPLETE", "_FAILED")
Statement = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a run is: its name, and what ARNs are made of."""

    name: str
    partition: str
    region: str
    account: str
    image: str | None = None

    @classmethod
    def of(cls, run: Run) -> Place:
        """Of a run."""
        partition = run.target.session.get_partition_for_region(run.region)
        return cls(
            name=run.name,
            partition=partition,
            region=run.region,
            account=run.account,
            image=run.image,
        )

    def arn(self, service: str, resource: str, *, region: bool = True) -> str:
        """An ARN of this account."""
        place = self.region if region else ""
        return f"arn:{self.partition}:{service}:{place}:{self.account}:{resource}"


def own_template(place: Place) -> str:
    """Buckets, keys, queues, rules, roles, alarms; every resource is an output of its name."""
    resources: dict[str, Any] = {
        "Bucket": _resource(
            "S3::Bucket",
            BucketName=f"{place.name}-{place.account}",
            PublicAccessBlockConfiguration={"BlockPublicAcls": True, "BlockPublicPolicy": True},
        ),
        "Packages": _resource("SageMaker::ModelPackageGroup", ModelPackageGroupName=place.name),
        "Stream": _resource("Kinesis::Stream", ShardCount=1),
        "Log": _resource("Logs::LogGroup", LogGroupName=f"{ENDPOINT_LOGS}/{place.name}-api"),
        **{f"{name.title()}Alarm": _alarm() for name in ALARMED},
        **_keys(place),
        **_queues(place),
        **_roles(place),
    }
    outputs = {
        name: {"Value": _value(name, body["Type"])}
        for name, body in resources.items()
        if body["Type"] not in ("AWS::SQS::QueuePolicy", "AWS::Logs::LogGroup")
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


def stack(run: Run, name: str, template: str, *tags: dict[str, str]) -> dict[str, str]:
    """Make a stack, and wait until it is there; its outputs.

    Raises:
        OperationError: If it could not be made, and why.
    """
    run.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=template,
        Capabilities=["CAPABILITY_IAM"],
        OnFailure="DO_NOTHING",
        Tags=[*run.tags(), *tags],
    )
    found = rested(run, name)
    if found["StackStatus"] != "CREATE_COMPLETE":
        raise OperationError(
            f"stack {name} must be made, got {found['StackStatus']}: {_reason(run, name)}"
        )
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def update(run: Run, name: str, template: str) -> None:
    """Begin a stack's update."""
    run.client("cloudformation").update_stack(StackName=name, TemplateBody=template)


def rested(run: Run, name: str) -> dict[str, Any]:
    """A stack once nothing is being done to it."""

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = run.client("cloudformation").describe_stacks(StackName=name)[
            "Stacks"
        ][0]
        return found if found["StackStatus"].endswith(_ENDED) else None

    return run.eventually(look, f"stack {name}")


def _reason(run: Run, name: str) -> str:
    events = run.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    reasons = [
        f"{each['LogicalResourceId']}: {each['ResourceStatusReason']}"
        for each in reversed(events)
        if each["ResourceStatus"].endswith("_FAILED") and "ResourceStatusReason" in each
    ]
    return reasons[0] if reasons else "no reason was given"


def _resource(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _value(name: str, kind: str) -> Any:
    has_arn = kind in (
        *("AWS::KMS::Key", "AWS::Kinesis::Stream", "AWS::IAM::Role", "AWS::Events::EventBus"),
    )
    return {"Fn::GetAtt": [name, "Arn"]} if has_arn else {"Ref": name}


def _alarm() -> dict[str, Any]:
    """Its state is what it is set to: there are no data, which change nothing."""
    return _resource(
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
        name: _resource(
            "KMS::Key",
            Description=f"Smoke test {place.name}",
            PendingWindowInDays=7,
            KeyPolicy=_policy(
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
        name: _resource("SQS::Queue", KmsMasterKeyId={"Ref": key} if key else nothing)
        for name, key in keys.items()
    }
    behind = [name for name in keys if name != "Letters"]
    arns: dict[str, Any] = {name: {"Fn::GetAtt": [name, "Arn"]} for name in behind}
    rule = _resource(
        "Events::Rule",
        EventPattern={"source": [place.name]},
        Targets=[{"Id": name, "Arn": arn} for name, arn in arns.items()],
    )
    policies = {
        f"{name}Policy": _resource(
            "SQS::QueuePolicy",
            Queues=[{"Ref": name}],
            PolicyDocument=_policy(
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
        "Bus": _resource("Events::EventBus", Name=place.name),
        "BusRule": _resource("Events::Rule", EventPattern={"source": [f"{place.name}-bus"]}),
    }
    return {**queues, "Rule": rule, **policies, **bus}


def _roles(place: Place) -> dict[str, Any]:
    account = place.account
    demanded = {"StringEquals": {"aws:SourceAccount": account}}
    external = {"StringEquals": {"sts:ExternalId": account}}
    if_there = {"StringEqualsIfExists": {"aws:SourceAccount": account, "sts:ExternalId": account}}
    sagemaker, firehose = "sagemaker.amazonaws.com", "firehose.amazonaws.com"
    store = [*_bucket(place)]
    landing = [*store, _allowed(("kinesis:*",), {"Fn::GetAtt": ["Stream", "Arn"]})]
    serving = [*store, *_pull(place), *_serving(place)]
    return {
        "GroupRole": _role({"Service": sagemaker}, if_there, store),
        "DemandingGroupRole": _role({"Service": sagemaker}, demanded, store),
        "LandingRole": _role({"Service": firehose}, if_there, landing),
        "ExternalLandingRole": _role({"Service": firehose}, external, landing),
        "DemandingLandingRole": _role({"Service": firehose}, demanded, landing),
        "ModelRole": _role(
            {"Service": sagemaker}, demanded, [*serving, _logs(place, "logs:CreateLogGroup")]
        ),
        "GrouplessRole": _role({"Service": sagemaker}, demanded, [*serving, _logs(place)]),
        "ScheduleRole": _role(
            {"Service": "scheduler.amazonaws.com"},
            demanded,
            [_allowed(("sqs:SendMessage",), place.arn("sqs", f"{place.name}-*"))],
        ),
        **_callers(place),
    }


def _callers(place: Place) -> dict[str, Any]:
    """Roles that the run assumes itself, each of which may do one thing."""
    group = place.arn("sagemaker", f"model-package-group/{place.name}")
    packages = place.arn("sagemaker", f"model-package/{place.name}/*")
    registering = [
        _allowed(("sagemaker:CreateModelPackage", "sagemaker:AddTags"), packages),
        _allowed(("sagemaker:CreateModelPackage", "sagemaker:DescribeModelPackageGroup"), group),
        *_pull(place),
    ]
    may: dict[str, Sequence[Statement]] = {
        "PackagesCaller": [_allowed(("sagemaker:ListModelPackages",), packages)],
        "GroupCaller": [_allowed(("sagemaker:ListModelPackages",), group)],
        "RegisteringCaller": registering,
        # Like a pipeline's role, it has no leave of the key: the model's has.
        "TransformingCaller": [
            _allowed(("sagemaker:CreateTransformJob", "sagemaker:AddTags"), "*")
        ],
        "GrantingCaller": [
            {
                **_allowed(("kms:CreateGrant",), {"Fn::GetAtt": ["Key", "Arn"]}),
                "Condition": {"Bool": {"kms:GrantIsForAWSResource": "false"}},
            }
        ],
    }
    root = {"AWS": place.arn("iam", "root", region=False)}
    return {name: _role(root, None, statements) for name, statements in may.items()}


def _role(
    principal: Mapping[str, str], condition: Any, statements: Sequence[Statement]
) -> dict[str, Any]:
    trust = {"Principal": principal, "Action": "sts:AssumeRole"}
    return _resource(
        "IAM::Role",
        AssumeRolePolicyDocument=_policy(trust | ({"Condition": condition} if condition else {})),
        Policies=[{"PolicyName": "own", "PolicyDocument": _policy(*statements)}],
    )


def _policy(*statements: Statement) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", **each} for each in statements],
    }


def _allowed(actions: Sequence[str], *resources: Any) -> dict[str, Any]:
    return {"Action": list(actions), "Resource": list(resources)}


def _bucket(place: Place) -> list[Statement]:
    bucket = f"arn:{place.partition}:s3:::{place.name}-{place.account}"
    return [
        _allowed(("s3:GetBucket*", "s3:ListBucket*"), bucket),
        _allowed(
            ("s3:GetObject", "s3:PutObject", "s3:PutObjectAcl", "s3:AbortMultipartUpload"),
            f"{bucket}/*",
        ),
    ]


def _pull(place: Place) -> list[Statement]:
    if place.image is None:
        return []
    repository = place.image.partition("/")[2].rpartition(":")[0].partition("@")[0]
    pull = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    return [
        _allowed(pull, place.arn("ecr", f"repository/{repository}")),
        _allowed(("ecr:GetAuthorizationToken",), "*"),
    ]


def _serving(place: Place) -> list[Statement]:
    """What the project's roles of models have besides; the volume's key under its condition."""
    granted = _allowed(("kms:CreateGrant",), {"Fn::GetAtt": ["Key", "Arn"]})
    return [
        {**granted, "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}}},
        _allowed(("cloudwatch:DescribeAlarms",), place.arn("cloudwatch", f"alarm:{place.name}-*")),
    ]


def _logs(place: Place, *more: str) -> Statement:
    actions = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents", *more)
    return _allowed(actions, place.arn("logs", f"log-group:{ENDPOINT_LOGS}/{place.name}-*:*"))
