from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from lifecycle.functions.lambda_function import HANDLERS
from lifecycle.image.container_image import IMAGE_HANDLERS
from lifecycle.image.image_function import ImageFunction


def define(around: Any, handler: str = "land_events") -> ImageFunction:
    return ImageFunction(
        around.stack,
        "Function",
        handler=handler,
        description="Does something",
        image=around.image,
        encryption_key=around.key,
        timeout=cdk.Duration.seconds(90),
        environment={"DATASET": "transactions"},
    )


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    define(around)
    return around


@pytest.fixture(scope="module")
def template(around: Any) -> Template:
    return around.template()


def function(template: Template) -> dict[str, Any]:
    (found,) = template.find_resources(
        "AWS::Lambda::Function", {"Properties": {"PackageType": "Image"}}
    ).values()
    return dict(found)


def test_the_image_is_run_by_lambdas_runtime_client(template: Template) -> None:
    assert function(template)["Properties"]["ImageConfig"] == {
        "EntryPoint": ["python", "-m", "awslambdaric"],
        "Command": ["pipeline_code.lambdas.land_events.handler.handler"],
    }


def test_the_images_tag_is_in_the_open(around: Any, template: Template) -> None:
    uri = function(template)["Properties"]["Code"]["ImageUri"]["Fn::Join"][1]
    assert uri[-1] == f":{around.image.tag}"
    assert around.stack.resolve(around.image.repository.repository_name) in uri


def test_the_function_runs_as_the_image_was_built(template: Template) -> None:
    properties = function(template)["Properties"]
    assert properties["Architectures"] == ["x86_64"]
    assert properties["Timeout"] == 90
    assert properties["LoggingConfig"]["LogFormat"] == "JSON"
    assert properties["Environment"]["Variables"] == {"DATASET": "transactions"}


def test_the_image_is_there_before_the_function(template: Template) -> None:
    (build,) = template.find_resources("Custom::ContainerImage")
    assert build in function(template)["DependsOn"]


def test_the_role_may_write_its_log_only(around: Any) -> None:
    role = around.stack.node.find_child("Function").role
    (statement,) = around.statements(role)
    assert statement["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]


def test_logs_are_encrypted_and_not_kept_for_ever(around: Any, template: Template) -> None:
    for group in template.find_resources("AWS::Logs::LogGroup").values():
        assert group["Properties"]["KmsKeyId"] == around.key_arn
        assert group["Properties"]["RetentionInDays"] == 90


def test_lambda_may_pull_the_image_for_this_accounts_functions(template: Template) -> None:
    (repository,) = template.find_resources("AWS::ECR::Repository").values()
    (statement,) = repository["Properties"]["RepositoryPolicyText"]["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert statement["Action"] == ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    source = statement["Condition"]["ArnLike"]["aws:SourceArn"]["Fn::Join"][1]
    assert {"Ref": "AWS::AccountId"} in source
    assert {"Ref": "AWS::Region"} in source
    assert source[-1] == ":function:*"


def test_every_handler_of_the_image_is_there() -> None:
    assert all((HANDLERS / name / "handler.py").is_file() for name in IMAGE_HANDLERS)


def test_a_handler_that_the_image_lacks_is_refused(new_surroundings: Callable[[], Any]) -> None:
    with pytest.raises(ValueError, match=r"^handler must be one of .*, got retrain; "):
        define(new_surroundings(), "retrain")
