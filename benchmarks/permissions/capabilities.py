"""The capabilities that few may have, and how each is tried: one request of one service."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.permissions.acting import Roles
from operations.models import registry
from operations.target import Target

Clients = Callable[..., Any]


@dataclass(frozen=True)
class Capability:
    """Something that few may do.

    Attributes:
        name: As the documentation says it.
        action: What IAM calls it.
        resource: The ARN, perhaps with wildcards.
        call: The client and its method that try it.
        arguments: Of the method.
    """

    name: str
    action: str
    resource: str
    call: tuple[str, str]
    arguments: Mapping[str, Any]

    def attempt(self, clients: Clients) -> None:
        """Try it with clients of somebody."""
        service, method = self.call
        getattr(clients(service), method)(**self.arguments)


def capabilities(target: Target, roles: Roles) -> Iterator[Capability]:
    """What is protected in an environment through which the loop was played."""
    yield from _objects(target)
    yield from _features(target)
    yield from _decisions(target)
    yield from _serving(target)
    yield from _streams(target)
    key = target.output("EncryptionKeyArn")
    secret = target.client("kms").encrypt(KeyId=key, Plaintext=b"data")["CiphertextBlob"]
    yield Capability(
        "decrypt with the key, not through a service",
        "kms:Decrypt",
        f"{key}#directly",
        ("kms", "decrypt"),
        {"CiphertextBlob": secret, "KeyId": key},
    )
    for stage, role in roles.names:
        yield from _role(roles, stage, role)


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
        old = {"Bucket": bucket, "Key": listed["Contents"][0]["Key"]}
        new = {"Bucket": bucket, "Key": f"{prefix}forbidden", "Body": b""}
        arn = f"arn:aws:s3:::{bucket}/{prefix}*"
        yield Capability(f"read {what}", "s3:GetObject", arn, ("s3", "get_object"), old)
        yield Capability(f"write {what}", "s3:PutObject", arn, ("s3", "put_object"), new)
        yield Capability(f"delete {what}", "s3:DeleteObject", arn, ("s3", "delete_object"), old)


def _features(target: Target) -> Iterator[Capability]:
    runtime = "sagemaker-featurestore-runtime"
    for entity in ("customer", "terminal"):
        group = target.output(f"{entity.title()}FeatureGroupName")
        arn, whose = f"arn:aws:sagemaker:*:feature-group/{group}", f"a {entity}'s features"
        values = {f"{entity}_id": "1", "event_time": "2000-01-01T00:00:00Z"}
        record = [{"FeatureName": k, "ValueAsString": v} for k, v in values.items()]
        batch = {"FeatureGroupName": group, "RecordIdentifiersValueAsString": ["1"]}
        for verb, action, method, arguments in (
            ("write", "PutRecord", "put_record", {"FeatureGroupName": group, "Record": record}),
            ("read", "BatchGetRecord", "batch_get_record", {"Identifiers": [batch]}),
        ):
            yield Capability(
                f"{verb} {whose}", f"sagemaker:{action}", arn, (runtime, method), arguments
            )


def _decisions(target: Target) -> Iterator[Capability]:
    """Training, registering and approving."""
    group, pipeline = target.output("ModelPackageGroupName"), target.output("TrainingPipelineName")
    parameter = target.output("ApprovedModelParameterName")
    yield Capability(
        "train",
        "sagemaker:StartPipelineExecution",
        f"arn:aws:sagemaker:*:pipeline/{pipeline}",
        ("sagemaker", "start_pipeline_execution"),
        {"PipelineName": pipeline},
    )
    yield Capability(
        "register a model",
        "sagemaker:CreateModelPackage",
        "*",
        ("sagemaker", "create_model_package"),
        {"ModelPackageGroupName": group, "ModelApprovalStatus": "PendingManualApproval"},
    )
    package = registry.deployed_package(target)
    yield Capability(
        "approve a model",
        "sagemaker:UpdateModelPackage",
        "#approved",
        ("sagemaker", "update_model_package"),
        {"ModelPackageArn": package, "ModelApprovalStatus": "Approved"},
    )
    yield Capability(
        "write which model is approved",
        "ssm:PutParameter",
        f"arn:aws:ssm:*:parameter{parameter}",
        ("ssm", "put_parameter"),
        {"Name": parameter, "Value": "none", "Overwrite": True},
    )


def _serving(target: Target) -> Iterator[Capability]:
    stack, endpoint = target.stack_name("serving"), target.output("EndpointName")
    yield Capability(
        "deploy",
        "cloudformation:UpdateStack",
        f"arn:aws:cloudformation:*:stack/{stack}/*",
        ("cloudformation", "update_stack"),
        {"StackName": stack, "UsePreviousTemplate": True},
    )
    named, arn = {"EndpointName": endpoint}, "arn:aws:sagemaker:*:endpoint/*"
    for what, action, call, arguments in (
        (
            "change the endpoint past its stack",
            "UpdateEndpoint",
            ("sagemaker", "update_endpoint"),
            {"EndpointConfigName": "forbidden"},
        ),
        ("delete the endpoint", "DeleteEndpoint", ("sagemaker", "delete_endpoint"), {}),
        (
            "ask the endpoint",
            "InvokeEndpoint",
            ("sagemaker-runtime", "invoke_endpoint"),
            {"Body": b"{}"},
        ),
    ):
        yield Capability(what, f"sagemaker:{action}", arn, call, named | arguments)


def _streams(target: Target) -> Iterator[Capability]:
    for output in ("EventStreamName", "TerminalEventStreamName"):
        name = target.output(output)
        arn, named = f"arn:aws:kinesis:*:stream/{name}", {"StreamName": name}
        yield Capability(
            f"put events onto `{name}`",
            "kinesis:PutRecords",
            arn,
            ("kinesis", "put_records"),
            named | {"Records": [{"Data": b"{}", "PartitionKey": "1"}]},
        )
        yield Capability(
            f"read events of `{name}`",
            "kinesis:GetShardIterator",
            arn,
            ("kinesis", "get_shard_iterator"),
            named | {"ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"},
        )


def _role(roles: Roles, stage: str, role: str) -> Iterator[Capability]:
    """Changing a role, and giving it to a service that it trusts."""
    arn, name = roles.arn(stage, role), roles.names[stage, role]
    policy = '{"Version": "2012-10-17", "Statement": []}'
    yield Capability(
        f"change what {stage}/{role} may do",
        "iam:PutRolePolicy",
        arn,
        ("iam", "put_role_policy"),
        {"RoleName": name, "PolicyName": "grown", "PolicyDocument": policy},
    )
    for statement in roles.trust(stage, role)["Statement"]:
        passing = _PASSING.get(statement["Principal"].get("Service", ""))
        if passing is not None:
            call, arguments = passing
            yield Capability(f"pass {stage}/{role}", "iam:PassRole", arn, call, arguments(arn))


# How a role is given to a service, by the service.
_PASSING: Mapping[str, tuple[tuple[str, str], Callable[[str], Mapping[str, Any]]]] = {
    "sagemaker.amazonaws.com": (
        ("sagemaker", "create_processing_job"),
        lambda role: {
            "ProcessingJobName": "forbidden",
            "RoleArn": role,
            "AppSpecification": {"ImageUri": "000000000000.dkr.ecr.us-east-1.amazonaws.com/x:1"},
            "ProcessingResources": {
                "ClusterConfig": {
                    "InstanceCount": 1,
                    "InstanceType": "ml.m5.large",
                    "VolumeSizeInGB": 1,
                }
            },
        },
    ),
    "lambda.amazonaws.com": (
        ("lambda", "create_function"),
        lambda role: {
            "FunctionName": "forbidden",
            "Role": role,
            "Code": {"ZipFile": b""},
            "Runtime": "python3.11",
            "Handler": "a.b",
        },
    ),
    "scheduler.amazonaws.com": (
        ("scheduler", "create_schedule"),
        lambda role: {
            "Name": "forbidden",
            "ScheduleExpression": "rate(1 day)",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": "arn:aws:sqs:us-east-1:000000000000:forbidden", "RoleArn": role},
        },
    ),
    "events.amazonaws.com": (
        ("events", "put_rule"),
        lambda role: {
            "Name": "forbidden",
            "ScheduleExpression": "rate(1 day)",
            "RoleArn": role,
        },
    ),
    "cloudformation.amazonaws.com": (
        ("cloudformation", "create_stack"),
        lambda role: {
            "StackName": "forbidden",
            "RoleARN": role,
            "TemplateBody": '{"Resources": {}}',
        },
    ),
}
