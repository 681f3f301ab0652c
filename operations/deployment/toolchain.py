"""The CDK CLI, run from the project's own node_modules with the project's own Node."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations.errors import OperationError
from operations.target import PROJECT_ROOT, Target

CDK = PROJECT_ROOT / "node_modules" / "aws-cdk" / "bin" / "cdk"


def synthesize(environment: str, assembly: Path, *, revision: str | None = None) -> None:
    """Write one environment's cloud assembly to a folder; needs no credentials and no network.

    Args:
        environment: Its name.
        assembly: The folder.
        revision: Of the code, stored with every model that the deployed pipeline registers.

    Raises:
        OperationError: If a setting is refused, or synthesis fails; the message then ends with what
            the app printed.
    """
    arguments = ["synth", "--quiet", "--context", f"environment={environment}"]
    if revision is not None:
        arguments += ["--context", f"revision={revision}"]
    try:
        cdk([*arguments, "--output", str(assembly)], os.environ)
    except OperationError as error:
        # A setting that is refused, with the reason: the way there concerns nobody.
        refused = re.search(r"^ValueError: (.+)", str(error), re.MULTILINE)
        if refused is None:
            raise
        raise OperationError(f"{environment} cannot be synthesized: {refused[1]}") from error


def cdk(arguments: Sequence[str], variables: Mapping[str, str], *, log: Path | None = None) -> str:
    """Run the CDK CLI and return what it printed.

    Raises:
        OperationError: If the CLI is not installed or exits non-zero.
    """
    if not CDK.exists():
        raise OperationError(
            f"the CDK CLI must be installed, got no {CDK.name}; run `make install`"
        )
    # Telemetry and the notices would reach for the internet, which a deployment must not need.
    command = [_node(), str(CDK), *arguments, "--no-notices", "--no-version-reporting"]
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**variables, "CDK_DISABLE_CLI_TELEMETRY": "true", "CI": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(done.stdout + done.stderr)
    if done.returncode != 0:
        raise OperationError(f"cdk {arguments[0]} failed:\n{_tail(done)}")
    return done.stdout


def bootstrap(target: Target, *, log: Path | None = None) -> None:
    """Run `cdk bootstrap` for the account and region that the target's credentials belong to."""
    place = f"aws://{target.account}/{target.session.region_name}"
    cdk(["bootstrap", place, "--app", ""], target.variables, log=log)


def deploy(
    target: Target, assembly: Path, *, only: Sequence[str] | None = None, log: Path | None = None
) -> None:
    """Deploy the stacks of a synthesized assembly, independent ones side by side.

    Args:
        target: Where.
        assembly: The assembly.
        only: What the CDK calls the stacks; nothing that they need is deployed. If omitted, all.
        log: Where the CLI's output is stored, too.
    """
    which = ["--all"] if only is None else [*only, "--exclusively"]
    arguments = ["deploy", *which, "--app", str(assembly), "--require-approval", "never"]
    arguments += ["--concurrency", "4", "--method", "direct"]
    cdk([*arguments, "--output", str(assembly)], target.variables, log=log)


def import_resources(
    target: Target, assembly: Path, stack: str, identifiers: Mapping[str, Mapping[str, str]]
) -> None:
    """Bring existing resources into a stack, which is made if it is not there.

    Args:
        target: Where.
        assembly: An assembly with the resources to import; what else the stack has stays.
        stack: What the CDK calls the stack.
        identifiers: What CloudFormation knows each resource by, by logical ID.
    """
    arguments = ["import", stack, "--app", str(assembly), "--force"]
    arguments += ["--resource-mapping-inline", json.dumps(identifiers)]
    cdk(arguments, target.variables)


def destroy(target: Target, assembly: Path, *, log: Path | None = None) -> None:
    """Delete every stack of an assembly, the last deployed first."""
    cdk(["destroy", "--all", "--force", "--app", str(assembly)], target.variables, log=log)


def _node() -> str:
    """Node from the virtual environment's wheel, so that a fresh machine needs none."""
    bundled = Path(sys.executable).with_name("node")
    return str(bundled) if bundled.exists() else "node"


def _tail(done: "subprocess.CompletedProcess[str]", lines: int = 40) -> str:
    return "\n".join((done.stdout + done.stderr).splitlines()[-lines:])
