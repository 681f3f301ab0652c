"""An environment's stacks: deployed, and taken down again."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from operations import progress
from operations.deployment import adoption, deploy_guard, toolchain
from operations.deployment.adoption import RetainedResource
from operations.deployment.assembly import Stack, is_retained, stacks
from operations.deployment.status import stack_states
from operations.errors import OperationError
from operations.models import registry
from operations.models.schema_versions import check_code
from operations.target import Target
from pipeline_code.contracts.resources import Stage

__all__ = ["check_endpoint", "deploy", "destroy"]

_ENDPOINT = "AWS::SageMaker::Endpoint"
_GROUP = "AWS::SageMaker::ModelPackageGroup"
_CREATION_FAILED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED")


def deploy(target: Target, assembly: Path, *, may_go: str | None = None) -> list[RetainedResource]:
    """Deploy every stack, with what an earlier deployment left; returns that.

    Args:
        target: Where.
        assembly: The synthesized stacks.
        may_go: The endpoint that may be deleted or replaced.

    Raises:
        OperationError: If an endpoint would go, or the features of a package that is needed; or
            what is in the way is not the environment's.
    """
    deploy_guard.await_rest(target)
    deploy_guard.check_endpoint(target, assembly, may_go=may_go)
    check_code(target)
    kept = adoption.find_kept(target, assembly)
    for each in kept:
        progress.update(each.stack.name, f"adopts {each.resource_type} {each.arn}", ended=True)
    _delete_failed(target, assembly)

    def run() -> None:
        adoption.adopt(target, assembly, adoption.find_kept(target, assembly))
        toolchain.deploy(target, assembly)

    deploy_guard.deploy_undisturbed(target, run)
    return kept


def check_endpoint(target: Target, *, may_go: str | None = None) -> None:
    """Refuse to delete an endpoint in service, where an environment keeps what it holds.

    Args:
        target: Where.
        may_go: The endpoint that may be deleted.

    Raises:
        OperationError: If an endpoint is in service that is not the named one.
    """
    deployed = [template for stage in Stage if (template := _deployed(target, stage)) is not None]
    resources = [each for template in deployed for each in template["Resources"].values()]
    if not any(is_retained(each) for each in resources):
        return
    for resource in resources:
        if resource["Type"] != _ENDPOINT:
            continue
        name = resource["Properties"]["EndpointName"]
        if name != may_go and deploy_guard.is_in_service(target, name):
            raise OperationError(
                f"endpoint {name} must not be in service to be deleted, got one that answers "
                f"with {registry.deployed_package(target)}; if it is meant to go with its "
                f"environment, give --endpoint {name}"
            )


def _deployed(target: Target, stage: Stage) -> dict[str, Any] | None:
    try:
        return deploy_guard.deployed_template(target, target.stack_name(stage))
    except ValueError:
        # The CDK writes YAML when it imports, of nothing but what stays: one was interrupted.
        return None


def destroy(target: Target, assembly: Path, *, endpoint: str | None = None) -> dict[str, Any]:
    """Delete every stack; returns how many model packages went, and the ARNs or names that stay.

    Args:
        target: Where.
        assembly: The synthesized stacks.
        endpoint: The endpoint that goes with its stack although it is in service. Where nothing is
            kept, none has to be named.

    Raises:
        OperationError: If an endpoint is in service that is not named.
    """
    deploy_guard.await_rest(target)
    check_endpoint(target, may_go=endpoint)
    found = (_as_deployed(target, each) for each in stacks(assembly))
    deployed = [each for each in found if each is not None]
    stays = sorted(name for each in deployed for name in _staying(target, each))
    # CloudFormation refuses to delete a group that holds packages.
    deleted = registry.delete_all(target) if _group_goes(deployed) else 0
    _lift_protection(target, (each.name for each in deployed))
    toolchain.destroy(target, assembly)
    return {"model_packages": deleted, "kept": stays}


def _as_deployed(target: Target, stack: Stack) -> Stack | None:
    """The stack with its deployed template, in which CloudFormation reads what stays."""
    try:
        template = deploy_guard.deployed_template(target, stack.name)
    except ValueError:
        # The CDK writes YAML when it imports, of nothing but what stays: one was interrupted.
        return stack
    return None if template is None else replace(stack, template=template)


def _group_goes(deployed: Iterable[Stack]) -> bool:
    return any(
        resource["Type"] == _GROUP and logical_id not in each.retained
        for each in deployed
        for logical_id, resource in each.template["Resources"].items()
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


def _delete_failed(target: Target, assembly: Path) -> None:
    """Delete the stacks whose creation failed; nothing else can be done with them.

    The CDK does so only for a stack without protection, which is switched on with the creation
    ("cannot be deleted while TerminationProtection is enabled", aws-secure-environment-accelerator
    #253), and not before it imports: it would import into the template that failed.
    """
    cloudformation, states = target.client("cloudformation"), stack_states(target)
    failed = [each.name for each in stacks(assembly) if states.get(each.name) in _CREATION_FAILED]
    _lift_protection(target, failed)
    for name in reversed(failed):
        progress.update(name, "is deleted first: its creation failed")
        cloudformation.delete_stack(StackName=name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 900}
        )


def _lift_protection(target: Target, names: Iterable[str]) -> None:
    for name in names:
        target.client("cloudformation").update_termination_protection(
            StackName=name, EnableTerminationProtection=False
        )
