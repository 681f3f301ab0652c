"""The adoption of what an environment's deleted stacks left, by the stacks made again.

CloudFormation imports what exists into a stack (User Guide, "Import AWS resources into a
CloudFormation stack"), and `cdk import` asks it to. What is the environment's is known by a tag
that names its stack and logical ID; nothing else is ever imported.
"""

import json
import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations.deployment import toolchain
from operations.deployment.assembly import Stack, stacks, write_part
from operations.deployment.names import NAMED, name_of
from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.resources import RESOURCE_TAG

__all__ = ["ADOPTABLE", "RetainedResource", "adopt", "find_kept", "owned", "tagged"]

_GONE = frozenset({"DELETE_COMPLETE", "DELETE_SKIPPED"})
_CREATION_FAILED = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})
# Of each type that may be kept: its kind in the tagging API, what identifies it to CloudFormation
# (`primaryIdentifier` in the registry schemas), and that in an ARN.
ADOPTABLE = {
    "AWS::ECR::Repository": ("ecr:repository", "RepositoryName", r":repository/(.+)$"),
    "AWS::KMS::Key": ("kms:key", "KeyId", r":key/(.+)$"),
    "AWS::Kinesis::Stream": ("kinesis:stream", "Name", r":stream/(.+)$"),
    "AWS::S3::Bucket": ("s3", "BucketName", r":::(.+)$"),
    "AWS::SageMaker::FeatureGroup": (
        "sagemaker:feature-group", "FeatureGroupName", r":feature-group/(.+)$",
    ),
    "AWS::SageMaker::ModelPackageGroup": (
        "sagemaker:model-package-group", "ModelPackageGroupArn", r"^(.+)$",
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RetainedResource:
    """A resource that has outlived its stack.

    Attributes:
        stack: The stack that it belongs to.
        logical_id: What the stack's template calls it.
        resource_type: Such as `AWS::S3::Bucket`.
        arn: Its ARN.
    """

    stack: Stack
    logical_id: str
    resource_type: str
    arn: str

    @property
    def identifier(self) -> dict[str, str]:
        """What CloudFormation imports it by."""
        _, name, pattern = ADOPTABLE[self.resource_type]
        (value,) = re.findall(pattern, self.arn)
        return {name: value}


def find_kept(target: Target, assembly: Path) -> list[RetainedResource]:
    """What the environment's stacks left: all that a deployment would otherwise make again.

    Raises:
        OperationError: If a resource with a name that the deployment needs is not the
            environment's, there are several of one that it needs once, or one needs another that
            is gone.
    """
    by_tag, kept = tagged(target), []
    for stack in stacks(assembly):
        known = owned(target, stack)
        left = []
        for logical_id, resource in stack.retained.items():
            if logical_id in known or resource["Type"] not in ADOPTABLE:
                continue
            arns = by_tag.get((resource["Type"], f"{stack.name}/{logical_id}"), [])
            if arn := _only(target, f"{stack.name}/{logical_id}", resource, arns):
                found = RetainedResource(
                    stack=stack, logical_id=logical_id, resource_type=resource["Type"], arn=arn
                )
                left.append(found)
        _check_whole(stack, known | {each.logical_id for each in left}, left)
        kept += left
    return kept


def adopt(target: Target, assembly: Path, kept: Iterable[RetainedResource]) -> None:
    """Import into each stack what it left, before it is deployed.

    Of what a resource needs from another stack, the other stack has to be deployed first.
    """
    for stack in stacks(assembly):
        mine = {each.logical_id: each for each in kept if each.stack.name == stack.name}
        if not mine:
            continue
        # What is left has its role and policies no more; the deployment that follows adds them.
        definitions = {
            logical_id: {
                name: value
                for name, value in stack.template["Resources"][logical_id].items()
                if name != "DependsOn"
            }
            for logical_id in mine
        }
        used = json.dumps(definitions)
        if needed := [each.key for each in stacks(assembly) if f'"{each.name}:' in used]:
            toolchain.deploy(target, assembly, only=needed)
        with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
            part = Path(folder) / "cdk.out"
            write_part(assembly, stack, definitions, part)
            mapping = {logical_id: each.identifier for logical_id, each in mine.items()}
            toolchain.import_resources(target, part, stack.key, mapping)


def tagged(target: Target) -> dict[tuple[str, str], list[str]]:
    """ARNs of everything that carries our tag, by type and the tag's value."""
    pages = target.client("resourcegroupstaggingapi").get_paginator("get_resources")
    found: dict[tuple[str, str], list[str]] = {}
    for resource_type, (kind, _, _) in ADOPTABLE.items():
        for page in pages.paginate(ResourceTypeFilters=[kind], TagFilters=[{"Key": RESOURCE_TAG}]):
            for each in page["ResourceTagMappingList"]:
                tags = {tag["Key"]: tag["Value"] for tag in each["Tags"]}
                key = (resource_type, tags[RESOURCE_TAG])
                found.setdefault(key, []).append(each["ResourceARN"])
    return found


def owned(target: Target, stack: Stack) -> set[str]:
    """Logical IDs of what the deployed stack has."""
    cloudformation = target.client("cloudformation")
    try:
        (found,) = cloudformation.describe_stacks(StackName=stack.name)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return set()
    if found["StackStatus"] in _CREATION_FAILED:
        return set()
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack.name)
    return {
        each["LogicalResourceId"]
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["ResourceStatus"] not in _GONE
    }


def _only(target: Target, place: str, resource: Mapping[str, Any], arns: list[str]) -> str | None:
    """The one resource to adopt for a place in a stack, if there is one."""
    kind = resource["Type"]
    if name := name_of(resource, str(target.session.region_name)):
        arns = [arn for arn in arns if arn.rpartition("/")[2] == name]
        if not arns and NAMED[kind].is_taken(target, name):
            raise OperationError(
                f"{kind} {name} must be this environment's to be adopted, got one without the tag "
                f"{RESOURCE_TAG}={place}; nothing was deployed: delete it if nobody needs it, or "
                "give it the tag if it is yours"
            )
    if len(arns) > 1:
        raise OperationError(
            f"{place} must have been left once to be adopted, got {', '.join(sorted(arns))}; "
            f"take the tag {RESOURCE_TAG} off all but the one with the data"
        )
    return arns[0] if arns else None


def _check_whole(stack: Stack, there: set[str], left: Iterable[RetainedResource]) -> None:
    """Refuse to adopt what refers to a retained resource of its stack that is gone."""
    for each in left:
        text = json.dumps(stack.template["Resources"][each.logical_id]["Properties"])
        referred = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"(\w+)"', text))
        if missing := sorted((referred & stack.retained.keys()) - there):
            raise OperationError(
                f"{each.arn} must be adopted with {', '.join(missing)} of {stack.name}, got none "
                f"with its tag {RESOURCE_TAG}; give the tag to what takes its place, or take the "
                f"tag off {each.arn} to have all made anew"
            )
