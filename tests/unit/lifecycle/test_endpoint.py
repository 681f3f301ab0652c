from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from lifecycle.container_image import ContainerImage
from lifecycle.endpoint import EndpointConfig, RolloutConfig, SelfDeployingEndpoint
from lifecycle.endpoint_alarms import HealthConfig
from lifecycle.endpoint_scaling import ScalingConfig

CONDITIONAL = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Model",
)


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    key = kms.Key(stack, "Key")
    package = cdk.CfnParameter(stack, "Package", default="none")
    SelfDeployingEndpoint(
        stack,
        "Endpoint",
        endpoint_name="fraudloop-test-fraud",
        approved_package=package.value_as_string,
        environment={"CUSTOMER_FEATURE_GROUP": "customers"},
        image=ContainerImage(
            stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
        ),
        artifacts_bucket=s3.Bucket(stack, "Artifacts"),
        captures_bucket=s3.Bucket(stack, "Captures"),
        encryption_key=key,
        config=EndpointConfig(
            instance_type="ml.c6i.xlarge",
            scaling=ScalingConfig(
                min_instances=3,
                max_instances=7,
                invocations_per_minute=1234,
                scale_in_seconds=11,
                scale_out_seconds=12,
            ),
            rollout=RolloutConfig(
                canary_percent=34, canary_seconds=21, old_fleet_seconds=22, timeout_seconds=623
            ),
            health=HealthConfig(max_errors_per_minute=2, max_latency_milliseconds=75),
        ),
    )
    return Template.from_stack(stack)


def only(template: Template, kind: str) -> tuple[str, dict[str, Any]]:
    ((logical_id, body),) = template.find_resources(kind).items()
    return logical_id, dict(body)


def properties(template: Template, kind: str) -> dict[str, Any]:
    return dict(only(template, kind)[1]["Properties"])


def key_arn(template: Template) -> dict[str, Any]:
    return {"Fn::GetAtt": [only(template, "AWS::KMS::Key")[0], "Arn"]}


def test_there_is_no_endpoint_until_a_package_is_approved(template: Template) -> None:
    ((condition, expression),) = template.find_conditions("*").items()
    assert expression == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Package"}, "none"]}]}
    for kind in CONDITIONAL:
        for body in template.find_resources(kind).values():
            assert body["Condition"] == condition, kind


def test_the_model_is_the_approved_package_and_told_which_it_is(template: Template) -> None:
    assert properties(template, "AWS::SageMaker::Model")["PrimaryContainer"] == {
        "ModelPackageName": {"Ref": "Package"},
        "Environment": {
            "CUSTOMER_FEATURE_GROUP": "customers",
            "MODEL_PACKAGE_ARN": {"Ref": "Package"},
        },
    }


def test_the_model_is_made_after_its_roles_policy(template: Template) -> None:
    _, model = only(template, "AWS::SageMaker::Model")
    assert any(name.startswith("EndpointRoleDefaultPolicy") for name in model["DependsOn"])


def test_what_a_new_version_replaces_has_no_name(template: Template) -> None:
    assert "ModelName" not in properties(template, "AWS::SageMaker::Model")
    assert "EndpointConfigName" not in properties(template, "AWS::SageMaker::EndpointConfig")


def test_the_endpoint_keeps_its_name_and_takes_the_new_configuration(template: Template) -> None:
    config_id, _ = only(template, "AWS::SageMaker::EndpointConfig")
    endpoint = properties(template, "AWS::SageMaker::Endpoint")
    assert endpoint["EndpointName"] == "fraudloop-test-fraud"
    assert endpoint["EndpointConfigName"] == {"Fn::GetAtt": [config_id, "EndpointConfigName"]}


def test_everything_asked_and_answered_is_captured_encrypted(template: Template) -> None:
    config = properties(template, "AWS::SageMaker::EndpointConfig")
    capture = config["DataCaptureConfig"]
    assert capture["EnableCapture"] is True
    assert capture["InitialSamplingPercentage"] == 100
    assert [option["CaptureMode"] for option in capture["CaptureOptions"]] == ["Input", "Output"]
    assert capture["KmsKeyId"] == key_arn(template)
    assert capture["CaptureContentTypeHeader"] == {
        "CsvContentTypes": ["text/csv"],
        "JsonContentTypes": ["application/json"],
    }


def test_the_fleets_volumes_are_encrypted(template: Template) -> None:
    assert properties(template, "AWS::SageMaker::EndpointConfig")["KmsKeyId"] == key_arn(template)


def test_the_fleet_is_as_configured(template: Template) -> None:
    (variant,) = properties(template, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    assert variant["VariantName"] == "primary"
    assert variant["InstanceType"] == "ml.c6i.xlarge"
    assert variant["InitialInstanceCount"] == 3


def test_a_new_version_comes_as_a_canary(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    assert deployment["BlueGreenUpdatePolicy"] == {
        "TrafficRoutingConfiguration": {
            "Type": "CANARY",
            "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 34},
            "WaitIntervalInSeconds": 21,
        },
        "TerminationWaitInSeconds": 22,
        "MaximumExecutionTimeoutInSeconds": 623,
    }


def test_any_alarm_rolls_a_new_version_back(template: Template) -> None:
    deployment = properties(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]
    alarms = deployment["AutoRollbackConfiguration"]["Alarms"]
    assert {alarm["AlarmName"]["Ref"] for alarm in alarms} == set(
        template.find_resources("AWS::CloudWatch::Alarm")
    )


def test_an_update_keeps_the_instances_that_scaling_added(template: Template) -> None:
    endpoint = properties(template, "AWS::SageMaker::Endpoint")
    assert endpoint["RetainAllVariantProperties"] is True
    excluded = {p["VariantPropertyType"] for p in endpoint["ExcludeRetainedVariantProperties"]}
    assert excluded == {"DesiredWeight", "DataCaptureConfig"}


def test_the_fleet_scales_with_the_load_of_an_instance(template: Template) -> None:
    endpoint_id, _ = only(template, "AWS::SageMaker::Endpoint")
    target = properties(template, "AWS::ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (3, 7)
    assert target["ResourceId"]["Fn::Join"][1] == [
        "endpoint/",
        {"Fn::GetAtt": [endpoint_id, "EndpointName"]},
        "/variant/primary",
    ]
    policy = properties(template, "AWS::ApplicationAutoScaling::ScalingPolicy")
    assert policy["TargetTrackingScalingPolicyConfiguration"] == {
        "PredefinedMetricSpecification": {
            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
        },
        "TargetValue": 1234,
        "ScaleInCooldown": 11,
        "ScaleOutCooldown": 12,
    }


@pytest.mark.parametrize(
    ("metric", "threshold", "statistic"),
    [
        ("Invocation5XXErrors", 2, {"Statistic": "Sum"}),
        ("ModelLatency", 75_000, {"ExtendedStatistic": "p99"}),
    ],
)
def test_errors_and_slowness_are_alarms_and_silence_is_not(
    template: Template, metric: str, threshold: int, statistic: dict[str, str]
) -> None:
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Dimensions": [
                {"Name": "EndpointName", "Value": "fraudloop-test-fraud"},
                {"Name": "VariantName", "Value": "primary"},
            ],
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
            **statistic,
        },
    )


@pytest.mark.parametrize(
    ("actions", "place"),
    [
        ("s3:GetObject", "/models/*"),
        (["s3:AbortMultipartUpload", "s3:PutObject"], "/fraudloop-test-fraud/*"),
    ],
)
def test_the_container_reads_models_and_writes_its_captures(
    template: Template, actions: object, place: str
) -> None:
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": actions,
                            "Resource": {"Fn::Join": ["", [Match.any_value(), place]]},
                        }
                    ]
                )
            }
        },
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("canary_percent", 0),
        ("canary_percent", 51),
        ("canary_seconds", -1),
        ("canary_seconds", 3601),
        ("old_fleet_seconds", 3601),
        ("timeout_seconds", 599),
        ("timeout_seconds", 28801),
    ],
)
def test_a_rollout_that_sagemaker_would_refuse_is_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=rf"^{field} must be between \d+ and \d+, got {value}; "):
        RolloutConfig(**{field: value})


def test_an_instance_type_that_is_not_sagemakers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^instance_type must be .*, got c6i.large; "):
        EndpointConfig(instance_type="c6i.large")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"min_instances": 1}, "min_instances must be at least 2, got 1; "),
        ({"min_instances": 3, "max_instances": 2}, r"max_instances must be .* \(3\), got 2; "),
        ({"invocations_per_minute": 0}, "invocations_per_minute must be at least 1, got 0; "),
        ({"scale_in_seconds": -1}, "scale_in_seconds must be at least 0, got -1; "),
        ({"scale_out_seconds": -1}, "scale_out_seconds must be at least 0, got -1; "),
    ],
)
def test_a_scaling_that_cannot_be_is_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        ScalingConfig(**fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_errors_per_minute": -1}, "max_errors_per_minute must be at least 0, got -1; "),
        ({"max_latency_milliseconds": 0}, "max_latency_milliseconds must be at least 1, got 0; "),
    ],
)
def test_a_health_that_cannot_be_is_refused(fields: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        HealthConfig(**fields)
