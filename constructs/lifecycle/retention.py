"""When deleting a stack may delete data: only if two keys are turned."""

from __future__ import annotations

from aws_cdk import Annotations, RemovalPolicy
from constructs import IConstruct

__all__ = ["data_removal_policy"]


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
