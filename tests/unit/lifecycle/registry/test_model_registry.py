from collections.abc import Callable

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from lifecycle.registry.model_registry import ModelRegistry


@pytest.mark.parametrize(
    ("policy", "written"),
    [(cdk.RemovalPolicy.RETAIN, "RetainExceptOnCreate"), (cdk.RemovalPolicy.DESTROY, "Delete")],
)
def test_the_group_goes_with_its_stack_only_if_told(
    new_stack: Callable[[], cdk.Stack], policy: cdk.RemovalPolicy, written: str
) -> None:
    stack = new_stack()
    ModelRegistry(
        stack, "Registry", group_name="test-fraud", description="A model", removal_policy=policy
    )
    groups = Template.from_stack(stack).find_resources("AWS::SageMaker::ModelPackageGroup")
    ((logical_id, group),) = groups.items()
    assert group["DeletionPolicy"] == written
    assert group["Properties"] == {
        "ModelPackageGroupName": "test-fraud",
        "ModelPackageGroupDescription": "A model",
        "Tags": [{"Key": "fraudloop:resource", "Value": f"Test/{logical_id}"}],
    }
