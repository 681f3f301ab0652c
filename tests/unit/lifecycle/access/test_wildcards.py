import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks

from lifecycle.access.wildcards import acknowledge_action, acknowledge_resource


def findings(app: cdk.App, folder: Path) -> set[str]:
    """What cdk-nag still says of wildcards in policies."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as error:
        assert "ValidationFailed" in str(error)
    report = json.loads((folder / "validation-report.json").read_text())
    return {
        violation["ruleName"].split("AwsSolutions-IAM5")[-1]
        for plugin in report["pluginReports"]
        for violation in plugin["violations"]
        if "IAM5" in violation["ruleName"]
    }


@pytest.fixture
def new_app(tmp_path: Path) -> Callable[[], cdk.App]:
    return lambda: cdk.App(outdir=str(tmp_path))


def role_that_may(stack: cdk.Stack, action: str, resource: Any) -> iam.Role:
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com"))
    role.add_to_policy(iam.PolicyStatement(actions=[action], resources=[resource]))
    return role


def test_objects_of_a_bucket_in_the_same_stack(
    new_app: Callable[[], cdk.App], tmp_path: Path
) -> None:
    app = new_app()
    stack = cdk.Stack(app, "One")
    objects = s3.Bucket(stack, "Bucket").arn_for_objects("models/*")
    acknowledge_resource(role_that_may(stack, "s3:GetObject", objects), objects, "a reason")
    assert findings(app, tmp_path) == set()


def test_objects_of_a_bucket_in_another_stack(
    new_app: Callable[[], cdk.App], tmp_path: Path
) -> None:
    app = new_app()
    objects = s3.Bucket(cdk.Stack(app, "Other"), "Bucket").arn_for_objects("models/*")
    role = role_that_may(cdk.Stack(app, "One"), "s3:GetObject", objects)
    acknowledge_resource(role, objects, "a reason")
    assert findings(app, tmp_path) == set()


def test_an_arn_made_of_the_stacks_own_account_and_region(
    new_app: Callable[[], cdk.App], tmp_path: Path
) -> None:
    app = new_app()
    stack = cdk.Stack(app, "One")
    jobs = stack.format_arn(service="sagemaker", resource="training-job", resource_name="pipe-*")
    role = role_that_may(stack, "sagemaker:StopTrainingJob", jobs)
    acknowledge_resource(role, jobs, "a reason")
    assert findings(app, tmp_path) == set()


def test_an_action_is_accepted_by_itself(new_app: Callable[[], cdk.App], tmp_path: Path) -> None:
    app = new_app()
    stack = cdk.Stack(app, "One")
    bucket = s3.Bucket(stack, "Bucket")
    role = role_that_may(stack, "s3:Get*", bucket.bucket_arn)
    acknowledge_action(role, "s3:Get*", "a reason")
    assert findings(app, tmp_path) == set()


def test_a_wildcard_that_nobody_accepted_is_still_found(
    new_app: Callable[[], cdk.App], tmp_path: Path
) -> None:
    app = new_app()
    stack = cdk.Stack(app, "One")
    bucket = s3.Bucket(stack, "Bucket")
    models, secrets = (bucket.arn_for_objects(f"{name}/*") for name in ("models", "secrets"))
    role = role_that_may(stack, "s3:GetObject", models)
    role.add_to_policy(iam.PolicyStatement(actions=["s3:GetObject"], resources=[secrets]))
    acknowledge_resource(role, models, "a reason")
    (left,) = findings(app, tmp_path)
    assert left.endswith("/secrets/*]")
