"""A deployment waits for others, and takes no endpoint out of service unless that is meant."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from local_aws.server import EmbeddedAws
from operations.deployment import provisioning
from operations.deployment.deploy_guard import await_rest, check_endpoint, deploy_undisturbed
from operations.deployment.stack_conditions import Conditions
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.resources import Stage
from tests.local_aws.sagemaker.serving import Serving
from tests.operations.said import said

FAST = {"Delay": 0.1, "MaxAttempts": 200}


@dataclass
class Deployed:
    """A serving stack with an endpoint in service, while its parameter names a model."""

    target: Target
    serving: Serving
    name: str
    template: dict[str, Any] = field(default_factory=dict)

    def make(self) -> None:
        """Deploy it."""
        self.name_model("a-model")
        model = self.serving.model()
        config = self.serving.config(model)
        self.template = {
            "Parameters": {
                "Model": {"Type": "AWS::SSM::Parameter::Value<String>", "Default": f"/{self.name}"}
            },
            "Conditions": {
                "Approved": {"Fn::Not": [{"Fn::Equals": [{"Ref": "Model"}, "none"]}]},
            },
            "Resources": {
                "Topic": {"Type": "AWS::SNS::Topic"},
                "Endpoint": {
                    "Type": "AWS::SageMaker::Endpoint",
                    "Condition": "Approved",
                    "Properties": {"EndpointName": self.name, "EndpointConfigName": config},
                },
            },
        }
        cloudformation = self.target.client("cloudformation")
        cloudformation.create_stack(StackName=self.stack, TemplateBody=json.dumps(self.template))
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=self.stack, WaiterConfig=FAST
        )

    @property
    def stack(self) -> str:
        return self.target.stack_name("serving")

    def name_model(self, value: str) -> None:
        self.target.client("ssm").put_parameter(
            Name=f"/{self.name}", Value=value, Type="String", Overwrite=True
        )

    def policy(self) -> Any:
        found = self.target.client("cloudformation").get_stack_policy(StackName=self.stack)
        return json.loads(found.get("StackPolicyBody") or "null")


@pytest.fixture(scope="module")
def deployed(embedded_aws: EmbeddedAws) -> Iterator[Deployed]:
    name = f"guard{uuid.uuid4().hex[:8]}"
    session = embedded_aws.session()
    made = Deployed(
        Target(name, session, embedded_aws.environment()), Serving.make(session.client), name
    )
    made.make()
    yield made
    made.target.client("cloudformation").delete_stack(StackName=made.stack)


@pytest.fixture
def assembly(deployed: Deployed, tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """assembly(template): a cloud assembly whose serving stack has the template."""

    def write(template: dict[str, Any]) -> Path:
        artifact = {
            "type": "aws:cloudformation:stack",
            "properties": {"stackName": deployed.stack, "templateFile": "Serving.template.json"},
        }
        other = {"type": "cdk:tree", "properties": {"file": "tree.json"}}
        manifest = {"artifacts": {"Serving": artifact, "Tree": other}}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest))
        (tmp_path / "Serving.template.json").write_text(json.dumps(template))
        return tmp_path

    return write


def changed(template: dict[str, Any], **resources: Any) -> dict[str, Any]:
    """The template with other resources; one that is None is left out."""
    kept = {k: v for k, v in (template["Resources"] | resources).items() if v is not None}
    return template | {"Resources": kept}


def with_name(template: dict[str, Any], name: str) -> dict[str, Any]:
    endpoint = template["Resources"]["Endpoint"]
    return changed(
        template,
        Endpoint=endpoint | {"Properties": endpoint["Properties"] | {"EndpointName": name}},
    )


Make = Callable[[dict[str, Any]], Path]


def test_a_deployment_that_keeps_the_endpoint_may_go_on(deployed: Deployed, assembly: Make) -> None:
    check_endpoint(deployed.target, assembly(deployed.template))
    endpoint = deployed.template["Resources"]["Endpoint"]
    properties = endpoint["Properties"] | {"EndpointConfigName": "another"}
    template = changed(
        deployed.template, Topic=None, Endpoint=endpoint | {"Properties": properties}
    )
    check_endpoint(deployed.target, assembly(template))
    assert deployed.policy() is None


@pytest.mark.parametrize(
    ("change", "fate"),
    [
        (lambda template: changed(template, Endpoint=None), "delete"),
        (
            lambda template: changed(
                template, Endpoint=None, Renamed=template["Resources"]["Endpoint"]
            ),
            "delete",
        ),
        (lambda template: with_name(template, "another"), "replace"),
        (
            lambda template: (
                template
                | {"Conditions": {"Approved": {"Fn::Equals": [{"Ref": "Model"}, "another"]}}}
            ),
            "delete",
        ),
    ],
)
def test_a_deployment_that_takes_the_endpoint_away_is_refused_unless_it_is_meant(
    deployed: Deployed,
    assembly: Make,
    change: Callable[[dict[str, Any]], dict[str, Any]],
    fate: str,
) -> None:
    made = assembly(change(deployed.template))
    expected = f"must not {fate} endpoint {deployed.name}, which is in service; .* {deployed.name}"
    cloudformation, whole = deployed.target.client("cloudformation"), {"Resource": "*"}
    kept = {"Effect": "Deny", "Action": "Update:Delete", "Principal": "*"} | whole
    cloudformation.set_stack_policy(
        StackName=deployed.stack, StackPolicyBody=json.dumps({"Statement": [kept]})
    )
    for may_go in (None, "another"):
        with pytest.raises(OperationError, match=expected):
            check_endpoint(deployed.target, made, may_go=may_go)
    assert deployed.policy()["Statement"] == [kept]
    check_endpoint(deployed.target, made, may_go=deployed.name)
    (statement,) = deployed.policy()["Statement"]
    assert (statement["Effect"], statement["Action"]) == ("Allow", "Update:*")


def test_a_parameter_that_names_no_model_would_delete_the_endpoint(
    deployed: Deployed, assembly: Make
) -> None:
    deployed.name_model("none")
    try:
        with pytest.raises(OperationError, match=f"must not delete endpoint {deployed.name}"):
            check_endpoint(deployed.target, assembly(deployed.template))
    finally:
        deployed.name_model("a-model")


def test_an_environment_whose_endpoint_serves_is_destroyed_only_if_that_is_meant(
    deployed: Deployed, assembly: Make
) -> None:
    # As in an environment that keeps its data: the lake stays, the endpoint's stack has none.
    cloudformation = deployed.target.client("cloudformation")
    lake = deployed.target.stack_name(Stage.DATA_LAKE)
    kept = {"Type": "AWS::SNS::Topic", "DeletionPolicy": "Retain"}
    template = json.dumps({"Resources": {"Topic": kept}})
    cloudformation.create_stack(StackName=lake, TemplateBody=template)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=lake, WaiterConfig=FAST)
    target = Target(deployed.name, deployed.target.session, deployed.target.variables)
    target.__dict__["outputs"] = {"ApprovedModelParameterName": f"/{deployed.name}"}
    expected = f"endpoint {deployed.name} .* answers with a-model; .* --endpoint {deployed.name}"
    for endpoint in (None, "another"):
        with pytest.raises(OperationError, match=expected):
            provisioning.destroy(target, assembly(deployed.template), endpoint=endpoint)
    found = target.client("sagemaker").describe_endpoint(EndpointName=deployed.name)
    assert found["EndpointStatus"] == "InService"
    cloudformation.delete_stack(StackName=lake)


def test_what_is_not_deployed_has_no_endpoint_to_lose(deployed: Deployed, tmp_path: Path) -> None:
    nowhere = Target("nowhere", deployed.target.session, {})
    artifact = {
        "type": "aws:cloudformation:stack",
        "properties": {"stackName": "fraudloop-nowhere-serving", "templateFile": "t.json"},
    }
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": {"Serving": artifact}}))
    (tmp_path / "t.json").write_text(json.dumps({"Resources": {}}))
    check_endpoint(nowhere, tmp_path)
    with said() as updates:
        await_rest(nowhere)
    assert updates == []


def test_an_update_that_is_under_way_is_waited_for(deployed: Deployed) -> None:
    cloudformation = deployed.target.client("cloudformation")
    handle = {"Type": "AWS::CloudFormation::WaitConditionHandle"}
    waiting = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Timeout": "2", "Handle": {"Ref": "Handle"}},
    }
    template = changed(deployed.template, Handle=handle, Waiting=waiting)
    cloudformation.update_stack(StackName=deployed.stack, TemplateBody=json.dumps(template))
    with said() as updates:
        await_rest(deployed.target)
    assert updates[0].state == f"until the update of {deployed.stack} has ended"
    assert (len({each.state for each in updates}), updates[-1].ended) == (2, True)
    (stack,) = cloudformation.describe_stacks(StackName=deployed.stack)["Stacks"]
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"  # nobody has signalled


def test_one_that_does_not_end_is_said(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {"serving": "UPDATE_IN_PROGRESS", "other": "REVIEW_IN_PROGRESS"}
    monkeypatch.setattr("operations.deployment.deploy_guard.stack_states", lambda _target: states)
    expected = "must be at rest within 0 s, got serving in progress"
    with pytest.raises(OperationError, match=expected):
        await_rest(deployed.target, timeout_seconds=0.2)


BUSY = "cdk deploy failed:\nStack is in UPDATE_IN_PROGRESS state and can not be updated."


@pytest.mark.parametrize(("failures", "attempts"), [(0, 1), (2, 3)])
def test_an_update_that_comes_in_between_is_tried_again(
    deployed: Deployed, failures: int, attempts: int
) -> None:
    made: list[int] = []

    def deploy() -> None:
        made.append(1)
        if len(made) <= failures:
            raise OperationError(BUSY)

    deploy_undisturbed(deployed.target, deploy)
    assert len(made) == attempts


@pytest.mark.parametrize(("text", "attempts"), [(BUSY, 3), ("cdk deploy failed: no", 1)])
def test_another_failure_or_the_third_is_told(deployed: Deployed, text: str, attempts: int) -> None:
    made: list[int] = []

    def deploy() -> None:
        made.append(1)
        raise OperationError(text)

    with pytest.raises(OperationError, match=text[:17]):
        deploy_undisturbed(deployed.target, deploy)
    assert len(made) == attempts


# Conditions.

TEMPLATE = {
    "Parameters": {"Size": {"Type": "String", "Default": "big"}},
    "Conditions": {
        "Big": {"Fn::Equals": [{"Ref": "Size"}, "big"]},
        "Joined": {"Fn::Equals": [{"Fn::Join": ["-", ["so", {"Ref": "Size"}]]}, "so-big"]},
        "Both": {"Fn::And": [{"Condition": "Big"}, {"Condition": "Joined"}]},
        "Neither": {"Fn::Not": [{"Fn::Or": [{"Condition": "Big"}, {"Condition": "Joined"}]}]},
        "Mapped": {"Fn::Equals": [{"Fn::FindInMap": ["a", "b", "c"]}, "x"]},
        "Other": {"Fn::EachMemberIn": []},
    },
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [(None, True), ("Big", True), ("Joined", True), ("Both", True), ("Neither", False)],
)
def test_conditions_are_decided_as_cloudformation_does(condition: str | None, holds: bool) -> None:
    resource = {} if condition is None else {"Condition": condition}
    assert Conditions(TEMPLATE, None).hold_for(resource) is holds


@pytest.mark.parametrize(
    ("condition", "reason"),
    [("Mapped", "parameters and literals, got Fn::FindInMap"), ("Other", "got Fn::EachMemberIn")],
)
def test_a_condition_that_cannot_be_decided_is_no_guess(condition: str, reason: str) -> None:
    with pytest.raises(OperationError, match=reason):
        Conditions(TEMPLATE, None).hold_for({"Condition": condition})
