"""The roles by which functions update their stacks: enough for that, and for nothing else."""

import fnmatch
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local_aws.adapter.cloudformation.stack_roles import Change
from local_aws.stacks.roles import permissions, required
from stacks.environments import ENVIRONMENTS

from .conftest import Synthesized, Template
from .rendering import ACCOUNT, REGION, Rendered, followers

GROWING = Path(__file__).with_name("growing.txt")
ROLES = {"Serving": "DeploymentStackRole", "Monitoring": "RefreshStackRole"}
# What a handler's schema lists and an update of these stacks does not take.
NOT_NEEDED = {
    "AWS::SageMaker::EndpointConfig": {"iam:PassRole": "its models have the role"},
    "AWS::SageMaker::Pipeline": {"s3:GetObject": "definitions are in the template"},
    "AWS::ApplicationAutoScaling::ScalingPolicy": {
        "cloudwatch:GetMetricData": "only predictive scaling reads metrics"
    },
    "AWS::ApplicationAutoScaling::ScalableTarget": {
        "iam:PassRole": "no role is given: scaling has a service-linked one",
        # The next four are tested by themselves: their resources are not the target's.
        "cloudwatch:DeleteAlarms": "named after the endpoint",
        "cloudwatch:DescribeAlarms": "named after the endpoint",
        "cloudwatch:PutMetricAlarm": "named after the endpoint",
        "iam:CreateServiceLinkedRole": "one for the account",
        "lambda:DeleteProvisionedConcurrencyConfig": "it scales no function",
        "lambda:GetProvisionedConcurrencyConfig": "it scales no function",
        "lambda:PutProvisionedConcurrencyConfig": "it scales no function",
    },
}
# Nothing of theirs but tags can change, and tags are the template's.
REPLACED = {"AWS::SageMaker::EndpointConfig", "AWS::SageMaker::Model"}
SCALING = "sagemaker.application-autoscaling.amazonaws.com"
# What no role of ours may do at all, in any way.
NEVER = (
    "iam:Add*", "iam:Attach*", "iam:CreateA*", "iam:CreateP*", "iam:CreateRole", "iam:CreateU*",
    "iam:Put*", "iam:Set*", "iam:Update*", "lambda:Create*", "lambda:Update*", "lambda:Add*",
    "sts:AssumeRole", "kms:PutKeyPolicy", "cloudformation:Create*", "cloudformation:Execute*",
)  # fmt: skip


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(template: Template, role: str) -> list[dict[str, Any]]:
    """What a role of the template may do."""
    rendered = Rendered(template)
    return [
        rendered.value(statement)
        for name, body in template["Resources"].items()
        if body["Type"] == "AWS::IAM::Policy" and name.startswith(role)
        for statement in body["Properties"]["PolicyDocument"]["Statement"]
    ]


def is_allowed(
    policy: list[dict[str, Any]], action: str, resource: str, keys: Mapping[str, str]
) -> bool:
    return any(
        action in as_list(statement["Action"])
        and any(fnmatch.fnmatchcase(resource, each) for each in as_list(statement["Resource"]))
        and all(
            keys.get(key) == value
            for kind in statement.get("Condition", {}).values()
            for key, value in kind.items()
        )
        for statement in policy
    )


def operations(body: dict[str, Any], *, changes: bool) -> tuple[str, ...]:
    """What an update with another model may do to a resource."""
    if body["Type"] in REPLACED:
        return "create", "delete"
    return ("update",) * changes + ("create", "delete") * ("Condition" in body)


def changes(template: Template, stack_name: str) -> Iterator[Change]:
    """Everything that an update with another model may do."""
    changing = followers(template, replaced=REPLACED)
    for name in followers(template):
        body = template["Resources"][name]
        for operation in operations(body, changes=name in changing):
            yield Change(
                operation,
                body["Type"],
                name,
                "",
                Rendered(template).value(body["Properties"]),
                stack_name,
                ACCOUNT,
                REGION,
            )


@pytest.fixture(params=list(ROLES))
def stage(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_role_may_do_what_an_update_takes(
    templates: dict[str, Template], environment: str, stage: str
) -> None:
    template = templates[stage]
    policy = statements(template, ROLES[stage])
    done = list(changes(template, f"fraudloop-{environment}-{stage.lower()}"))
    assert len(done) > len(ROLES)
    denied = [
        (change.logical_id, action, resource)
        for change in done
        for action, resource, keys in required(change)
        if not is_allowed(policy, action, resource, keys)
    ]
    assert denied == []


def test_no_permission_of_a_handler_is_left_out_without_a_reason(
    templates: dict[str, Template], stage: str
) -> None:
    for change in changes(templates[stage], stage):
        listed = set(permissions(change.resource_type, change.operation))
        asked = {action for action, _, _ in required(change)}
        assert listed - asked <= NOT_NEEDED.get(change.resource_type, {}).keys(), change


def test_the_role_may_do_what_services_ask_their_caller_for(
    templates: dict[str, Template], environment: str
) -> None:
    policy = statements(templates["Serving"], ROLES["Serving"])
    endpoint = f"fraudloop-{environment}-fraud"
    alarm = f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:TargetTracking-endpoint/{endpoint}"
    linked = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    for action, resource, keys in (
        ("cloudwatch:PutMetricAlarm", f"{alarm}/variant/primary-AlarmHigh-0a1b", {}),
        ("cloudwatch:DeleteAlarms", f"{alarm}/variant/primary-AlarmLow-0a1b", {}),
        (
            "sagemaker:UpdateEndpointWeightsAndCapacities",
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/{endpoint}",
            {},
        ),
        (
            "iam:CreateServiceLinkedRole",
            f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/{SCALING}/{linked}",
            {"iam:AWSServiceName": SCALING},
        ),
        ("kms:CreateGrant", key, {"kms:GrantIsForAWSResource": "true"}),
    ):
        assert is_allowed(policy, action, resource, keys), action


def test_environments_of_one_account_keep_their_hands_off_each_other(
    synthesized: Synthesized, stage: str
) -> None:
    """What CloudFormation names it names after logical IDs, which environments could share."""
    dev, prod = (synthesized.templates(name)[stage] for name in ("dev", "prod"))
    policy = statements(dev, ROLES[stage])
    for change in changes(prod, f"fraudloop-prod-{stage.lower()}"):
        for action, resource, keys in required(change):
            shared = ":key/" in resource or ":scalable-target/" in resource or resource == "*"
            if not shared and action != "iam:PassRole":
                assert not is_allowed(policy, action, resource, keys), (action, resource)


def test_the_role_can_do_nothing_of_iam_lambda_or_s3(
    templates: dict[str, Template], stage: str
) -> None:
    actions = {
        action
        for statement in statements(templates[stage], ROLES[stage])
        for action in as_list(statement["Action"])
    }
    assert {each for each in actions if each.startswith(("iam:", "lambda:", "s3:", "sts:"))} <= {
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
    }


def grants(template: Template) -> Iterator[tuple[str, str]]:
    """Each action with the policy that allows it."""
    for name, body in template["Resources"].items():
        if body["Type"] == "AWS::IAM::Policy":
            for statement in body["Properties"]["PolicyDocument"]["Statement"]:
                for action in as_list(statement["Action"]):
                    yield action, name.replace("DefaultPolicy", "")[:-8]


def pinned(environment: str) -> set[tuple[str, str, str]]:
    rows = [
        [part.strip() for part in line.split(" | ")]
        for line in GROWING.read_text().splitlines()
        if line
    ]
    return {
        (action, stack, policy)
        for environments, action, stack, policy in rows
        if environments == "all" or environment in environments.split()
    }


def test_who_can_make_more_of_themselves_is_pinned(
    templates: dict[str, Template], environment: str
) -> None:
    """To change a stack, to approve, to hand a role on: growing.txt is where a reviewer sees it.

    A line there is `environments | action | stack | policy`.
    """
    known = {action for name in ENVIRONMENTS for action, _, _ in pinned(name)}
    found = {
        (action, stack, policy)
        for stack, template in templates.items()
        for action, policy in grants(template)
        if action in known
    }
    assert found == pinned(environment)


def test_nobody_makes_roles_functions_or_stacks(templates: dict[str, Template]) -> None:
    assert [
        (stack, policy, action)
        for stack, template in templates.items()
        for action, policy in grants(template)
        if any(fnmatch.fnmatchcase(action, each) for each in NEVER)
    ] == []


def test_no_policy_is_hidden_in_a_role_or_shared(templates: dict[str, Template]) -> None:
    """`grants` reads AWS::IAM::Policy; what is elsewhere is the CDK's own, to empty buckets."""
    elsewhere = [
        name
        for template in templates.values()
        for name, body in template["Resources"].items()
        if body["Type"] == "AWS::IAM::ManagedPolicy"
        or (body["Type"] == "AWS::IAM::Role" and "Policies" in body["Properties"])
    ]
    assert [name for name in elsewhere if not name.startswith("CustomS3AutoDelete")] == []
