"""What CloudFormation makes of resources that exist already: it refuses them, or adopts them."""

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

Client = Callable[[str], Any]
FAST = {"Delay": 0.05, "MaxAttempts": 400}


class World:
    """Stacks of one test, and what they leave."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.cloudformation = client("cloudformation")
        self.name = f"again{uuid.uuid4().hex[:8]}"
        self.stacks: list[str] = []

    def resources(self, policy: str, **more: Any) -> dict[str, Any]:
        """A stream and a group of model packages, named, and a repository, unnamed."""
        tags = [{"Key": "owner", "Value": self.name}]
        properties: dict[str, tuple[str, dict[str, Any]]] = {
            "Stream": ("AWS::Kinesis::Stream", {"Name": self.name, "ShardCount": 1}),
            "Group": ("AWS::SageMaker::ModelPackageGroup", {"ModelPackageGroupName": self.name}),
            "Repository": ("AWS::ECR::Repository", {}),
        }
        named = {
            logical_id: {
                "Type": kind,
                "DeletionPolicy": policy,
                "UpdateReplacePolicy": "Retain",
                "Properties": {**given, "Tags": tags},
            }
            for logical_id, (kind, given) in properties.items()
        }
        return named | more

    def create(self, resources: dict[str, Any]) -> str:
        """Create a stack; it ends as it ends."""
        stack = f"{self.name}-{len(self.stacks)}"
        self.stacks.append(stack)
        body = json.dumps({"Resources": resources})
        self.cloudformation.create_stack(StackName=stack, TemplateBody=body)
        try:
            waiter = self.cloudformation.get_waiter("stack_create_complete")
            waiter.wait(StackName=stack, WaiterConfig=FAST)
        except WaiterError:
            assert self.status(stack) == "ROLLBACK_COMPLETE"
        return stack

    def delete(self, stack: str) -> None:
        self.cloudformation.delete_stack(StackName=stack)
        waiter = self.cloudformation.get_waiter("stack_delete_complete")
        waiter.wait(StackName=stack, WaiterConfig=FAST)

    def change(self, resources: dict[str, Any], **request: Any) -> dict[str, Any]:
        """Make a change set of a new stack, execute it if that is possible, and describe it."""
        stack = f"{self.name}-{len(self.stacks)}"
        self.stacks.append(stack)
        place = {"StackName": stack, "ChangeSetName": "adopt"}
        body = json.dumps({"Resources": resources})
        self.cloudformation.create_change_set(**place, TemplateBody=body, **request)
        made = dict(self.cloudformation.describe_change_set(**place))
        if made["ExecutionStatus"] == "AVAILABLE":
            self.cloudformation.execute_change_set(**place)
        return made | {"Ended": self.status(stack)}

    def status(self, stack: str) -> str:
        (found,) = self.cloudformation.describe_stacks(StackName=stack)["Stacks"]
        return str(found["StackStatus"])

    def reasons(self, stack: str) -> str:
        events = self.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return " ".join(event.get("ResourceStatusReason", "") for event in events)

    def kept(self) -> set[str]:
        """Services in which something carries the tag."""
        pages = self.client("resourcegroupstaggingapi").get_paginator("get_resources")
        return {
            each["ResourceARN"].split(":")[2]
            for page in pages.paginate(TagFilters=[{"Key": "owner", "Values": [self.name]}])
            for each in page["ResourceTagMappingList"]
        }


FAILS = {
    "Type": "AWS::Kinesis::Stream",
    "DependsOn": ["Stream", "Group", "Repository"],
    "Properties": {"Name": {"Ref": "Stream"}},
}


@pytest.fixture
def world(client: Client) -> Iterator[World]:
    made = World(client)
    yield made
    for stack in made.stacks:
        made.cloudformation.delete_stack(StackName=stack)
    found = client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "owner", "Values": [made.name]}]
    )["ResourceTagMappingList"]
    for arn in (each["ResourceARN"] for each in found):
        name = arn.rpartition("/")[2]
        match arn.split(":")[2]:
            case "kinesis":
                client("kinesis").delete_stream(StreamName=name)
            case "ecr":
                client("ecr").delete_repository(repositoryName=name)
            case "sagemaker":
                client("sagemaker").delete_model_package_group(ModelPackageGroupName=name)


@pytest.mark.parametrize(
    ("policy", "left"),
    [("Retain", {"ecr", "kinesis", "sagemaker"}), ("RetainExceptOnCreate", set())],
)
def test_what_a_failed_creation_leaves(world: World, policy: str, left: set[str]) -> None:
    world.create(world.resources(policy, Fails=FAILS))
    assert world.kept() == left


@pytest.mark.parametrize("policy", ["Retain", "RetainExceptOnCreate"])
def test_both_policies_keep_what_a_deleted_stack_held(world: World, policy: str) -> None:
    world.delete(world.create(world.resources(policy)))
    assert world.kept() == {"ecr", "kinesis", "sagemaker"}


@pytest.mark.parametrize("kept", ["Stream", "Group"])
def test_a_taken_name_is_refused(world: World, kept: str) -> None:
    definition = world.resources("Retain")[kept]
    world.delete(world.create({kept: definition}))
    second = world.create({kept: definition})
    assert "already exists" in world.reasons(second)


def test_a_failed_stack_has_to_be_deleted_first(world: World) -> None:
    stack = world.create(world.resources("RetainExceptOnCreate", Fails=FAILS))
    with pytest.raises(ClientError, match="already exists"):
        world.cloudformation.create_stack(StackName=stack, TemplateBody='{"Resources": {}}')
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        world.cloudformation.update_stack(
            StackName=stack, TemplateBody=json.dumps({"Resources": world.resources("Retain")})
        )


def test_what_has_its_name_in_the_template_is_adopted_with_the_creation(world: World) -> None:
    stream = {"Stream": world.resources("RetainExceptOnCreate")["Stream"]}
    topic = {"Topic": {"Type": "AWS::SNS::Topic"}}
    world.delete(world.create(stream))
    arn = world.client("kinesis").describe_stream_summary(StreamName=world.name)
    done = world.change(stream | topic, ChangeSetType="CREATE", ImportExistingResources=True)
    assert done["Ended"] == "CREATE_COMPLETE"
    assert {c["ResourceChange"]["Action"] for c in done["Changes"]} == {"Import", "Add"}
    assert (
        arn["StreamDescriptionSummary"]
        == (world.client("kinesis").describe_stream_summary(StreamName=world.name))[
            "StreamDescriptionSummary"
        ]
    )


def test_what_has_no_such_name_is_adopted_by_its_identifier(world: World) -> None:
    both = {k: v for k, v in world.resources("Retain").items() if k != "Stream"}
    world.delete(world.create(both))
    group = world.client("sagemaker").describe_model_package_group(ModelPackageGroupName=world.name)
    # Its identifier is its ARN, which is read-only: it is created, and its name is taken.
    refused = world.change(
        {"Group": both["Group"]}, ChangeSetType="CREATE", ImportExistingResources=True
    )
    assert refused["Ended"] == "ROLLBACK_COMPLETE"
    found = world.client("resourcegroupstaggingapi").get_resources(ResourceTypeFilters=["ecr"])
    (repository,) = (
        each["ResourceARN"].rpartition("/")[2]
        for each in found["ResourceTagMappingList"]
        if {"Key": "owner", "Value": world.name} in each["Tags"]
    )
    identifiers = {
        "Group": {"ModelPackageGroupArn": group["ModelPackageGroupArn"]},
        "Repository": {"RepositoryName": repository},
    }
    done = world.change(
        both,
        ChangeSetType="IMPORT",
        ResourcesToImport=[
            {
                "LogicalResourceId": logical_id,
                "ResourceType": both[logical_id]["Type"],
                "ResourceIdentifier": identifier,
            }
            for logical_id, identifier in identifiers.items()
        ],
    )
    assert done["Ended"] == "IMPORT_COMPLETE"


def test_what_another_stack_owns_is_not_adopted(world: World) -> None:
    stream = {"Stream": world.resources("Retain")["Stream"]}
    owner = world.create(stream)
    refused = world.change(stream, ChangeSetType="CREATE", ImportExistingResources=True)
    assert refused["Status"] == "FAILED"
    assert f"{world.name} already exists in stack" in refused["StatusReason"]
    assert f"/{owner}/" in refused["StatusReason"]


def test_what_would_go_with_its_stack_is_not_adopted(world: World) -> None:
    world.delete(world.create({"Stream": world.resources("Retain")["Stream"]}))
    going = {"Stream": world.resources("Delete")["Stream"]}
    refused = world.change(going, ChangeSetType="CREATE", ImportExistingResources=True)
    assert refused["Status"] == "FAILED"
    assert "DeletionPolicy attribute set to 'Retain'" in refused["StatusReason"]


@pytest.mark.parametrize("recursive", [False, True])
def test_a_workgroup_with_queries_goes_only_if_they_may_go_with_it(
    world: World, recursive: bool
) -> None:
    workgroup = {
        "Type": "AWS::Athena::WorkGroup",
        "Properties": {"Name": world.name, "RecursiveDeleteOption": recursive},
    }
    stack = world.create({"Workgroup": workgroup})
    world.client("athena").create_named_query(
        Name="saved", Database="default", QueryString="SELECT 1", WorkGroup=world.name
    )
    if recursive:
        world.delete(stack)
        return
    with pytest.raises(WaiterError):
        world.delete(stack)
    assert f"WorkGroup {world.name} is not empty" in world.reasons(stack)
    world.client("athena").delete_work_group(WorkGroup=world.name, RecursiveDeleteOption=True)
