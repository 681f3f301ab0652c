"""An environment's stacks: deployed, and taken down again."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations import adoption, deploy_guard, registry, toolchain
from operations.adoption import Kept
from operations.assembly import Stack, stacks
from operations.errors import OperationError
from operations.status import stack_states
from operations.target import Target

__all__ = ["deploy", "destroy"]

Report = Callable[[str], None]

_ENDPOINT = "AWS::SageMaker::Endpoint"
_GROUP = "AWS::SageMaker::ModelPackageGroup"
_CREATION_FAILED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


def deploy(
    target: Target, assembly: Path, *, may_go: str | None = None, report: Report
) -> list[Kept]:
    """Deploy every stack, with what an earlier deployment left; returns that.

    Args:
        target: Where.
        assembly: The synthesized stacks.
        may_go: The endpoint that may be deleted or replaced.
        report: Told what is waited for, and what will be adopted, before anything is changed.

    Raises:
        OperationError: If an endpoint would go, or what is in the way is not the environment's.
    """
    deploy_guard.await_rest(target, report=report)
    deploy_guard.check_endpoint(target, assembly, may_go=may_go)
    kept = adoption.find_kept(target, assembly)
    for each in kept:
        report(f"{each.stack.name} adopts {each.resource_type} {each.arn}")
    _allow_failed_to_be_made_again(target, assembly)

    def run() -> None:
        adoption.adopt(target, assembly, adoption.find_kept(target, assembly))
        toolchain.deploy(target, assembly)

    deploy_guard.deploy_undisturbed(target, run, report=report)
    return kept


def destroy(
    target: Target, assembly: Path, *, endpoint: str | None = None, report: Report
) -> dict[str, Any]:
    """Delete every stack; returns how many model packages went, and the ARNs or names that stay.

    Args:
        target: Where.
        assembly: The synthesized stacks.
        endpoint: The endpoint that goes with its stack although it is in service. Where nothing is
            kept, none has to be named.
        report: Told what is waited for.

    Raises:
        OperationError: If an endpoint is in service that is not named.
    """
    deploy_guard.await_rest(target, report=report)
    deployed = [each for each in stacks(assembly) if _describe(target, each.name) is not None]
    _check_endpoint(target, deployed, endpoint)
    stays = sorted(name for each in deployed for name in _staying(target, each))
    # CloudFormation refuses to delete a group that holds packages.
    deleted = registry.delete_all(target) if _group_goes(deployed) else 0
    _lift_protection(target, (each.name for each in deployed))
    toolchain.destroy(target, assembly)
    return {"model_packages": deleted, "kept": stays}


def _group_goes(deployed: Iterable[Stack]) -> bool:
    return any(
        resource["Type"] == _GROUP and logical_id not in each.retained
        for each in deployed
        for logical_id, resource in each.template["Resources"].items()
    )


def _check_endpoint(target: Target, deployed: Iterable[Stack], may_go: str | None) -> None:
    for each in deployed:
        for resource in each.template["Resources"].values():
            if not each.is_protected or resource["Type"] != _ENDPOINT:
                continue
            name = resource["Properties"]["EndpointName"]
            if name != may_go and deploy_guard.is_in_service(target, name):
                raise OperationError(
                    f"endpoint {name} must not be in service to be deleted, got one that answers "
                    f"with {registry.deployed_package(target)}; if it is meant to go with its "
                    f"environment, give --endpoint {name}"
                )


def _staying(target: Target, stack: Stack) -> list[str]:
    """Physical IDs of what the stack will leave."""
    pages = (
        target.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=stack.name)
    )
    return [
        f"{each['ResourceType']} {each['PhysicalResourceId']}"
        for page in pages
        for each in page["StackResourceSummaries"]
        if each["LogicalResourceId"] in stack.retained
        and not each["ResourceStatus"].startswith("DELETE")
    ]


def _allow_failed_to_be_made_again(target: Target, assembly: Path) -> None:
    """Let the CDK delete the stacks whose creation failed, as it does before it makes them again.

    Protection is switched on with the creation, and the CDK does not lift it: "cannot be deleted
    while TerminationProtection is enabled" (aws-secure-environment-accelerator #253).
    """
    states = stack_states(target)
    failed = [each for each in stacks(assembly) if states.get(each.name) in _CREATION_FAILED]
    _lift_protection(target, (each.name for each in failed))


def _lift_protection(target: Target, names: Iterable[str]) -> None:
    for name in names:
        target.client("cloudformation").update_termination_protection(
            StackName=name, EnableTerminationProtection=False
        )


def _describe(target: Target, name: str) -> Any:
    try:
        return target.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None
