"""A stack with an endpoint, as the serving stack has it."""

import json
from pathlib import Path
from typing import cast

import lifecycle  # noqa: F401  # first: it tells jsii which node to start when aws_cdk is imported

# isort: split
import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker

from lifecycle.endpoint.shadow import challenger_container
from lifecycle.endpoint.variants import packaged_container
from lifecycle.registry.spelled_package import schema_version
from tests.local_aws.images import PULL
from tests.local_aws.sagemaker.serving import STAND_IN

ROOT = Path(__file__).parents[3]


def bare_stack(name: str) -> cdk.Stack:
    """A stack under the app's feature flags that can be deployed without the CDK CLI."""
    flags = json.loads((ROOT / "cdk.json").read_text())["context"]
    synthesizer = cdk.DefaultStackSynthesizer(generate_bootstrap_version_rule=False)
    return cdk.Stack(cdk.App(context=flags), "Stack", stack_name=name, synthesizer=synthesizer)


def define_endpoint(stack: cdk.Stack, name: str, approved: str, challenger: str) -> None:
    """As the serving stack does: it is there while a package is approved."""
    has_model = cdk.CfnCondition(
        stack,
        "HasModel",
        expression=cdk.Fn.condition_not(cdk.Fn.condition_equals(approved, "none")),
    )
    has_shadow = cdk.CfnCondition(
        stack,
        "HasShadow",
        expression=cdk.Fn.condition_and(
            cast(cdk.ICfnConditionExpression, has_model),
            cdk.Fn.condition_not(cdk.Fn.condition_equals(challenger, "none")),
        ),
    )
    role = cdk.aws_iam.Role(
        stack, "ModelRole", assumed_by=cdk.aws_iam.ServicePrincipal("sagemaker.amazonaws.com")
    )
    s3.Bucket.from_bucket_name(stack, "Models", name).grant_read(role)
    for statement in PULL:
        role.add_to_policy(cdk.aws_iam.PolicyStatement.from_json(statement))
    models = {}
    for kind, package, define, condition in (
        ("Model", approved, packaged_container, has_model),
        ("Challenging", challenger, challenger_container, has_shadow),
    ):
        groups = f"customers-{schema_version(package)}"
        told = {"PYTHONPATH": str(STAND_IN), "CUSTOMER_FEATURE_GROUP": groups}
        container = define(package, told)
        models[kind] = sagemaker.CfnModel(
            stack, kind, execution_role_arn=role.role_arn, primary_container=container
        )
        models[kind].cfn_options.condition = condition
        models[kind].node.add_dependency(role)
    variants = {
        kind: {
            "VariantName": kind.lower(),
            "ModelName": model.attr_model_name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
            "InitialVariantWeight": 1,
        }
        for kind, model in models.items()
    }
    config = cdk.CfnResource(
        stack,
        "Config",
        type="AWS::SageMaker::EndpointConfig",
        properties={
            "ProductionVariants": [variants["Model"]],
            "ShadowProductionVariants": cdk.Fn.condition_if(
                has_shadow.logical_id, [variants["Challenging"]], cdk.Aws.NO_VALUE
            ),
        },
    )
    config.cfn_options.condition = has_model
    endpoint = sagemaker.CfnEndpoint(
        stack,
        "Endpoint",
        endpoint_name=name,
        endpoint_config_name=cdk.Fn.get_att("Config", "EndpointConfigName").to_string(),
    )
    endpoint.cfn_options.condition = has_model
