"""Stacks of SageMaker resources, deployed by a real CloudFormation client."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, Serving, production_variant, unique

Client = Callable[[str], Any]
FAST = {"Delay": 1, "MaxAttempts": 120}
LINGERING = {
    "BlueGreenUpdatePolicy": {
        "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 8}
    }
}


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


@pytest.fixture
def stack(client: Client) -> Iterator[str]:
    name = unique("stack")
    yield name
    cloudformation = client("cloudformation")
    cloudformation.delete_stack(StackName=name)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=FAST)


def deploy(
    client: Client,
    verb: str,
    stack: str,
    template: Any,
    options: Mapping[str, Any] | None = None,
    **parameters: str,
) -> None:
    cloudformation = client("cloudformation")
    operation = cloudformation.create_stack if verb == "create" else cloudformation.update_stack
    operation(
        StackName=stack,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        **(options or {}),
    )
    waiter = cloudformation.get_waiter(f"stack_{verb}_complete")
    waiter.wait(StackName=stack, WaiterConfig=FAST)


def outputs(client: Client, stack: str) -> dict[str, str]:
    (described,) = client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    return {item["OutputKey"]: item["OutputValue"] for item in described["Outputs"]}


def reasons(client: Client, stack: str) -> str:
    events = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)


def endpoint_template(serving: Serving, name: str) -> dict[str, Any]:
    """What our serving stack holds, in small."""
    return {
        "Parameters": {
            "Version": {"Type": "String"},
            "Count": {"Type": "Number", "Default": "1"},
            "Sampling": {"Type": "Number", "Default": "100"},
        },
        "Resources": {
            "Model": {
                "Type": "AWS::SageMaker::Model",
                "Properties": {
                    "ExecutionRoleArn": serving.role,
                    "PrimaryContainer": {
                        "Image": IMAGE,
                        "ModelDataUrl": f"s3://{serving.bucket}/model.tar.gz",
                        "Environment": {
                            "PYTHONPATH": str(STAND_IN),
                            "STAND_IN_NAME": {"Ref": "Version"},
                        },
                    },
                },
            },
            "Config": {
                "Type": "AWS::SageMaker::EndpointConfig",
                "Properties": {
                    "ProductionVariants": [
                        {
                            "VariantName": "primary",
                            "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                            "InstanceType": "ml.m5.large",
                            "InitialInstanceCount": {"Ref": "Count"},
                            "InitialVariantWeight": 1,
                        }
                    ],
                    "DataCaptureConfig": {
                        "EnableCapture": True,
                        "InitialSamplingPercentage": {"Ref": "Sampling"},
                        "DestinationS3Uri": f"s3://{serving.bucket}/captures",
                        "CaptureOptions": [{"CaptureMode": "Input"}],
                    },
                },
            },
            "Endpoint": {
                "Type": "AWS::SageMaker::Endpoint",
                "Properties": {
                    "EndpointName": name,
                    "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
                    "RetainAllVariantProperties": True,
                },
            },
            "Target": {
                "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
                "Properties": {
                    "ServiceNamespace": "sagemaker",
                    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                    "ResourceId": {"Fn::Sub": "endpoint/${Endpoint.EndpointName}/variant/primary"},
                    "MinCapacity": {"Ref": "Count"},
                    "MaxCapacity": 4,
                    "ScheduledActions": [
                        {
                            "ScheduledActionName": "day",
                            "Schedule": "cron(0 8 * * ? *)",
                            "EndTime": "2099-01-01T00:00:00Z",
                            "ScalableTargetAction": {"MinCapacity": "2"},
                        }
                    ],
                },
            },
            "Policy": {
                "Type": "AWS::ApplicationAutoScaling::ScalingPolicy",
                "Properties": {
                    "PolicyName": "invocations",
                    "PolicyType": "TargetTrackingScaling",
                    "ScalingTargetId": {"Ref": "Target"},
                    "TargetTrackingScalingPolicyConfiguration": {
                        "TargetValue": 100,
                        "PredefinedMetricSpecification": {
                            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                        },
                    },
                },
            },
        },
        "Outputs": {
            "Model": {"Value": {"Ref": "Model"}},
            "Config": {"Value": {"Ref": "Config"}},
            "Endpoint": {"Value": {"Ref": "Endpoint"}},
        },
    }


def scheduled(client: Client) -> list[dict[str, Any]]:
    scaling = client("application-autoscaling")
    found: list[dict[str, Any]] = scaling.describe_scheduled_actions(ServiceNamespace="sagemaker")[
        "ScheduledActions"
    ]
    return found


def test_an_endpoint_changes_its_model_and_keeps_it_if_the_new_one_is_broken(
    client: Client, serving: Serving, stack: str
) -> None:
    name = unique("endpoint")
    template = endpoint_template(serving, name)
    deploy(client, "create", stack, template, Version="one")
    assert serving.ask(name)["name"] == "one"
    first = outputs(client, stack)
    assert first["Endpoint"].endswith(f":endpoint/{name}")
    scaling = client("application-autoscaling")
    (target,) = scaling.describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=[f"endpoint/{name}/variant/primary"]
    )["ScalableTargets"]
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    (action,) = scheduled(client)
    assert action["ScalableTargetAction"] == {"MinCapacity": 2}
    assert action["EndTime"].year == 2099

    del template["Resources"]["Target"]["Properties"]["ScheduledActions"]
    deploy(client, "update", stack, template, Version="two")
    assert scheduled(client) == []
    assert serving.ask(name)["name"] == "two"
    second = outputs(client, stack)
    assert second["Endpoint"] == first["Endpoint"]
    assert second["Model"] != first["Model"]
    sagemaker = client("sagemaker")
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.describe_model(ModelName=first["Model"].rpartition("/")[2])

    with pytest.raises(WaiterError):
        deploy(client, "update", stack, template, Version="crash")
    assert "no such model" in reasons(client, stack)
    assert outputs(client, stack) == second
    assert serving.ask(name)["name"] == "two"
    described = sagemaker.describe_endpoint(EndpointName=name)
    assert described["EndpointConfigName"] == second["Config"].rpartition("/")[2]

    # Somebody else's update is under way: CloudFormation does not wait for its end.
    variant = production_variant(serving.model("other"), VariantName="primary")
    other = unique("config")
    sagemaker.create_endpoint_config(EndpointConfigName=other, ProductionVariants=[variant])
    sagemaker.update_endpoint(
        EndpointName=name, EndpointConfigName=other, DeploymentConfig=LINGERING
    )
    with pytest.raises(ClientError, match="Cannot update in-progress endpoint"):
        sagemaker.delete_endpoint(EndpointName=name)
    with pytest.raises(WaiterError):
        deploy(client, "update", stack, template, Version="three")
    assert "Cannot update in-progress endpoint" in reasons(client, stack)
    serving.settled(name)


def test_an_endpoint_that_does_not_start_fails_the_stack(
    client: Client, serving: Serving, stack: str
) -> None:
    name, kept = unique("endpoint"), unique("kept")
    template, sagemaker = endpoint_template(serving, name), client("sagemaker")
    with pytest.raises(WaiterError):
        deploy(client, "create", stack, template, Version="crash")
    assert "no such model" in reasons(client, stack)
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=name)

    with pytest.raises(WaiterError):
        deploy(client, "create", kept, template, {"OnFailure": "DO_NOTHING"}, Version="crash")
    assert sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] == "Failed"
    client("cloudformation").delete_stack(StackName=kept)
    client("cloudformation").get_waiter("stack_delete_complete").wait(
        StackName=kept, WaiterConfig=FAST
    )
    with pytest.raises(ClientError, match="Could not find endpoint"):
        sagemaker.describe_endpoint(EndpointName=name)


def feature_group_template(role: str, bucket: str, name: str) -> dict[str, Any]:
    return {
        "Resources": {
            "Group": {
                "Type": "AWS::SageMaker::FeatureGroup",
                "Properties": {
                    "FeatureGroupName": name,
                    "RecordIdentifierFeatureName": "id",
                    "EventTimeFeatureName": "at",
                    "FeatureDefinitions": [
                        {"FeatureName": "id", "FeatureType": "String"},
                        {"FeatureName": "at", "FeatureType": "String"},
                    ],
                    "OnlineStoreConfig": {"EnableOnlineStore": True},
                    "OfflineStoreConfig": {"S3StorageConfig": {"S3Uri": f"s3://{bucket}/off"}},
                    "RoleArn": role,
                    "Tags": [{"Key": "team", "Value": "fraud"}],
                },
            }
        },
        "Outputs": {"Name": {"Value": {"Ref": "Group"}}},
    }


def test_a_feature_group_is_extended_but_not_changed(
    client: Client, serving: Serving, stack: str
) -> None:
    name = unique("group")
    template = feature_group_template(serving.role, serving.bucket, name)
    deploy(client, "create", stack, template)
    assert outputs(client, stack) == {"Name": name}
    properties = template["Resources"]["Group"]["Properties"]
    properties["FeatureDefinitions"].append({"FeatureName": "n", "FeatureType": "Integral"})
    deploy(client, "update", stack, template)
    described = client("sagemaker").describe_feature_group(FeatureGroupName=name)
    assert [f["FeatureName"] for f in described["FeatureDefinitions"]] == ["id", "at", "n"]
    tags = client("sagemaker").list_tags(ResourceArn=described["FeatureGroupArn"])["Tags"]
    assert {"Key": "team", "Value": "fraud"} in tags
    properties["FeatureDefinitions"][2]["FeatureType"] = "String"
    with pytest.raises(WaiterError):
        deploy(client, "update", stack, template)
    assert "may only be added to" in reasons(client, stack)
    properties["FeatureDefinitions"][2]["FeatureType"] = "Integral"
    kept = json.dumps(template)
    for change in (
        {"Description": "Said otherwise"},
        {"Tags": [{"Key": "team", "Value": "other"}]},
        {"OnlineStoreConfig": {"EnableOnlineStore": True, "StorageType": "Standard"}},
    ):
        template = json.loads(kept)
        template["Resources"]["Group"]["Properties"] |= change
        with pytest.raises(WaiterError):
            deploy(client, "update", stack, template)
        assert f"requires replacing. Rename {name}" in reasons(client, stack)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            "AWS::SageMaker::Domain",
            "resource types AWS::SageMaker::Domain are not supported by the embedded AWS",
        ),
        (
            "AWS::SageMaker::MadeUp",
            "Template format error: Unrecognized resource types: [AWS::SageMaker::MadeUp]",
        ),
    ],
)
def test_a_type_that_is_not_supported_is_not_one_that_is_not(
    client: Client, kind: str, message: str
) -> None:
    template = json.dumps({"Resources": {"One": {"Type": kind, "Properties": {}}}})
    cloudformation = client("cloudformation")
    for call in (
        lambda: cloudformation.create_stack(StackName=unique("stack"), TemplateBody=template),
        lambda: cloudformation.validate_template(TemplateBody=template),
    ):
        with pytest.raises(ClientError) as error:
            call()
        assert message in error.value.response["Error"]["Message"]


def test_a_pipeline_and_a_package_group(client: Client, serving: Serving, stack: str) -> None:
    pipeline, group = unique("pipeline"), unique("group")

    def template(days: int) -> dict[str, Any]:
        definition = {
            "Version": "2020-12-01",
            "Parameters": [{"Name": "Days", "Type": "Integer", "DefaultValue": days}],
            "Steps": [{"Name": "Stop", "Type": "Fail", "Arguments": {"ErrorMessage": "no"}}],
        }
        return {
            "Resources": {
                "Pipeline": {
                    "Type": "AWS::SageMaker::Pipeline",
                    "Properties": {
                        "PipelineName": pipeline,
                        "RoleArn": serving.role,
                        "PipelineDefinition": {"PipelineDefinitionBody": json.dumps(definition)},
                    },
                },
                "Group": {
                    "Type": "AWS::SageMaker::ModelPackageGroup",
                    "Properties": {"ModelPackageGroupName": group},
                },
            },
            "Outputs": {"P": {"Value": {"Ref": "Pipeline"}}, "G": {"Value": {"Ref": "Group"}}},
        }

    deploy(client, "create", stack, template(7))
    deploy(client, "update", stack, template(14))
    found = outputs(client, stack)
    assert found["P"] == pipeline
    assert found["G"].endswith(f":model-package-group/{group}")
    described = client("sagemaker").describe_pipeline(PipelineName=pipeline)
    assert '"DefaultValue": 14' in described["PipelineDefinition"]


def test_a_refused_property_fails_the_stack(client: Client, serving: Serving, stack: str) -> None:
    template = endpoint_template(serving, unique("endpoint"))
    with pytest.raises(WaiterError):
        deploy(client, "create", stack, template, Version="one", Sampling="101")
    reason = "#/DataCaptureConfig/InitialSamplingPercentage: failed validation constraint"
    assert reason in reasons(client, stack)
