"""The roles of the run's own stack.

They have the shapes of the project's (`lifecycle.access`, `lifecycle.lake`), as far as a question
hangs on them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from operations.smoke.stacks import ENDPOINT_LOGS

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["Place", "policy", "resource", "roles"]

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


def roles(place: Place) -> dict[str, Any]:
    """All of them, as resources of a template."""
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
    return resource(
        "IAM::Role",
        AssumeRolePolicyDocument=policy(trust | ({"Condition": condition} if condition else {})),
        Policies=[{"PolicyName": "own", "PolicyDocument": policy(*statements)}],
    )


def policy(*statements: Statement) -> dict[str, Any]:
    """A policy that allows this."""
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


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """A resource of a template, such as `SQS::Queue`."""
    return {"Type": f"AWS::{kind}", "Properties": properties}
