"""A challenger beside the champion."""

from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Template

from lifecycle.alarms.alarm_topic import AlarmTopic
from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.endpoint import SelfDeployingEndpoint
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.image.container_image import ContainerImage
from pipeline_code.contracts.packages import NO_MODEL, SCHEMA_MARK, spelled

from .conftest import Synthesize, evaluated, only, properties


@pytest.fixture(scope="module")
def shadowed(synthesize: Synthesize) -> Template:
    shadow = ShadowConfig(percent=25, instance_count=3, instance_type="ml.c6i.2xlarge")
    return synthesize(EndpointConfig(shadow=shadow))


def test_a_challenger_is_asked_a_share_of_what_the_champion_is(shadowed: Template) -> None:
    config = properties(shadowed, "AWS::SageMaker::EndpointConfig")
    assert [variant["VariantName"] for variant in config["ProductionVariants"]] == ["primary"]
    condition, variants, otherwise = config["ShadowProductionVariants"]["Fn::If"]
    models = shadowed.find_resources("AWS::SageMaker::Model")
    (challenger,) = [name for name, body in models.items() if body["Condition"] == condition]
    assert variants == [
        {
            "VariantName": "challenger",
            "ModelName": {"Fn::GetAtt": [challenger, "ModelName"]},
            "InstanceType": "ml.c6i.2xlarge",
            "InitialInstanceCount": 3,
            "InitialVariantWeight": 0.25,
        }
    ]
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert config["ProductionVariants"][0]["InitialVariantWeight"] == 1


def test_a_challenger_runs_on_the_endpoints_instances_unless_it_is_told(
    synthesize: Synthesize,
) -> None:
    config = EndpointConfig(instance_type="ml.c6i.4xlarge", shadow=ShadowConfig())
    variants = properties(synthesize(config), "AWS::SageMaker::EndpointConfig")
    (variant,) = variants["ShadowProductionVariants"]["Fn::If"][1]
    assert (variant["InstanceType"], variant["InitialVariantWeight"]) == ("ml.c6i.4xlarge", 1)


def challenger_container(template: Template) -> dict[str, Any]:
    (container,) = (
        body["Properties"]["PrimaryContainer"]
        for name, body in template.find_resources("AWS::SageMaker::Model").items()
        if name == "fraudlooptestfraudchallenger"
    )
    return dict(container)


def test_a_challenger_runs_what_its_package_holds(shadowed: Template) -> None:
    package = {
        "ModelPackageArn": "arn:aws:sagemaker:eu-west-1:0:model-package/fraud/7",
        "InferenceSpecification": {
            "Containers": [
                {
                    "Image": "repository:tag",
                    "ModelDataUrl": "s3://bucket/models/model.tar.gz",
                    "Environment": {
                        "REVIEW_THRESHOLD": "0.25",
                        "DECLINE_THRESHOLD": "none",
                        "MODEL_DIGEST": "0d" * 32,
                    },
                }
            ]
        },
        "CustomerMetadataProperties": {"feature_schema_version": "v3"},
    }
    container = challenger_container(shadowed)
    parameters = {"Challenger": spelled(package), "AWS::Region": "eu-west-1"}
    assert evaluated(container["Image"], parameters) == "repository:tag"
    assert evaluated(container["ModelDataUrl"], parameters) == "s3://bucket/models/model.tar.gz"
    told = {name: evaluated(value, parameters) for name, value in container["Environment"].items()}
    assert told["MODEL_PACKAGE_ARN"] == package["ModelPackageArn"]
    assert told["MODEL_PACKAGE"] == spelled(package)
    assert told["CUSTOMER_FEATURE_GROUP"] == "customers-v3"
    assert told["AWS_DEFAULT_REGION"] == "eu-west-1"
    # What nobody hears does not count as the endpoint's.
    assert told["ENDPOINT_NAME"] == "fraudloop-test-fraud-challenger"


@pytest.mark.parametrize(
    ("champion", "challenger", "groups"),
    [
        ("arn:fraud/1", NO_MODEL, ("customers-v2", "customers-v2")),
        (f"arn:fraud/1{'|0' * 5}", f"arn:fraud/2{SCHEMA_MARK}v4", ("customers-v2", "customers-v4")),
        (f"arn:fraud/3{SCHEMA_MARK}v3", "arn:fraud/1", ("customers-v3", "customers-v2")),
    ],
)
def test_each_model_reads_the_groups_of_its_own_packages_version(
    shadowed: Template, champion: str, challenger: str, groups: tuple[str, str]
) -> None:
    parameters = {"Package": champion, "Challenger": challenger}
    found = {
        name: evaluated(
            body["Properties"]["PrimaryContainer"]["Environment"]["CUSTOMER_FEATURE_GROUP"],
            parameters,
        )
        for name, body in shadowed.find_resources("AWS::SageMaker::Model").items()
    }
    assert found == dict(
        zip(("fraudlooptestfraudmodel", "fraudlooptestfraudchallenger"), groups, strict=True)
    )


def test_nobody_as_challenger_is_resolved_all_the_same(shadowed: Template) -> None:
    container = challenger_container(shadowed)
    nobody = {"Challenger": NO_MODEL}
    assert evaluated(container["Environment"]["MODEL_PACKAGE_ARN"], nobody) == NO_MODEL
    assert evaluated(container["ModelDataUrl"], nobody) == ""


@pytest.mark.parametrize(
    ("champion", "challenger", "endpoint", "shadow"),
    [
        ("none", "none", False, False),
        ("none", "package/2|image|data|0.5|0.9|0d", False, False),
        ("package/1|image|data|0.5|0.9|1e", "none", True, False),
        ("package/1|image|data|0.5|0.9|1e", "package/2|image|data|0.5|0.9|0d", True, True),
    ],
)
def test_there_is_a_challenger_while_one_is_named_beside_the_champion(
    shadowed: Template, champion: str, challenger: str, endpoint: bool, shadow: bool
) -> None:
    conditions = shadowed.find_conditions("*")
    values = {"Package": champion, "Challenger": challenger}
    config = only(shadowed, "AWS::SageMaker::EndpointConfig")[1]
    assert evaluated(conditions[config["Condition"]], values) is endpoint
    variants = config["Properties"]["ShadowProductionVariants"]["Fn::If"][0]
    assert evaluated(conditions[variants], values) is shadow
    models = shadowed.find_resources("AWS::SageMaker::Model").values()
    assert {model["Condition"] for model in models} == {config["Condition"], variants}


def test_without_a_shadow_nothing_of_it_is_in_the_template(template: Template) -> None:
    assert "ShadowProductionVariants" not in properties(template, "AWS::SageMaker::EndpointConfig")
    template.resource_count_is("AWS::SageMaker::Model", 1)


@pytest.mark.parametrize("shadow", [ShadowConfig(), None])
def test_a_shadow_without_a_parameter_and_the_reverse_are_refused(
    stack: cdk.Stack, key: kms.IKey, bucket: s3.IBucket, shadow: ShadowConfig | None
) -> None:
    with pytest.raises(ValueError, match=r"^challenger must be given with config.shadow"):
        SelfDeployingEndpoint(
            stack,
            "Endpoint",
            endpoint_name="fraudloop-test-fraud",
            approved_package="none",
            challenger=None if shadow else "none",
            environment=lambda _package: {},
            metric_namespace="fraudloop/test",
            image=ContainerImage(
                stack, "Image", encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
            ),
            artifacts_bucket=bucket,
            captures_bucket=bucket,
            encryption_key=key,
            topic=AlarmTopic(stack, "Topic", encryption_key=key),
            config=EndpointConfig(shadow=shadow),
        )
