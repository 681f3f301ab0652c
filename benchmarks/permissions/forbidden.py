"""What a role did not need in the whole loop it may not do: tried with its own credentials."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.permissions.acting import Roles
from benchmarks.permissions.recorded import Decision
from operations import registry
from operations.target import Target

Clients = Callable[..., Any]
_DENIED = ("AccessDenied", "NotAuthorized", "Unauthorized")


@dataclass(frozen=True)
class Capability:
    """Something that few may do.

    Attributes:
        name: As the documentation says it.
        action: What IAM calls it.
        resource: The ARN, perhaps with wildcards.
        attempt: Tries it with clients of somebody.
    """

    name: str
    action: str
    resource: str
    attempt: Callable[[Clients], Any]


@dataclass(frozen=True)
class Row:
    """Who needed a capability, and what all others were told when they tried.

    Attributes:
        needed: Roles by stage and logical id.
        refused: Those that were refused.
        got_through: Those that were not, with what they were told.
    """

    capability: Capability
    needed: Sequence[str]
    refused: Sequence[str]
    got_through: Mapping[str, str]


def matrix(target: Target, decisions: Sequence[Decision]) -> list[Row]:
    """Every capability, tried by each role that did not need it."""
    roles = Roles(target)
    clients = {role: roles.act_as(*role) for role in roles.names}
    needs = _needs(decisions)
    return [
        _row(capability, roles, clients, needs)
        for capability in (*capabilities(target), *_passing(roles))
    ]


def _row(
    capability: Capability,
    roles: Roles,
    clients: Mapping[tuple[str, str], Clients],
    needs: Mapping[str, set[tuple[str, str]]],
) -> Row:
    needed, refused, got_through = [], [], {}
    for role, name in roles.names.items():
        told = "/".join(role)
        if any(
            action == capability.action and fnmatchcase(resource, capability.resource)
            for action, resource in needs.get(name, ())
        ):
            needed.append(told)
        elif (answer := _answer(capability, clients[role])) is None:
            refused.append(told)
        else:
            got_through[told] = answer
    return Row(capability, needed, refused, got_through)


def _answer(capability: Capability, clients: Clients) -> str | None:
    """What somebody is told who tries something; None if it is that they may not."""
    try:
        capability.attempt(clients)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return None if code.startswith(_DENIED) else str(error)
    return "it was done"


def _needs(decisions: Sequence[Decision]) -> dict[str, set[tuple[str, str]]]:
    """What each role, by name, was allowed in the loop."""
    found: dict[str, set[tuple[str, str]]] = {}
    for decision in decisions:
        asked = decision.asked
        if decision.allowed and not decision.is_attack and ":assumed-role/" in asked["principal"]:
            name = asked["principal"].split("/")[1]
            found.setdefault(name, set()).add((asked["action"], asked["resource"]))
    return found


def capabilities(target: Target) -> Iterator[Capability]:
    """What is protected, but for roles that can be passed."""
    yield from _objects(target)
    yield from _features(target)
    yield from _decisions(target)
    yield from _streams(target)
    key = target.output("EncryptionKeyArn")
    secret = target.client("kms").encrypt(KeyId=key, Plaintext=b"data")["CiphertextBlob"]
    yield Capability(
        "decrypt with the key, not through a service",
        "kms:Decrypt",
        f"{key}#directly",
        lambda c: c("kms").decrypt(CiphertextBlob=secret, KeyId=key),
    )


def _objects(target: Target) -> Iterator[Capability]:
    s3 = target.client("s3")
    places = (
        ("raw data", "Raw", "transactions/"),
        ("captured requests", "Captures", f"{target.output('EndpointName')}/"),
        ("historical features", "Features", ""),
        ("models and reports", "Artifacts", "models/"),
    )
    for what, name, prefix in places:
        bucket = target.output(f"{name}BucketName")
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        place = {"Bucket": bucket, "Key": listed["Contents"][0]["Key"]}
        arn = f"arn:aws:s3:::{bucket}/{prefix}*"
        new = {"Bucket": bucket, "Key": f"{prefix}forbidden"}
        yield Capability(
            f"read {what}", "s3:GetObject", arn, lambda c, p=place: c("s3").get_object(**p)
        )
        yield Capability(
            f"write {what}", "s3:PutObject", arn, lambda c, p=new: c("s3").put_object(**p, Body=b"")
        )
        yield Capability(
            f"delete {what}", "s3:DeleteObject", arn, lambda c, p=place: c("s3").delete_object(**p)
        )


def _features(target: Target) -> Iterator[Capability]:
    for entity in ("customer", "terminal"):
        group = target.output(f"{entity.title()}FeatureGroupName")
        arn = f"arn:aws:sagemaker:*:feature-group/{group}"
        record = [
            {"FeatureName": f"{entity}_id", "ValueAsString": "1"},
            {"FeatureName": "event_time", "ValueAsString": "2000-01-01T00:00:00Z"},
        ]
        yield Capability(
            f"write a {entity}'s features",
            "sagemaker:PutRecord",
            arn,
            lambda c, g=group, r=record: c("sagemaker-featurestore-runtime").put_record(
                FeatureGroupName=g, Record=r
            ),
        )
        yield Capability(
            f"read a {entity}'s features",
            "sagemaker:GetRecord",
            arn,
            lambda c, g=group: c("sagemaker-featurestore-runtime").get_record(
                FeatureGroupName=g, RecordIdentifierValueAsString="1"
            ),
        )


def _decisions(target: Target) -> Iterator[Capability]:
    """Registering, approving and deploying."""
    package, group = registry.deployed_package(target), target.output("ModelPackageGroupName")
    stack, endpoint = target.stack_name("serving"), target.output("EndpointName")
    pipeline, parameter = (
        target.output("TrainingPipelineName"),
        target.output("ApprovedModelParameterName"),
    )
    yield Capability(
        "approve a model",
        "sagemaker:UpdateModelPackage",
        "#approved",
        lambda c: c("sagemaker").update_model_package(
            ModelPackageArn=package, ModelApprovalStatus="Approved"
        ),
    )
    yield Capability(
        "write which model is approved",
        "ssm:PutParameter",
        f"arn:aws:ssm:*:parameter{parameter}",
        lambda c: c("ssm").put_parameter(Name=parameter, Value="none", Overwrite=True),
    )
    yield Capability(
        "register a model",
        "sagemaker:CreateModelPackage",
        "*",
        lambda c: c("sagemaker").create_model_package(
            ModelPackageGroupName=group, ModelApprovalStatus="PendingManualApproval"
        ),
    )
    yield Capability(
        "deploy",
        "cloudformation:UpdateStack",
        f"arn:aws:cloudformation:*:stack/{stack}/*",
        lambda c: c("cloudformation").update_stack(StackName=stack, UsePreviousTemplate=True),
    )
    yield Capability(
        "change the endpoint past its stack",
        "sagemaker:UpdateEndpoint",
        "arn:aws:sagemaker:*:endpoint/*",
        lambda c: c("sagemaker").update_endpoint(
            EndpointName=endpoint, EndpointConfigName="forbidden"
        ),
    )
    yield Capability(
        "delete the endpoint",
        "sagemaker:DeleteEndpoint",
        "arn:aws:sagemaker:*:endpoint/*",
        lambda c: c("sagemaker").delete_endpoint(EndpointName=endpoint),
    )
    yield Capability(
        "ask the endpoint",
        "sagemaker:InvokeEndpoint",
        "arn:aws:sagemaker:*:endpoint/*",
        lambda c: c("sagemaker-runtime").invoke_endpoint(EndpointName=endpoint, Body=b"{}"),
    )
    yield Capability(
        "train",
        "sagemaker:StartPipelineExecution",
        f"arn:aws:sagemaker:*:pipeline/{pipeline}",
        lambda c: c("sagemaker").start_pipeline_execution(PipelineName=pipeline),
    )


def _streams(target: Target) -> Iterator[Capability]:
    for what, output in (("events", "EventStreamName"), ("events", "TerminalEventStreamName")):
        name = target.output(output)
        arn = f"arn:aws:kinesis:*:stream/{name}"
        yield Capability(
            f"put {what} onto `{name}`",
            "kinesis:PutRecords",
            arn,
            lambda c, n=name: c("kinesis").put_records(
                StreamName=n, Records=[{"Data": b"{}", "PartitionKey": "1"}]
            ),
        )
        yield Capability(
            f"read {what} of `{name}`",
            "kinesis:GetShardIterator",
            arn,
            lambda c, n=name: c("kinesis").get_shard_iterator(
                StreamName=n, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
            ),
        )


def _passing(roles: Roles) -> Iterator[Capability]:
    """Giving each role to a service that it trusts."""
    policy = '{"Version": "2012-10-17", "Statement": []}'
    for stage, role in roles.names:
        arn, name = roles.arn(stage, role), roles.names[stage, role]
        yield Capability(
            f"change what {stage}/{role} may do",
            "iam:PutRolePolicy",
            arn,
            lambda c, n=name: c("iam").put_role_policy(
                RoleName=n, PolicyName="grown", PolicyDocument=policy
            ),
        )
        for statement in roles.trust(stage, role)["Statement"]:
            attempt = _PASS.get(statement["Principal"].get("Service", ""))
            if attempt is not None:
                yield Capability(
                    f"pass {stage}/{role}",
                    "iam:PassRole",
                    arn,
                    lambda c, a=arn, attempt=attempt: attempt(c, a),
                )


def _job(clients: Clients, role: str) -> None:
    clients("sagemaker").create_processing_job(
        ProcessingJobName="forbidden",
        RoleArn=role,
        AppSpecification={"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1"},
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": "ml.m5.large",
                "VolumeSizeInGB": 1,
            }
        },
    )


def _function(clients: Clients, role: str) -> None:
    clients("lambda").create_function(
        FunctionName="forbidden",
        Role=role,
        Code={"ZipFile": b""},
        Runtime="python3.11",
        Handler="a.b",
    )


def _schedule(clients: Clients, role: str) -> None:
    clients("scheduler").create_schedule(
        Name="forbidden",
        ScheduleExpression="rate(1 day)",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={"Arn": "arn:aws:sqs:us-east-1:000000000000:forbidden", "RoleArn": role},
    )


def _rule(clients: Clients, role: str) -> None:
    clients("events").put_rule(Name="forbidden", ScheduleExpression="rate(1 day)", RoleArn=role)


def _stack(clients: Clients, role: str) -> None:
    clients("cloudformation").create_stack(
        StackName="forbidden", RoleARN=role, TemplateBody='{"Resources": {}}'
    )


_PASS: Mapping[str, Callable[[Clients, str], None]] = {
    "sagemaker.amazonaws.com": _job,
    "lambda.amazonaws.com": _function,
    "scheduler.amazonaws.com": _schedule,
    "events.amazonaws.com": _rule,
    "cloudformation.amazonaws.com": _stack,
}
