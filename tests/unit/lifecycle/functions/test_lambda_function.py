from collections.abc import Callable
from pathlib import Path

import aws_cdk as cdk
import pytest
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from lifecycle.functions.lambda_function import CODE, HANDLERS, LambdaFunction

KNOWN = sorted(path.parent.name for path in HANDLERS.glob("*/handler.py"))


def define(stack: cdk.Stack, key: kms.IKey, handler: str = "retrain") -> LambdaFunction:
    return LambdaFunction(
        stack,
        "Function",
        handler=handler,
        description="Does something",
        encryption_key=key,
        timeout=cdk.Duration.seconds(90),
        environment={"PIPELINE_NAME": "training"},
    )


@pytest.fixture
def template(stack: cdk.Stack, key: kms.IKey) -> Template:
    define(stack, key)
    return Template.from_stack(stack)


def test_the_function_is_told_what_it_was_given(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {
            "Handler": "retrain.handler.handler",
            "Environment": {"Variables": {"PIPELINE_NAME": "training"}},
            "Timeout": 90,
            "Architectures": ["arm64"],
        },
    )


def test_the_log_is_json_encrypted_and_kept_for_three_months(template: Template) -> None:
    (log_group,) = template.find_resources("AWS::Logs::LogGroup")
    (key_id,) = template.find_resources("AWS::KMS::Key")
    template.has_resource_properties(
        "AWS::Logs::LogGroup",
        {"RetentionInDays": 90, "KmsKeyId": {"Fn::GetAtt": [key_id, "Arn"]}},
    )
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {"LoggingConfig": {"LogFormat": "JSON", "LogGroup": {"Ref": log_group}}},
    )


def test_the_role_may_write_the_log_and_nothing_else(template: Template) -> None:
    (log_group,) = template.find_resources("AWS::Logs::LogGroup")
    template.has_resource_properties(
        "AWS::IAM::Policy",
        {
            "PolicyDocument": {
                "Statement": [
                    {
                        "Effect": "Allow",
                        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                        "Resource": {"Fn::GetAtt": [log_group, "Arn"]},
                    }
                ]
            }
        },
    )
    template.has_resource_properties("AWS::IAM::Role", {"ManagedPolicyArns": Match.absent()})


@pytest.mark.parametrize("handler", KNOWN)
def test_a_handler_ships_with_the_shared_modules_and_without_its_neighbours(
    handler: str, flags: dict[str, object], tmp_path: Path
) -> None:
    app = cdk.App(context=flags, outdir=str(tmp_path))
    stack = cdk.Stack(app, "Test")
    define(stack, kms.Key(stack, "Key"), handler)
    app.synth()
    (asset,) = tmp_path.glob("asset.*")
    shipped = {str(path.relative_to(asset)) for path in asset.rglob("*.py")}
    own = {str(path.relative_to(HANDLERS)) for path in (HANDLERS / handler).glob("*.py")}
    contracts = {
        f"pipeline_code/{path.relative_to(CODE)}" for path in (CODE / "contracts").glob("*.py")
    }
    shared = {"custom_resource.py", "served_model.py", "pipeline_code/__init__.py"}
    assert shipped == own | contracts | shared
    assert not list(asset.rglob("__pycache__"))


def test_an_unknown_handler_is_refused(stack: cdk.Stack, key: kms.IKey) -> None:
    with pytest.raises(ValueError, match=r"^handler must be one of .*retrain.*, got retrian; "):
        define(stack, key, "retrian")


def test_grants_take_the_function(
    stack: cdk.Stack, key: kms.IKey, new_stack: Callable[[], cdk.Stack]
) -> None:
    function = define(stack, key)
    assert function.grant_principal is function.role
