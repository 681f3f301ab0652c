"""The CDK CLI, run from the project's own node_modules with the project's own Node."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from operations import progress
from operations.errors import OperationError
from operations.target import PROJECT_ROOT, Target

# What the CLI prints of CloudFormation's events: stack, how many resources are done (of how many),
# time, status, type, path.
_EVENT = re.compile(r"(\S+) \| +(\d+(?:/\d+)?) \| [^|]+ \| (\w+) +\| (\S+) +\| (\S+)")
_ASSET = re.compile(r"\S+: (?:start|success): (\w+ [^(\n]*[^(\s])")
_STACK = "AWS::CloudFormation::Stack"
_TAIL = 40  # lines

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


def cdk(arguments: Sequence[str], variables: Mapping[str, str], *, log: Path | None = None) -> None:
    """Run the CDK CLI; its output goes to the log, if there is one.

    Raises:
        OperationError: If the CLI is not installed or exits non-zero.
    """
    if not CDK.exists():
        raise OperationError(
            f"the CDK CLI must be installed, got no {CDK.name}; run `make install`"
        )
    printed: list[str] = []
    with progress.activity(f"cdk {arguments[0]}"):
        try:
            code = _run(_command(arguments), variables, printed)
        finally:
            if log is not None:
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text("".join(printed))
        if code != 0:
            tail = "".join(printed[-_TAIL:]).rstrip()
            raise OperationError(f"cdk {arguments[0]} failed:\n{tail}")


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


def _command(arguments: Sequence[str]) -> list[str]:
    # Telemetry and the notices would reach for the internet, which a deployment must not need.
    return [_node(), str(CDK), *arguments, "--no-notices", "--no-version-reporting"]


def _run(command: Sequence[str], variables: Mapping[str, str], printed: list[str]) -> int:
    """Run a command, with each line of its output added to `printed`; returns its exit code."""
    with subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env={**variables, "CDK_DISABLE_CLI_TELEMETRY": "true", "CI": "true"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None  # noqa: S101 - it is piped
        for line in running.stdout:
            printed.append(line)
            _follow(line)
    return running.returncode


def _follow(line: str) -> None:
    """Say what a line of the CLI's output says of an asset or of a stack's resources."""
    if asset := _ASSET.match(line):
        progress.update("assets", asset[1], passing=True)
    event = _EVENT.match(line)
    if event is None:
        return
    stack, count, status, kind, path = event.groups()
    failed = "FAILED" in status or "ROLLBACK" in status
    if kind == _STACK:
        ended = status.endswith(("_COMPLETE", "_FAILED"))
        progress.update(stack, status, ended=ended, failed=failed)
    else:
        state = f"{count} {status} {kind.removeprefix('AWS::')} {path}"
        progress.update(stack, state, failed=failed, passing=not failed)


def _node() -> str:
    """Node from the virtual environment's wheel, so that a fresh machine needs none."""
    bundled = Path(sys.executable).with_name("node")
    return str(bundled) if bundled.exists() else "node"
