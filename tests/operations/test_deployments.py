"""What is told of deployments, and how waiting for one ends."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from operations import registry
from operations.deployments import deployments, last_deployment, why_not_deployed
from operations.errors import OperationError
from operations.target import Target


class Recorded:
    """A group of packages, and the parameter that says what became of the last deployment."""

    def __init__(self, target_with: Callable[..., Target]) -> None:
        name = f"group-{uuid4().hex[:8]}"
        self.target = target_with(
            ModelPackageGroupName=name, DeploymentStateParameterName=f"/{name}/state"
        )
        self.sagemaker = self.target.client("sagemaker")
        self.sagemaker.create_model_package_group(ModelPackageGroupName=name)
        self._group = name
        self.put("none")

    def package(self, status: str) -> str:
        container = {"Image": "image:1", "ModelDataUrl": "s3://raw/model.tar.gz"}
        arn: str = self.sagemaker.create_model_package(
            ModelPackageGroupName=self._group,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
        )["ModelPackageArn"]
        return arn

    def put(self, value: str) -> None:
        self.target.client("ssm").put_parameter(
            Name=self.target.output("DeploymentStateParameterName"),
            Value=value,
            Type="String",
            Overwrite=True,
        )

    def ended(self, arn: str, state: str) -> dict[str, Any]:
        deployment = {"model_package": arn, "state": state, "reason": "because"}
        self.put(json.dumps(deployment))
        return deployment


@pytest.fixture
def recorded(target_with: Callable[..., Target]) -> Recorded:
    return Recorded(target_with)


def test_before_the_first_deployment_there_is_none(recorded: Recorded) -> None:
    assert last_deployment(recorded.target) is None
    assert deployments(recorded.target) == {}
    assert why_not_deployed(recorded.target, "arn") is None


def test_of_each_package_the_last_deployment_is_told(recorded: Recorded) -> None:
    recorded.ended("one", "Deploying")
    one = recorded.ended("one", "InService")
    two = recorded.ended("two", "RolledBack")
    assert deployments(recorded.target) == {"one": one, "two": two}
    assert last_deployment(recorded.target) == two


@pytest.mark.parametrize(
    ("state", "status", "told"),
    [
        ("Refused", "Rejected", "Refused: because"),
        ("RolledBack", "Rejected", "RolledBack: because"),
        ("RolledBack", "Approved", None),  # approved again since
        ("Deploying", "Rejected", None),
        ("InService", "Approved", None),
    ],
)
def test_why_a_package_is_not_deployed(
    recorded: Recorded, state: str, status: str, told: str | None
) -> None:
    arn = recorded.package(status)
    recorded.ended(arn, state)
    assert why_not_deployed(recorded.target, arn) == told
    assert why_not_deployed(recorded.target, "another") is None


def test_waiting_for_a_package_that_was_refused_ends_with_the_reason(recorded: Recorded) -> None:
    arn = recorded.package("Rejected")
    recorded.ended(arn, "Refused")
    with pytest.raises(OperationError, match=f"{arn} is not deployed; Refused: because"):
        registry.await_deployment(recorded.target, arn)
