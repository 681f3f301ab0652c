"""Quotas of instances: what exists counts, and what would be too many is refused."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from local_aws.server import EmbeddedAws
from tests.local_aws.quotas.conftest import refused
from tests.local_aws.sagemaker.conftest import ENTRIES, printed, wait_for
from tests.local_aws.sagemaker.serving import IMAGE, Serving, make_role, unique

Limited = Callable[[str], Any]
USAGE = "ml.m5.large for endpoint usage"
ROLLING = {
    "RollingUpdatePolicy": {
        "MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1},
        "WaitIntervalInSeconds": 0,
    }
}


def too_many(name: str, most: int, used: int, wanted: int) -> tuple[str, str]:
    return (
        "ResourceLimitExceeded",
        f"The account-level service limit '{name}' is {most} Instances, with current utilization "
        f"of {used} Instances and a request delta of {wanted} Instances. Please use AWS Service "
        "Quotas to request an increase for this quota. If AWS Service Quotas is not available, "
        "contact AWS support to request an increase for this quota.",
    )


@pytest.fixture(scope="module")
def serving(limited: Limited) -> Serving:
    return Serving.make(limited)


@pytest.fixture(scope="module")
def model(serving: Serving) -> str:
    return serving.model()


@pytest.fixture
def endpoint(limited: Limited, serving: Serving, model: str) -> Iterator[str]:
    """An endpoint of two instances, of three that there may be."""
    name = serving.endpoint(serving.config(model, count=2))
    yield name
    serving.settled(name)
    limited("sagemaker").delete_endpoint(EndpointName=name)
    while limited("sagemaker").list_endpoints()["Endpoints"]:
        pass


def test_a_second_endpoint_finds_no_room(
    limited: Limited, serving: Serving, model: str, endpoint: str
) -> None:
    sagemaker, two = limited("sagemaker"), serving.config(model, count=2)
    request = {"EndpointName": unique("endpoint"), "EndpointConfigName": two}
    assert refused(sagemaker.create_endpoint, **request) == too_many(USAGE, 3, 2, 2)
    assert [e["EndpointName"] for e in sagemaker.list_endpoints()["Endpoints"]] == [endpoint]


def test_an_update_has_its_new_fleet_beside_the_old_one(
    limited: Limited, serving: Serving, model: str, endpoint: str
) -> None:
    sagemaker = limited("sagemaker")
    one, two = (serving.config(model, count=count) for count in (1, 2))
    request = {"EndpointName": endpoint, "EndpointConfigName": two}
    assert refused(sagemaker.update_endpoint, **request) == too_many(USAGE, 3, 2, 2)
    assert serving.settled(endpoint)["EndpointStatus"] == "InService"
    # A rolling one takes a batch beside what there is, and that there is room for.
    sagemaker.update_endpoint(**request, DeploymentConfig=ROLLING)
    assert serving.settled(endpoint)["EndpointConfigName"] == two
    sagemaker.update_endpoint(EndpointName=endpoint, EndpointConfigName=one)
    assert serving.settled(endpoint)["EndpointConfigName"] == one
    # Of the old fleet nothing counts any more.
    sagemaker.update_endpoint(**request)
    assert serving.settled(endpoint)["EndpointConfigName"] == two


def test_more_capacity_is_what_is_added(limited: Limited, serving: Serving, endpoint: str) -> None:
    change = limited("sagemaker").update_endpoint_weights_and_capacities

    def to(count: int) -> dict[str, Any]:
        desired = {"VariantName": "AllTraffic", "DesiredInstanceCount": count}
        return {"EndpointName": endpoint, "DesiredWeightsAndCapacities": [desired]}

    assert refused(change, **to(4)) == too_many(USAGE, 3, 2, 2)
    change(**to(3))
    (variant,) = serving.settled(endpoint)["ProductionVariants"]
    assert variant["CurrentInstanceCount"] == 3


def test_auto_scaling_tells_why_it_failed(
    limited: Limited, endpoint: str, eventually: Callable[..., Any]
) -> None:
    scaling = limited("application-autoscaling")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**target, MinCapacity=4, MaxCapacity=5)
    activities = scaling.describe_scaling_activities
    (activity,) = eventually(lambda: activities(ServiceNamespace="sagemaker")["ScalingActivities"])
    activity = eventually(
        lambda: next(
            (
                each
                for each in activities(ServiceNamespace="sagemaker")["ScalingActivities"]
                if "StatusMessage" in each
            ),
            None,
        )
    )
    scaling.deregister_scalable_target(**target)
    assert (activity["StatusCode"], activity["Cause"]) == (
        "Failed",
        "minimum capacity was set to 4",
    )
    words = too_many(USAGE, 3, 2, 2)[1]
    start = f"Failed to set desired instance count to 4. Reason: {words} (Service: AmazonSageMaker;"
    assert activity["StatusMessage"].startswith(start)


def test_a_stack_fails_with_sagemaker_s_reason(
    limited: Limited, serving: Serving, model: str, eventually: Callable[..., Any]
) -> None:
    cloudformation, name = limited("cloudformation"), unique("stack")
    properties = {"EndpointConfigName": serving.config(model, count=4)}
    resource = {"Type": "AWS::SageMaker::Endpoint", "Properties": properties}
    template = json.dumps({"Resources": {"Endpoint": resource}})
    cloudformation.create_stack(StackName=name, TemplateBody=template, OnFailure="DO_NOTHING")

    def failed() -> list[str]:
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        return [
            event["ResourceStatusReason"]
            for event in events
            if (event["LogicalResourceId"], event["ResourceStatus"])
            == ("Endpoint", "CREATE_FAILED")
        ]

    (reason,) = eventually(failed)
    assert too_many(USAGE, 3, 0, 4)[1] in reason
    cloudformation.delete_stack(StackName=name)


def processing(role: str, count: int = 1) -> dict[str, Any]:
    cluster = {"InstanceCount": count, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    return {
        "ProcessingJobName": unique("job"),
        "RoleArn": role,
        "AppSpecification": {"ImageUri": IMAGE, "ContainerEntrypoint": [*ENTRIES, "sleep"]},
        "ProcessingResources": {"ClusterConfig": cluster},
    }


def test_jobs_count_while_they_run(
    raised: EmbeddedAws, limited: Limited, serving: Serving, eventually: Callable[..., Any]
) -> None:
    sagemaker, usage = limited("sagemaker"), "ml.m5.large for processing job usage"
    create = sagemaker.create_processing_job
    assert refused(create, **processing(serving.role, 2)) == too_many(usage, 1, 0, 2)
    for job in (processing(serving.role), processing(serving.role)):
        create(**job)
        named = {"ProcessingJobName": job["ProcessingJobName"]}
        eventually(partial(printed, raised, job["ProcessingJobName"]))
        assert refused(create, **processing(serving.role)) == too_many(usage, 1, 1, 1)
        sagemaker.stop_processing_job(**named)
        wait_for(partial(sagemaker.describe_processing_job, **named), "ProcessingJobStatus")


@pytest.mark.parametrize(
    ("resources", "name"),
    [
        ({"InstanceType": "ml.m5.xlarge", "InstanceCount": 1}, "ml.m5.xlarge for training job"),
        ({"InstanceType": "ml.c5.xlarge", "InstanceCount": 3}, "Number of instances across all"),
        ({"InstanceType": "ml.c5.xlarge", "InstanceCount": 4}, "Maximum number of instances per"),
    ],
)
def test_training_is_refused_by_type_and_size(
    limited: Limited, serving: Serving, resources: dict[str, Any], name: str
) -> None:
    source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{serving.bucket}/model.tar.gz"}
    code, words = refused(
        limited("sagemaker").create_training_job,
        TrainingJobName=unique("job"),
        RoleArn=serving.role,
        AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        InputDataConfig=[{"ChannelName": "train", "DataSource": {"S3DataSource": source}}],
        OutputDataConfig={"S3OutputPath": f"s3://{serving.bucket}/out"},
        ResourceConfig={**resources, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    assert code == "ResourceLimitExceeded"
    assert f"The account-level service limit '{name}" in words


def test_a_pipeline_s_step_fails_with_sagemaker_s_reason(
    limited: Limited, serving: Serving
) -> None:
    sagemaker = limited("sagemaker")
    request = processing(serving.role, 2)
    del request["ProcessingJobName"]
    definition = {
        "Version": "2020-12-01",
        "Steps": [{"Name": "Process", "Type": "Processing", "Arguments": request}],
    }
    role = make_role(
        limited,
        {"Action": "sagemaker:*", "Resource": "*"},
        {"Action": "iam:PassRole", "Resource": serving.role},
    )
    name = unique("pipeline")
    sagemaker.create_pipeline(
        PipelineName=name,
        PipelineDefinition=json.dumps(definition),
        RoleArn=role,
        ClientRequestToken="a" * 32,
    )
    arn = sagemaker.start_pipeline_execution(PipelineName=name)["PipelineExecutionArn"]
    execution = {"PipelineExecutionArn": arn}
    ended = wait_for(
        partial(sagemaker.describe_pipeline_execution, **execution), "PipelineExecutionStatus"
    )
    (step,) = sagemaker.list_pipeline_execution_steps(**execution)["PipelineExecutionSteps"]
    assert ended["PipelineExecutionStatus"] == "Failed"
    assert too_many("ml.m5.large for processing job usage", 1, 0, 2)[1] in step["FailureReason"]
