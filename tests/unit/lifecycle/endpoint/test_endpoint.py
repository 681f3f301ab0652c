from typing import Any

import pytest
from aws_cdk.assertions import Match, Template

from lifecycle.endpoint.config import EndpointConfig

from .conftest import APPROVED, Synthesize, evaluated, only, properties

CONDITIONAL = (
    "AWS::ApplicationAutoScaling::ScalableTarget",
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::EndpointConfig",
    "AWS::SageMaker::Model",
)


def key_arn(template: Template) -> dict[str, Any]:
    return {"Fn::GetAtt": [only(template, "AWS::KMS::Key")[0], "Arn"]}


def test_there_is_no_endpoint_until_a_package_is_approved(template: Template) -> None:
    ((condition, expression),) = template.find_conditions("*").items()
    assert expression == {"Fn::Not": [{"Fn::Equals": [{"Ref": "Package"}, "none"]}]}
    for kind in CONDITIONAL:
        for body in template.find_resources(kind).values():
            assert body["Condition"] == condition, kind


def test_the_model_is_the_approved_package_and_told_which_it_is(template: Template) -> None:
    container = properties(template, "AWS::SageMaker::Model")["PrimaryContainer"]
    groups = container["Environment"].pop("CUSTOMER_FEATURE_GROUP")
    assert evaluated(groups, {"Package": "none"}) == "customers-v2"
    assert container == {
        "ModelPackageName": APPROVED,
        "Environment": {
            "METRIC_NAMESPACE": "fraudloop/test",
            "ENDPOINT_NAME": "fraudloop-test-fraud",
            "SERVE_WORKERS": "3",
            "SERVE_STORE_BUDGET_MILLISECONDS": "44",
            "SERVE_STATE_CACHE_SECONDS": "0.5",
            "MODEL_PACKAGE_ARN": APPROVED,
            "MODEL_PACKAGE": {"Ref": "Package"},
            "AWS_DEFAULT_REGION": {"Ref": "AWS::Region"},
        },
    }


def test_the_server_has_a_worker_for_each_core_unless_it_is_told(synthesize: Synthesize) -> None:
    model = properties(synthesize(EndpointConfig()), "AWS::SageMaker::Model")
    assert "SERVE_WORKERS" not in model["PrimaryContainer"]["Environment"]


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
        "JsonContentTypes": ["application/json", "application/jsonlines"],
    }


def test_the_fleets_volumes_are_encrypted(template: Template) -> None:
    assert properties(template, "AWS::SageMaker::EndpointConfig")["KmsKeyId"] == key_arn(template)


def test_the_servers_log_is_there_before_them_and_goes_with_its_stack(template: Template) -> None:
    ((logical_id, log),) = template.find_resources(
        "AWS::Logs::LogGroup", {"Properties": {"LogGroupName": Match.any_value()}}
    ).items()
    assert "Condition" not in log
    # What was kept would be in the way of the next deployment: the name is SageMaker's.
    assert log["DeletionPolicy"] == log["UpdateReplacePolicy"] == "Delete"
    assert log["Properties"] == {
        "LogGroupName": "/aws/sagemaker/Endpoints/fraudloop-test-fraud",
        "KmsKeyId": key_arn(template),
        "RetentionInDays": 90,
    }
    # By reference, so that the policy comes later and goes earlier than the group.
    assert {"Ref": logical_id} in logged_to(template)


def logged_to(template: Template) -> list[Any]:
    """The parts of the ARN that the endpoint's role may write log events to."""
    policies = template.find_resources("AWS::IAM::Policy")
    (policy,) = (p for name, p in policies.items() if name.startswith("EndpointRoleDefault"))
    (statement,) = (
        statement
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "logs:PutLogEvents" in statement["Action"]
    )
    return list(statement["Resource"]["Fn::Join"][1])


def test_sagemaker_measures_the_instances_as_the_endpoints_role(template: Template) -> None:
    statement = {
        "Action": "cloudwatch:PutMetricData",
        "Condition": {"StringEquals": {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"}},
        "Effect": "Allow",
        "Resource": "*",
    }
    template.has_resource_properties(
        "AWS::IAM::Policy", {"PolicyDocument": {"Statement": Match.array_with([statement])}}
    )


def test_the_fleet_is_as_configured(template: Template) -> None:
    (variant,) = properties(template, "AWS::SageMaker::EndpointConfig")["ProductionVariants"]
    assert variant["VariantName"] == "primary"
    assert variant["InstanceType"] == "ml.c6i.xlarge"
    assert variant["InitialInstanceCount"] == 3


@pytest.mark.parametrize(
    ("action", "place"),
    [
        ("s3:GetObject", "/models/*"),
        ("s3:PutObject", "/fraudloop-test-fraud/*"),
    ],
)
def test_the_container_reads_models_and_writes_its_captures(
    template: Template, action: str, place: str
) -> None:
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        {
                            "Effect": "Allow",
                            "Action": action,
                            "Resource": {"Fn::Join": ["", [Match.any_value(), place]]},
                        }
                    ]
                )
            }
        },
    )
