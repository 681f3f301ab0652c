"""Verbs for the stacks: deploy, destroy."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from operations import deploy_guard, registry, toolchain
from operations.cli.verbs import Json, on_target
from operations.console import errors, show, table
from operations.errors import OperationError
from operations.revision import code_revision
from operations.status import stack_states
from operations.target import Target

Bootstrap = Annotated[
    bool, typer.Option(help="First run `cdk bootstrap`, which an account needs once a region.")
]


Replaceable = Annotated[
    str | None,
    typer.Option(
        "--replace-endpoint",
        help="Name of the endpoint that may be deleted or replaced, with an outage.",
    ),
]


@on_target
def deploy(
    target: Target,
    bootstrap: Bootstrap = True,
    replace_endpoint: Replaceable = None,
    json: Json = None,
) -> None:
    """Synthesize the environment's stacks and deploy them with the CDK CLI.

    Waits for updates that are under way, and refuses to take an endpoint out of service.
    """
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        assembly = Path(folder) / "cdk.out"
        revision = code_revision()
        toolchain.synthesize(target.environment, assembly, revision=revision)
        if bootstrap:
            toolchain.bootstrap(target)
        deploy_guard.await_rest(target, report=_tell)
        deploy_guard.check_endpoint(target, assembly, may_go=replace_endpoint)
        deploy_guard.deploy_undisturbed(
            target, lambda: toolchain.deploy(target, assembly), report=_tell
        )
    states = stack_states(target)
    result = {
        "environment": target.environment,
        "revision": revision,
        "stacks": states,
        "outputs": target.outputs,
    }
    show(
        result,
        json,
        table("Stacks", ["stack", "status"], states.items()),
        table("Outputs", ["output", "value"], sorted(target.outputs.items())),
    )


@on_target
def destroy(
    target: Target,
    yes: Annotated[str, typer.Option("--yes", help="Type the environment's name.")] = "",
    json: Json = None,
) -> None:
    """Delete the environment's stacks; data is kept unless the environment may delete it."""
    if yes != target.environment:
        raise OperationError(
            f"--yes must name the environment to destroy, got {yes!r}; "
            f"repeat with --yes {target.environment}"
        )
    with tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        assembly = Path(folder) / "cdk.out"
        toolchain.synthesize(target.environment, assembly)
        deploy_guard.await_rest(target, report=_tell)
        # CloudFormation refuses to delete a model package group that holds packages.
        deleted = registry.delete_all(target)
        toolchain.destroy(target, assembly)
    states = stack_states(target)
    result = {"environment": target.environment, "stacks": states, "model_packages": deleted}
    show(result, json, table("Stacks", ["stack", "status"], states.items()))


def _tell(text: str) -> None:
    errors.print(text, markup=False, highlight=False, soft_wrap=True)


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(deploy)
    app.command()(destroy)
