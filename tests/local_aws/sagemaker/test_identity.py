"""Who may have SageMaker act for them, and as whom it acts."""

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.sagemaker import arns, installation
from local_aws.sagemaker.service import snake
from local_aws.sagemaker.wire import Api
from tests.local_aws.sagemaker.conftest import (
    IMAGE,
    allow,
    steps_of,
    unique,
    wait_for,
)

from .identities import ARN, CREATIONS, FEATURES, request_of


@pytest.mark.parametrize("creation", CREATIONS, ids=[each[0] for each in CREATIONS])
def test_tags_of_a_creation_need_the_right_to_tag(
    assume: Callable[..., Any],
    job_role: str,
    creation: tuple[str, str, str, dict[str, Any]],
) -> None:
    operation, kind, member, _ = creation
    request = request_of(creation, job_role)
    request["Tags"] = [{"Key": "team", "Value": "fraud"}]
    may = [allow([f"sagemaker:{operation}"], "*"), allow(["iam:PassRole"], job_role)]
    with pytest.raises(ClientError) as error:
        assume(*may)._make_api_call(operation, request)
    resource = f"{ARN}:{kind}/{request[member]}"
    assert (
        f"not authorized to perform: sagemaker:AddTags on resource: {resource}"
        in error.value.response["Error"]["Message"]
    )
    tagging = allow(["sagemaker:AddTags"], resource)
    tagging["Condition"] = {
        "StringEquals": {"aws:RequestTag/team": "fraud", "sagemaker:TaggingAction": operation},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]},
    }
    assert assume(*may, tagging)._make_api_call(operation, request)


@pytest.mark.parametrize(
    "condition",
    [
        {"StringNotEquals": {"sagemaker:InstanceTypes": "ml.m5.large"}},
        {"Bool": {"sagemaker:NetworkIsolation": "true"}},
        {"Null": {"sagemaker:VpcSubnets": "false"}},
        {"Null": {"sagemaker:VolumeKmsKey": "false"}},
    ],
    ids=["instances", "isolation", "subnets", "volumes"],
)
def test_conditions_on_what_a_job_is_hold(
    assume: Callable[..., Any], job_role: str, condition: dict[str, Any]
) -> None:
    creation = CREATIONS[0]
    request = request_of(creation, job_role)
    limited = allow(["sagemaker:CreateProcessingJob"], "*") | {"Condition": condition}
    with pytest.raises(ClientError, match="not authorized to perform: sagemaker:Create"):
        assume(limited, allow(["iam:PassRole"], "*")).create_processing_job(**request)
    other = {"StringEquals": {"sagemaker:InstanceTypes": "ml.m5.large"}}
    granted = assume(
        allow(["sagemaker:CreateProcessingJob"], "*") | {"Condition": other},
        allow(["iam:PassRole"], "*"),
    )
    assert granted.create_processing_job(**request)


def test_arns_keep_capitals_but_in_one_list(client: Callable[[str], Any], job_role: str) -> None:
    sagemaker, name = client("sagemaker"), unique("Made")
    creation = next(each for each in CREATIONS if each[0] == "CreateHyperParameterTuningJob")
    request = request_of(creation, job_role) | {"HyperParameterTuningJobName": name}
    arn = sagemaker.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
    assert arn == f"{ARN}:hyper-parameter-tuning-job/{name}"
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == []
    listed = sagemaker.list_hyper_parameter_tuning_jobs(NameContains=name)
    (summary,) = listed["HyperParameterTuningJobSummaries"]
    assert summary["HyperParameterTuningJobArn"] == arn.lower()
    with pytest.raises(ClientError, match="Resource does not exist"):
        sagemaker.list_tags(ResourceArn=arn.lower())


def test_tags_of_a_resource_decide(
    client: Callable[[str], Any], assume: Callable[..., Any]
) -> None:
    sagemaker, name = client("sagemaker"), unique("group")
    arn = sagemaker.create_model_package_group(ModelPackageGroupName=name)["ModelPackageGroupArn"]
    tagged = allow(["sagemaker:DescribeModelPackageGroup"], "*")
    tagged["Condition"] = {"StringEquals": {"aws:ResourceTag/team": "fraud"}}
    with pytest.raises(ClientError, match="not authorized"):
        assume(tagged).describe_model_package_group(ModelPackageGroupName=name)
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "fraud"}])
    assert assume(tagged).describe_model_package_group(ModelPackageGroupName=name)


def test_every_group_of_a_batch_must_be_allowed(
    client: Callable[[str], Any],
    assume: Callable[..., Any],
    job_role: str,
) -> None:
    sagemaker, names = client("sagemaker"), [unique("batch"), unique("batch")]
    for name in names:
        sagemaker.create_feature_group(FeatureGroupName=name, RoleArn=job_role, **FEATURES)
        wait_for(
            lambda name=name: sagemaker.describe_feature_group(FeatureGroupName=name),  # type: ignore[misc]
            "FeatureGroupStatus",
            {"Created"},
        )
    actions = ["sagemaker:BatchGetRecord", "sagemaker:BatchWriteRecord"]
    limited = assume(
        allow(actions, f"{ARN}:feature-group/{names[0]}"), service="sagemaker-featurestore-runtime"
    )
    asked = [{"FeatureGroupName": name, "RecordIdentifiersValueAsString": ["1"]} for name in names]
    record = [
        {"FeatureName": "id", "ValueAsString": "1"},
        {"FeatureName": "at", "ValueAsString": "1.5"},
    ]
    entries = [{"FeatureGroupName": name, "Record": record} for name in names]
    assert limited.batch_get_record(Identifiers=asked[:1])["Errors"] == []
    for call in (
        lambda: limited.batch_get_record(Identifiers=asked),
        lambda: limited.batch_get_record(Identifiers=asked, ExpirationTimeResponse="Enabled"),
        lambda: limited.batch_write_record(Entries=entries),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert error.value.response["Error"]["Code"] == "AccessDeniedException"
        assert names[1] in error.value.response["Error"]["Message"]


def test_the_configuration_of_an_endpoint_must_be_allowed_too(assume: Callable[..., Any]) -> None:
    limited = assume(allow(["sagemaker:CreateEndpoint"], f"{ARN}:endpoint/*"))
    with pytest.raises(ClientError, match=r"CreateEndpoint on resource: .*:endpoint-config/other"):
        limited.create_endpoint(EndpointName=unique("e"), EndpointConfigName="other")


def test_packages_are_listed_by_who_may_list_them_and_their_group(
    client: Callable[[str], Any], assume: Callable[..., Any]
) -> None:
    name, listing = unique("listed"), ["sagemaker:ListModelPackages"]
    client("sagemaker").create_model_package_group(ModelPackageGroupName=name)
    packages, group = f"{ARN}:model-package/{name}/*", f"{ARN}:model-package-group/{name}"
    for allowed in (packages, group):
        with pytest.raises(ClientError, match="not authorized to perform: sagemaker:ListModel"):
            assume(allow(listing, allowed)).list_model_packages(ModelPackageGroupName=name)
    both = assume(allow(listing, packages), allow(listing, group))
    assert both.list_model_packages(ModelPackageGroupName=name)["ModelPackageSummaryList"] == []


def test_pipelines_make_describe_and_tag_as_their_role(
    client: Callable[[str], Any],
    pipeline: Callable[..., str],
    processing: Callable[..., dict[str, Any]],
    execute: Callable[..., dict[str, Any]],
    make_role: Callable[..., str],
    job_role: str,
) -> None:
    create, describe, tag = (
        f"sagemaker:{action}"
        for action in ("CreateProcessingJob", "DescribeProcessingJob", "AddTags")
    )
    for allowed, failing, lacking in (
        ([create, describe], create, tag),
        # "Create and Describe permissions for each of the job types in the pipeline".
        ([create, tag], describe, describe),
    ):
        role = make_role(allow(allowed, "*"), allow(["iam:PassRole"], job_role))
        execution = execute(pipeline([processing("Copy", "copy")], RoleArn=role))
        reason = steps_of(client, execution)["Copy"]["FailureReason"]
        assert f"Failed to invoke {failing}" in reason
        assert f"not authorized to perform: {lacking}" in reason
    execution = execute(pipeline([processing("Report", "report", "{}")]))
    arn = steps_of(client, execution)["Report"]["Metadata"]["ProcessingJob"]["Arn"]
    tags = client("sagemaker").list_tags(ResourceArn=arn)["Tags"]
    assert tags == [
        {
            "Key": "sagemaker:pipeline-execution-arn",
            "Value": execution["PipelineExecutionArn"],
        }
    ]


def test_registering_makes_the_group_first(
    client: Callable[[str], Any],
    pipeline: Callable[..., str],
    execute: Callable[..., dict[str, Any]],
    make_role: Callable[..., str],
) -> None:
    group = unique("group")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": "s3://models/m.tar.gz"}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/csv"],
    }
    arguments = {"ModelPackageGroupName": group, "InferenceSpecification": specification}
    step = {"Name": "Register", "Type": "RegisterModel", "Arguments": arguments}
    allowed = ["sagemaker:CreateModelPackage", "sagemaker:AddTags"]

    def reason() -> str:
        role = make_role(allow(allowed, "*"))
        failed = steps_of(client, execute(pipeline([step], RoleArn=role)))["Register"]
        return str(failed["FailureReason"])

    assert "Failed to invoke sagemaker:CreateModelPackageGroup" in reason()
    allowed.append("sagemaker:CreateModelPackageGroup")
    assert "not authorized to perform: s3:GetObject on resource: arn:aws:s3:::models/m" in reason()


def test_policies_name_what_aws_documents() -> None:
    """Each operation is evaluated on the resources of the Service Authorization Reference."""
    data = files("cfnlint") / "data/AdditionalSpecs/Policies.json"
    reference = json.loads(data.read_text())["sagemaker"]["Actions"]
    kinds = {"pipeline-execution": "pipeline"}
    for name, api in _operations():
        shape = api.operation(name).input_shape
        members = shape.members if shape is not None else {}
        request: dict[str, Any] = {
            member: "x" for member, each in members.items() if each.type_name == "string"
        }
        request["ModelPackageArnList"] = [f"{ARN}:model-package/x/1"]
        for member in arns.BATCHES.values():
            request[member] = [{"FeatureGroupName": "x"}]
        listed = (reference.get(name) or reference.get(name.lower()) or {}).get("Resources") or []
        found = [arns.kind_of(arn) for arn in arns.subjects(name, request, "us-east-1", "1" * 12)]
        if name == "UpdateRecord":  # newer than the reference
            continue
        known = {kinds.get(each, each) for each in listed}
        assert bool(found) == bool(known), name
        extra = {"model-package-group"} if name == "ListModelPackages" else set()
        assert set(found) <= known | extra, name


def _operations() -> list[tuple[str, Api]]:
    handlers = [
        getattr(__import__(f"local_aws.sagemaker.{module}", fromlist=[name]), name)
        for module, name in installation.HANDLERS
    ]
    apis = [Api(name) for name in installation.SAGEMAKER_APIS]
    return [
        (operation, api)
        for api in apis
        for operation in sorted(api.operation_names)
        if any(hasattr(handler, snake(operation)) for handler in handlers)
    ]
