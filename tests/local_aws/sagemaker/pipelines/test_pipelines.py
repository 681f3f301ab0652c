"""Pipelines through boto3: a small real one with every kind of step that needs no endpoint."""

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import EmbeddedAws
from tests.local_aws.conftest import allow_sending
from tests.local_aws.sagemaker.conftest import (
    CLUSTER,
    ENTRIES,
    IMAGE,
    allow,
    definition,
    end,
    json_get,
    printed,
    report_file,
    steps_of,
    unique,
)

OVER = {"ErrorMessage": "over"}


@pytest.fixture
def gated(
    client: Callable[[str], Any], pipeline: Any, processing: Any, bucket: str, job_role: str
) -> str:
    """Measure, train on what was measured, then register if the measure is high enough."""
    group = unique("group")
    measured = {"Get": "Steps.Measure.ProcessingOutputConfig.Outputs['report'].S3Output.S3Uri"}
    # JSON, since the training entry point reads .csv files: the channel is what matters here.
    train = {
        "AlgorithmSpecification": {
            "TrainingImage": IMAGE,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": [*ENTRIES, "train"],
        },
        "RoleArn": job_role,
        "HyperParameters": {
            "floor": {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Floor"}]}}
        },
        "InputDataConfig": [
            {
                "ChannelName": "train",
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": measured}},
            }
        ],
        "OutputDataConfig": {"S3OutputPath": f"s3://{bucket}/models"},
        "ResourceConfig": CLUSTER,
        "StoppingCondition": {"MaxRuntimeInSeconds": 60},
    }
    register = {
        "ModelPackageGroupName": group,
        "ModelApprovalStatus": "Approved",
        "CustomerMetadataProperties": {"measured": json_get("Measure", "reason")},
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": IMAGE,
                    "ModelDataUrl": {"Get": "Steps.Train.ModelArtifacts.S3ModelArtifacts"},
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
        },
    }
    gate = {
        "Conditions": [
            {
                "Type": "GreaterThanOrEqualTo",
                "LeftValue": json_get("Measure", "metrics.value"),
                "RightValue": {"Get": "Parameters.Floor"},
            }
        ],
        "IfSteps": [{"Name": "Register", "Type": "RegisterModel", "Arguments": register}],
        "ElseSteps": [
            {
                "Name": "Refuse",
                "Type": "Fail",
                "Arguments": {
                    "ErrorMessage": {
                        "Std:Join": {
                            "On": ": ",
                            "Values": ["too low", json_get("Measure", "reason")],
                        }
                    }
                },
            }
        ],
    }
    value = {"Std:Join": {"On": "", "Values": [{"Get": "Parameters.Value"}]}}
    steps = [
        {"Name": "Gate", "Type": "Condition", "Arguments": gate, "DependsOn": ["Train"]},
        {"Name": "Train", "Type": "Training", "Arguments": train, **CACHED},
        processing("Measure", "measure", value, PropertyFiles=[report_file()], **CACHED),
    ]
    parameters = [
        {"Name": "Value", "Type": "Float"},
        {"Name": "Floor", "Type": "Float", "DefaultValue": 0.5},
    ]
    name: str = pipeline(steps, parameters)
    return name


CACHED = {"CacheConfig": {"Enabled": True, "ExpireAfter": "P30D"}}


def test_a_good_model_is_registered(
    client: Callable[[str], Any], gated: str, execute: Any, bucket: str
) -> None:
    execution = execute(gated, Value="0.75")
    assert execution["PipelineExecutionStatus"] == "Succeeded", execution
    steps = steps_of(client, execution)
    assert list(steps) == ["Measure", "Train", "Gate", "Register"]
    assert {step["StepStatus"] for step in steps.values()} == {"Succeeded"}
    assert steps["Gate"]["Metadata"]["Condition"]["Outcome"] == "True"
    job = steps["Measure"]["Metadata"]["ProcessingJob"]["Arn"].rpartition("/")[2]
    described = client("sagemaker").describe_processing_job(ProcessingJobName=job)
    assert described["AppSpecification"]["ContainerArguments"] == ["measure", "0.75"]

    arn = steps["Register"]["Metadata"]["RegisterModel"]["Arn"]
    package = client("sagemaker").describe_model_package(ModelPackageName=arn)
    assert package["ModelApprovalStatus"] == "Approved"
    assert package["CustomerMetadataProperties"] == {"measured": "value is 0.75"}
    generated = package["MetadataProperties"]["GeneratedBy"]
    assert generated == execution["PipelineExecutionArn"]
    model = package["InferenceSpecification"]["Containers"][0]["ModelDataUrl"]
    assert model.startswith(f"s3://{bucket}/models/pipelines-")


def test_a_bad_model_is_refused_with_the_reason(
    client: Callable[[str], Any], gated: str, execute: Any
) -> None:
    execution = execute(gated, Value="0.25")
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert "Refuse: too low: value is 0.25" in execution["FailureReason"]
    steps = steps_of(client, execution)
    assert "Register" not in steps
    assert steps["Refuse"]["FailureReason"] == "too low: value is 0.25"


def test_results_are_used_again_while_arguments_stay(
    client: Callable[[str], Any], gated: str, execute: Any
) -> None:
    first = execute(gated, Value="0.75")
    second = steps_of(client, execute(gated, Value="0.75"))
    for name in ("Measure", "Train"):
        source = second[name]["CacheHitResult"]["SourcePipelineExecutionArn"]
        assert source == first["PipelineExecutionArn"]
        assert second[name]["Metadata"] == steps_of(client, first)[name]["Metadata"]
    assert "CacheHitResult" not in second["Register"]

    third = steps_of(client, execute(gated, Value="0.8"))
    assert "CacheHitResult" not in third["Measure"]
    assert "CacheHitResult" not in third["Train"]  # its input is another one now


def test_a_failing_step_stops_the_execution(
    client: Callable[[str], Any], pipeline: Any, processing: Any, execute: Any
) -> None:
    name = pipeline(
        [processing("Check", "refuse"), processing("Next", "measure", "1", DependsOn=["Check"])]
    )
    execution = execute(name)
    reason = "AlgorithmError: transactions/a.parquet row 3: amount must be positive, exit code: 1"
    assert execution["PipelineExecutionStatus"] == "Failed"
    assert execution["FailureReason"].endswith(f"Check: {reason}")
    steps = steps_of(client, execution)
    assert list(steps) == ["Check"]
    assert steps["Check"]["FailureReason"] == reason


def test_independent_steps_run_at_the_same_time(
    client: Callable[[str], Any], pipeline: Any, processing: Any, execute: Any
) -> None:
    steps = steps_of(
        client, execute(pipeline([processing(name, "measure", "1") for name in ("A", "B")]))
    )
    assert steps["B"]["StartTime"] < steps["A"]["EndTime"]


def test_an_execution_can_be_stopped_and_retried(
    client: Callable[[str], Any], pipeline: Any, processing: Any, embedded_aws: EmbeddedAws
) -> None:
    sagemaker = client("sagemaker")
    name = pipeline(
        [processing("First", "measure", "1"), processing("Slow", "sleep", DependsOn=["First"])]
    )
    arn = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]

    def said() -> bool:
        """Whether the step's container, which heeds SIGTERM by then, has said something."""
        step = steps_of(client, {"PipelineExecutionArn": arn}).get("Slow", {})
        job = step.get("Metadata", {}).get("ProcessingJob", {}).get("Arn", "/none")
        running = step.get("StepStatus") == "Executing"
        return running and printed(embedded_aws, job.rpartition("/")[2])

    def stop_when_slow() -> dict[str, Any]:
        deadline = time.monotonic() + 60
        while not said():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)
        return end(sagemaker, arn)

    execution = stop_when_slow()
    assert execution["PipelineExecutionStatus"] == "Stopped"
    before = steps_of(client, execution)
    assert before["Slow"]["StepStatus"] == "Stopped"

    sagemaker.retry_pipeline_execution(PipelineExecutionArn=arn)
    after = steps_of(client, stop_when_slow())
    assert after["First"]["Metadata"] == before["First"]["Metadata"]
    with pytest.raises(ClientError, match="must be executing, it is Stopped"):
        sagemaker.stop_pipeline_execution(PipelineExecutionArn=arn)


def test_a_pipeline_may_do_only_what_its_role_may(
    client: Callable[[str], Any], pipeline: Any, processing: Any, execute: Any, make_role: Any
) -> None:
    role = make_role(allow(["sagemaker:*"], "*"))  # but not iam:PassRole
    name = pipeline([processing("Measure", "measure", "1")], RoleArn=role)
    reason = execute(name)["FailureReason"]
    assert "Failed to invoke sagemaker:CreateProcessingJob" in reason
    assert "is not authorized to perform: iam:PassRole" in reason


def test_one_token_starts_one_execution(
    client: Callable[[str], Any], pipeline: Any, processing: Any
) -> None:
    sagemaker = client("sagemaker")
    name = pipeline(
        [processing("Measure", "measure", {"Get": "Parameters.Value"})],
        [{"Name": "Value", "Type": "String", "DefaultValue": "1"}],
    )
    token = uuid.uuid4().hex
    start = {"PipelineName": name, "ClientRequestToken": token}
    first = sagemaker.start_pipeline_execution(**start)["PipelineExecutionArn"]
    assert sagemaker.start_pipeline_execution(**start)["PipelineExecutionArn"] == first
    with pytest.raises(ClientError, match="must not be used again with other parameters"):
        other = [{"Name": "Value", "Value": "2"}]
        sagemaker.start_pipeline_execution(**start, PipelineParameters=other)
    end(sagemaker, first)
    found = sagemaker.list_pipeline_executions(PipelineName=name)["PipelineExecutionSummaries"]
    assert [item["PipelineExecutionArn"] for item in found] == [first]


def test_parameters_are_typed_and_checked(
    client: Callable[[str], Any], pipeline: Any, processing: Any
) -> None:
    sagemaker = client("sagemaker")
    name = pipeline(
        [processing("Measure", "measure", "1")],
        [
            {"Name": "Days", "Type": "Integer", "DefaultValue": 7},
            {"Name": "Version", "Type": "String"},
            {"Name": "Kind", "Type": "String", "DefaultValue": "a", "EnumValues": ["a", "b"]},
        ],
    )

    def start(**parameters: str) -> str:
        answer = sagemaker.start_pipeline_execution(
            PipelineName=name,
            PipelineParameters=[{"Name": k, "Value": v} for k, v in parameters.items()],
        )
        return str(answer["PipelineExecutionArn"])

    for parameters, message in (
        ({}, "parameter 'Version' must be given; it has no default value"),
        ({"Version": "1", "Days": "x"}, "parameter 'Days' must be of type Integer, got 'x'"),
        ({"Version": "1", "Kind": "c"}, "parameter 'Kind' must be one of a, b, got 'c'"),
        ({"Version": "1", "Other": "c"}, "parameter 'Other' is not one of the pipeline's"),
    ):
        with pytest.raises(ClientError, match=message):
            start(**parameters)
    arn = start(Version="v1")
    end(sagemaker, arn)
    answer = sagemaker.list_pipeline_parameters_for_execution(PipelineExecutionArn=arn)
    assert {item["Name"]: item["Value"] for item in answer["PipelineParameters"]} == {
        "Days": "7",
        "Version": "v1",
        "Kind": "a",
    }


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (
            [{"Name": "Notify", "Type": "Lambda", "Arguments": {}}],
            "does not support the type Lambda of step 'Notify'",
        ),
        (
            [{"Name": "A", "Type": "Fail", "Arguments": OVER, "DependsOn": ["B"]}],
            "step 'A' refers to step 'B', which does not exist",
        ),
        (
            [
                {
                    "Name": "A",
                    "Type": "Fail",
                    "Arguments": {"ErrorMessage": "x"},
                    "DependsOn": ["B"],
                },
                {
                    "Name": "B",
                    "Type": "Fail",
                    "Arguments": {"ErrorMessage": "x"},
                    "DependsOn": ["A"],
                },
            ],
            "steps must not wait for each other",
        ),
        (
            [{"Name": "A", "Type": "Fail", "Arguments": {"ErrorMessage": {"Get": "Parameters.X"}}}],
            "step 'A' refers to 'Parameters.X', which does not exist",
        ),
        ([], "must have at least one step"),
    ],
)
def test_what_cannot_be_executed_is_refused_at_creation(
    pipeline: Any, steps: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        pipeline(steps)


def test_a_pipeline_is_updated_described_listed_and_deleted(
    client: Callable[[str], Any], pipeline: Any, processing: Any, pipeline_role: str
) -> None:
    sagemaker = client("sagemaker")
    name = pipeline([processing("Measure", "measure", "1")])
    with pytest.raises(ClientError, match=f"Pipeline with name \\({name}\\) already exists"):
        sagemaker.create_pipeline(
            PipelineName=name,
            PipelineDefinition=definition([processing("Measure", "measure", "1")]),
            RoleArn=pipeline_role,
            ClientRequestToken=uuid.uuid4().hex,
        )
    changed = definition([processing("Measure", "measure", "2")])
    sagemaker.update_pipeline(PipelineName=name, PipelineDefinition=changed)
    described = sagemaker.describe_pipeline(PipelineName=name)
    assert described["PipelineDefinition"] == changed
    assert described["LastModifiedTime"] > described["CreationTime"]
    listed = sagemaker.list_pipelines(PipelineNamePrefix=name)["PipelineSummaries"]
    assert [item["PipelineArn"] for item in listed] == [described["PipelineArn"]]
    arn = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    end(sagemaker, arn)
    executed = sagemaker.describe_pipeline_definition_for_execution(PipelineExecutionArn=arn)
    assert executed["PipelineDefinition"] == changed
    sagemaker.delete_pipeline(PipelineName=name)
    for describe, request in (
        (sagemaker.describe_pipeline, {"PipelineName": name}),
        (sagemaker.describe_pipeline_execution, {"PipelineExecutionArn": arn}),
    ):
        with pytest.raises(sagemaker.exceptions.ResourceNotFound):
            describe(**request)


def test_changes_of_status_are_events(
    client: Callable[[str], Any], pipeline: Any, processing: Any, execute: Any
) -> None:
    rules, queues, rule = client("events"), client("sqs"), unique("rule")
    url = queues.create_queue(QueueName=rule)["QueueUrl"]
    allow_sending(queues, url, "events.amazonaws.com")
    attributes = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    name = pipeline([processing("Measure", "measure", "1")])
    arn = client("sagemaker").describe_pipeline(PipelineName=name)["PipelineArn"]
    pattern = {"source": ["aws.sagemaker"], "detail": {"pipelineArn": [arn]}}
    rules.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    target = {"Id": "queue", "Arn": attributes["Attributes"]["QueueArn"]}
    rules.put_targets(Rule=rule, Targets=[target])
    execute(name)

    seen: set[tuple[str, str]] = set()
    wanted = {
        ("SageMaker Model Building Pipeline Execution Status Change", "Executing"),
        ("SageMaker Model Building Pipeline Execution Status Change", "Succeeded"),
        ("SageMaker Model Building Pipeline Execution Step Status Change", "Executing"),
        ("SageMaker Model Building Pipeline Execution Step Status Change", "Succeeded"),
    }
    deadline = time.monotonic() + 20
    while not wanted <= seen and time.monotonic() < deadline:
        answer = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        for message in answer.get("Messages", []):
            queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            event = json.loads(message["Body"])
            detail = event["detail"]
            status = detail.get("currentStepStatus") or detail["currentPipelineExecutionStatus"]
            seen.add((event["detail-type"], status))
    rules.remove_targets(Rule=rule, Ids=["queue"])
    rules.delete_rule(Name=rule)
    assert wanted <= seen
