"""The retention of data beyond its stack, and the tags by which it is found again."""

from __future__ import annotations

from typing import cast

from aws_cdk import Annotations, CfnElement, RemovalPolicy, Stack, Tags
from constructs import IConstruct

from pipeline_code.contracts.resources import RESOURCE_TAG

__all__ = ["data_removal_policy", "named_removal_policy", "resource_tag", "tag_kept"]

# Not the tags of CloudFormation: it gives keys none (`cloudFormationSystemTags` in their schema).


def data_removal_policy(
    scope: IConstruct, *, delete_with_stack: bool, may_delete_data: bool
) -> RemovalPolicy:
    """DESTROY if the capability asks for it and the environment allows it, else RETAIN.

    Args:
        scope: Where the data lives; a refused deletion leaves a warning there.
        delete_with_stack: The first key, turned by the capability's configuration.
        may_delete_data: The second key, turned by the environment.
    """
    if not delete_with_stack:
        return RemovalPolicy.RETAIN
    if not may_delete_data:
        Annotations.of(scope).add_warning_v2(
            "fraudloop:data-kept",
            "delete_with_stack must be allowed by the environment's may_delete_data, which is "
            "false; the data is kept",
        )
        return RemovalPolicy.RETAIN
    return RemovalPolicy.DESTROY


def named_removal_policy(policy: RemovalPolicy) -> RemovalPolicy:
    """The same for a resource with a physical name, but that a failed creation leaves none.

    What it left would have the name, empty, and the next deployment would end at "already exists":
    DeletionPolicy RetainExceptOnCreate, in the CloudFormation User Guide. Not for buckets and
    repositories: they are filled during a creation, and have no name that could be taken.
    """
    if policy is RemovalPolicy.RETAIN:
        return RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
    return policy


def resource_tag(resource: IConstruct) -> tuple[str, str]:
    """Key and value of the tag by which a resource is known to be its environment's.

    The stack's name and the logical ID never change, for a changed one would be a replacement.
    """
    stack = Stack.of(resource)
    element = cast("CfnElement", resource.node.default_child or resource)
    return RESOURCE_TAG, f"{stack.stack_name}/{stack.get_logical_id(element)}"


def tag_kept(resource: IConstruct) -> None:
    """Tag what may outlive its stack, so that a later deployment finds it and adopts it."""
    Tags.of(resource).add(*resource_tag(resource))
