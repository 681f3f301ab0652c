"""Verbs for the stacks: deploy, destroy."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from operations.cli.parts.following import interruptible
from operations.cli.parts.verbs import Json, guide, on_target
from operations.console import show, table, tell, wide
from operations.errors import OperationError
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

Examined = Annotated[
    bool | None,
    typer.Option(
        "--doctor/--no-doctor",
        help="First examine the account, as `fraudloop doctor` does.",
        show_default="an account is, the embedded AWS is not",
    ),
]

_GOES_ON = (
    "CloudFormation goes on by itself with the stacks that it has begun: `fraudloop status` shows "
    "them; the same command again does the rest"
)


@guide("fraudloop deploy --environment dev --profile my-profile", then="fraudloop ingest FILE")
@on_target
def deploy(
    target: Target,
    bootstrap: Bootstrap = True,
    replace_endpoint: Replaceable = None,
    doctor: Examined = None,
    json: Json = None,
) -> None:
    """Synthesize the environment's stacks and deploy them with the CDK CLI.

    Waits for updates that are under way, adopts what an earlier deployment left, and refuses to
    take an endpoint out of service, or its features away.
    """
    from operations.deployment import provisioning, toolchain
    from operations.deployment.revision import code_revision
    from operations.deployment.status import named_outputs, stack_states
    from operations.doctor.place import check_region
    from operations.models.schema_versions import check_code

    check_region(target)
    tell(f"{target.environment} in account {target.account}, {target.session.region_name}")
    check_code(target)
    with interruptible(_GOES_ON), tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        assembly = Path(folder) / "cdk.out"
        revision = code_revision()
        toolchain.synthesize(target.environment, assembly, revision=revision)
        if doctor or (doctor is None and not target.is_embedded):
            _examine(target, assembly, bootstraps=bootstrap)
        if bootstrap:
            toolchain.bootstrap(target)
        kept = provisioning.deploy(target, assembly, may_go=replace_endpoint)
    states, outputs = stack_states(target), named_outputs(target)
    result = {
        "environment": target.environment,
        "revision": revision,
        "stacks": states,
        "adopted": [each.arn for each in kept],
        "outputs": outputs,
    }
    tables = [table("Stacks", ["stack", "status"], states.items())]
    if wide.get():
        tables.append(table("Outputs", ["output", "value"], outputs.items()))
    show(result, json, *tables)


@guide("fraudloop destroy --yes local")
@on_target
def destroy(
    target: Target,
    yes: Annotated[str, typer.Option("--yes", help="Type the environment's name.")] = "",
    endpoint: Annotated[
        str | None, typer.Option(help="Name of the endpoint that goes although it is in service.")
    ] = None,
    json: Json = None,
) -> str:
    """Delete the environment's stacks; data is kept unless the environment may delete it.

    What is kept is listed, and adopted by the next `fraudloop deploy`.
    """
    from operations.deployment import provisioning, toolchain
    from operations.deployment.status import stack_states

    if yes != target.environment:
        raise OperationError(
            f"--yes must name the environment to destroy, got {yes!r}; "
            f"repeat with `fraudloop destroy --yes {target.environment}`"
        )
    tell(f"{target.environment} in account {target.account}, {target.session.region_name}")
    provisioning.check_endpoint(target, may_go=endpoint)
    with interruptible(_GOES_ON), tempfile.TemporaryDirectory(prefix="fraudloop-") as folder:
        assembly = Path(folder) / "cdk.out"
        toolchain.synthesize(target.environment, assembly)
        done = provisioning.destroy(target, assembly, endpoint=endpoint)
    states = stack_states(target)
    result = {"environment": target.environment, "stacks": states, **done}
    tables = [table("Stacks", ["stack", "status"], states.items())]
    if done["kept"]:
        kept = (each.split(" ", 1) for each in done["kept"])
        tables.append(table("Kept", ["type", "name"], kept))
    show(result, json, *tables)
    return "fraudloop deploy" if done["kept"] else "fraudloop down"


def _examine(target: Target, assembly: Path, *, bootstraps: bool) -> None:
    from operations.doctor.checks import Outcome
    from operations.doctor.examination import examine, require_health

    checks = examine(target, assembly, bootstraps=bootstraps)
    require_health(checks)
    for each in checks:
        if each.outcome is Outcome.UNKNOWN:
            tell(f"not known: {each.line()}")


def register(app: typer.Typer) -> None:
    """Add these verbs to the command."""
    app.command()(deploy)
    app.command()(destroy)
