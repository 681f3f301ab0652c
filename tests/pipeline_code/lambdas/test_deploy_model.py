"""An approved package reaches the endpoint through the stack, in an order that can be repeated."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError
from deploy_model import handler

from .conftest import Aws, Invocation

ARN = "arn:aws:sagemaker:us-east-1:000000000000:model-package/fraud/3"
EVENT = {
    "id": "0f3c9c4e-1111-2222-3333-444455556666",
    "source": "aws.sagemaker",
    "detail": {"ModelPackageArn": ARN, "ModelApprovalStatus": "Approved"},
}
CREATED = "2018-04-01T00:00:00Z"


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setenv("PARAMETER_NAME", "/fraudloop/dev/approved-model-package")
    monkeypatch.setenv("STACK_NAME", "fraudloop-dev-serving")
    monkeypatch.setenv("ARTIFACTS_BUCKET", "artifacts")
    pauses: list[float] = []
    monkeypatch.setattr(handler.time, "sleep", pauses.append)
    return pauses


def package(status: str = "Approved", **fields: Any) -> dict[str, Any]:
    return {
        "ModelPackageName": "fraud",
        "ModelPackageGroupName": "fraud",
        "ModelPackageArn": ARN,
        "CreationTime": 1_522_540_800,
        "ModelPackageStatus": "Completed",
        "ModelPackageStatusDetails": {"ValidationStatuses": []},
        "ModelApprovalStatus": status,
        **fields,
    }


BASELINES = {
    "ModelDataQuality": {
        kind: {"ContentType": "application/json", "S3Uri": f"s3://runs/7/baseline/{name}.json"}
        for kind, name in (("Statistics", "statistics"), ("Constraints", "constraints"))
    }
}


def stack(status: str) -> dict[str, Any]:
    parameters = [
        {"ParameterKey": "ApprovedModelPackage", "ParameterValue": "none"},
        {"ParameterKey": "BootstrapVersion", "ParameterValue": "/cdk-bootstrap/version"},
    ]
    described = {"StackName": "fraudloop-dev-serving", "StackStatus": status}
    return {"Stacks": [{**described, "CreationTime": CREATED, "Parameters": parameters}]}


def parameter(aws: Aws, value: str) -> None:
    aws.answers("ssm", "get_parameters", {"Parameters": [{"Value": value}]})


def ready(aws: Aws, *statuses: str) -> None:
    """Everything up to the update goes well; the stack is in these states, one after another."""
    described = package(DriftCheckBaselines=BASELINES)
    aws.answers("sagemaker", "describe_model_package", described)
    parameter(aws, "none")
    aws.answers("s3", "copy_object", {})
    aws.answers("s3", "copy_object", {})
    aws.answers("ssm", "put_parameter", {})
    for status in statuses:
        aws.answers("cloudformation", "describe_stacks", stack(status))


def test_baselines_then_parameter_then_update(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {"StackId": "id"})
    assert handler.handler(EVENT, invocation) == {"deployed": True, "reason": "update started"}
    assert aws.names() == [
        "DescribeModelPackage",
        "GetParameters",
        "CopyObject",
        "CopyObject",
        "PutParameter",
        "DescribeStacks",
        "UpdateStack",
    ]
    put = aws.request("PutParameter")
    assert (put["Value"], put["Overwrite"]) == (ARN, True)


def test_the_baselines_go_where_the_monitors_read(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {})
    handler.handler(EVENT, invocation)
    copies = [params for name, params in aws.calls if name == "CopyObject"]
    assert [(copy["Bucket"], copy["Key"]) for copy in copies] == [
        ("artifacts", "monitoring/baseline/statistics.json"),
        ("artifacts", "monitoring/baseline/constraints.json"),
    ]
    assert ["runs/7/baseline/" in str(copy["CopySource"]) for copy in copies] == [True, True]


def test_the_update_changes_nothing_but_what_the_parameter_says(
    aws: Aws, invocation: Invocation
) -> None:
    ready(aws, "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {})
    handler.handler(EVENT, invocation)
    update = aws.request("UpdateStack")
    assert update["StackName"] == "fraudloop-dev-serving"
    assert update["UsePreviousTemplate"] is True
    assert update["Parameters"] == [
        {"ParameterKey": "ApprovedModelPackage", "UsePreviousValue": True},
        {"ParameterKey": "BootstrapVersion", "UsePreviousValue": True},
    ]
    assert update["ClientRequestToken"] == EVENT["id"]


def test_the_stack_policy_protects_the_endpoint(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {})
    handler.handler(EVENT, invocation)
    allow, deny = json.loads(aws.request("UpdateStack")["StackPolicyBody"])["Statement"]
    assert (allow["Effect"], allow["Action"]) == ("Allow", "Update:*")
    assert (deny["Effect"], deny["Action"]) == ("Deny", ["Update:Replace", "Update:Delete"])
    assert deny["Condition"]["StringEquals"]["ResourceType"] == ["AWS::SageMaker::Endpoint"]


def test_a_package_without_baselines_is_deployed_too(aws: Aws, invocation: Invocation) -> None:
    aws.answers("sagemaker", "describe_model_package", package())
    parameter(aws, "none")
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True


def updatable(aws: Aws) -> None:
    aws.answers("ssm", "put_parameter", {})
    aws.answers("cloudformation", "describe_stacks", stack("CREATE_COMPLETE"))
    aws.answers("cloudformation", "update_stack", {})


OTHER = ARN.replace("/3", "/4")


def changed(minute: int, arn: str = ARN, status: str = "Approved") -> dict[str, Any]:
    moment = datetime(2018, 4, 1, 12, minute, tzinfo=UTC)
    described = package(status, LastModifiedTime=moment, ModelPackageVersion=int(arn[-1]))
    return {**described, "ModelPackageArn": arn}


def listed(aws: Aws, *arns: str) -> None:
    """The group's packages that are approved."""
    summaries = [
        {
            "ModelPackageArn": arn,
            "ModelPackageVersion": int(arn[-1]),
            "CreationTime": CREATED,
            "ModelPackageStatus": "Completed",
        }
        for arn in arns
    ]
    aws.answers("sagemaker", "list_model_packages", {"ModelPackageSummaryList": summaries})


def test_an_older_approval_does_not_replace_a_newer_one(aws: Aws, invocation: Invocation) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(1))
    parameter(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(2, OTHER))
    result = handler.handler(EVENT, invocation)
    assert result == {"deployed": False, "reason": f"{OTHER} was approved later"}
    assert "PutParameter" not in aws.names()


def test_an_older_version_that_is_approved_again_is_a_roll_back(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(3))
    parameter(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(2, OTHER))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert aws.request("PutParameter")["Value"] == ARN


def test_a_later_change_that_is_no_approval_does_not_bring_back_an_older_model(
    aws: Aws, invocation: Invocation
) -> None:
    recorded = {"decision_001": "2018-04-01T12:01:00.000Z Approved by arn: fine"}
    card_was_read = {**changed(9), "CustomerMetadataProperties": recorded}
    aws.answers("sagemaker", "describe_model_package", card_was_read)
    parameter(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(2, OTHER))
    result = handler.handler(EVENT, invocation)
    assert result == {"deployed": False, "reason": f"{OTHER} was approved later"}


def test_an_approval_that_was_not_recorded_counts_from_the_last_change(
    aws: Aws, invocation: Invocation
) -> None:
    recorded = {"decision_001": "2018-04-01T12:01:00.000Z Rejected by arn: no"}
    in_the_console = {**changed(9), "CustomerMetadataProperties": recorded}
    aws.answers("sagemaker", "describe_model_package", in_the_console)
    parameter(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(2, OTHER))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True


def test_a_deployed_package_that_was_deleted_is_replaced(aws: Aws, invocation: Invocation) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(3))
    parameter(aws, OTHER)
    aws.refuses("sagemaker", "describe_model_package", "ValidationException", "does not exist")
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True


def test_a_package_that_waits_again_is_left_alone(aws: Aws, invocation: Invocation) -> None:
    aws.answers("sagemaker", "describe_model_package", package("PendingManualApproval"))
    parameter(aws, "none")
    result = handler.handler(EVENT, invocation)
    assert result == {"deployed": False, "reason": "package is PendingManualApproval by now"}


def test_a_rejection_of_what_is_not_deployed_changes_nothing(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", package("Rejected"))
    parameter(aws, OTHER)
    aws.answers("cloudformation", "describe_stacks", stack("UPDATE_COMPLETE"))
    result = handler.handler(EVENT, invocation)
    assert result == {"deployed": False, "reason": "package is Rejected by now"}
    assert "PutParameter" not in aws.names()


THIRD = ARN.replace("/3", "/1")


def test_a_rejection_of_the_deployed_brings_back_what_was_approved_last(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(9, status="Rejected"))
    parameter(aws, ARN)
    listed(aws, OTHER, THIRD, ARN)  # the list lags
    aws.answers("sagemaker", "describe_model_package", changed(5, OTHER))
    aws.answers("sagemaker", "describe_model_package", changed(6, THIRD))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert aws.request("PutParameter")["Value"] == THIRD


def test_of_two_approved_at_once_the_later_version_is_brought_back(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(9, status="Rejected"))
    parameter(aws, ARN)
    listed(aws, OTHER, THIRD)
    aws.answers("sagemaker", "describe_model_package", changed(5, OTHER))
    aws.answers("sagemaker", "describe_model_package", changed(5, THIRD))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert aws.request("PutParameter")["Value"] == OTHER


def test_a_second_attempt_still_brings_back_what_the_first_could_not(
    aws: Aws, invocation: Invocation
) -> None:
    # The first one wrote the parameter and then found the stack busy, with the rejected package.
    aws.answers("sagemaker", "describe_model_package", changed(9, status="Rejected"))
    parameter(aws, OTHER)
    resolved = {"ParameterKey": "Model", "ParameterValue": "/approved", "ResolvedValue": ARN}
    described = stack("UPDATE_COMPLETE")["Stacks"][0]
    answer = {"Stacks": [{**described, "Parameters": [resolved]}]}
    aws.answers("cloudformation", "describe_stacks", answer)
    listed(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(5, OTHER))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert aws.request("PutParameter")["Value"] == OTHER


def test_without_another_approved_package_the_endpoint_stays_as_it_is(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(9, status="Rejected"))
    parameter(aws, ARN)
    listed(aws)
    expected = f"fraud must hold another approved package, got none.*serving the rejected {ARN}"
    with pytest.raises(handler.NoApprovedPackageError, match=expected):
        handler.handler(EVENT, invocation)
    assert "PutParameter" not in aws.names()


def test_a_late_approval_does_not_pass_over_a_newer_one_when_the_deployed_is_rejected(
    aws: Aws, invocation: Invocation
) -> None:
    aws.answers("sagemaker", "describe_model_package", changed(1))
    parameter(aws, OTHER)
    aws.answers("sagemaker", "describe_model_package", changed(9, OTHER, "Rejected"))
    listed(aws, THIRD, ARN)
    aws.answers("sagemaker", "describe_model_package", changed(2, THIRD))
    updatable(aws)
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert aws.request("PutParameter")["Value"] == THIRD


def test_no_updates_is_success(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "UPDATE_COMPLETE")
    message = "No updates are to be performed."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    result = handler.handler(EVENT, invocation)
    assert result == {"deployed": False, "reason": "stack is up to date"}


def test_an_update_in_progress_is_waited_for(
    aws: Aws, invocation: Invocation, settings: list[float]
) -> None:
    ready(aws, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE")
    aws.answers("cloudformation", "update_stack", {})
    assert handler.handler(EVENT, invocation)["deployed"] is True
    assert settings == [handler.POLL_SECONDS] * 2


def test_an_update_that_outlasts_the_invocation_raises_for_lambda_to_try_again(aws: Aws) -> None:
    ready(aws, "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS")
    with pytest.raises(handler.StackBusyError, match="serving is UPDATE_IN_PROGRESS; trying again"):
        handler.handler(EVENT, Invocation(remaining=[30_000, 10_000]))


def test_an_update_that_began_in_between_raises_too(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "UPDATE_COMPLETE")
    message = "Stack is in UPDATE_IN_PROGRESS state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    with pytest.raises(handler.StackBusyError, match="is being updated"):
        handler.handler(EVENT, invocation)


def test_another_refusal_is_not_swallowed(aws: Aws, invocation: Invocation) -> None:
    ready(aws, "ROLLBACK_COMPLETE")
    message = "Stack is in ROLLBACK_COMPLETE state and can not be updated."
    aws.refuses("cloudformation", "update_stack", "ValidationError", message)
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE"):
        handler.handler(EVENT, invocation)


def test_a_missing_setting_is_named(
    invocation: Invocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STACK_NAME")
    with pytest.raises(KeyError, match="STACK_NAME"):
        handler.handler(EVENT, invocation)
