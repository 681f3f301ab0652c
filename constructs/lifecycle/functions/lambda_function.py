"""A Lambda function of the project: one handler of `pipeline_code/lambdas`, and its own log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from tempfile import TemporaryDirectory

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

__all__ = ["LambdaFunction", "ship"]

CODE = Path(__file__).parents[3] / "pipeline_code"
HANDLERS = CODE / "lambdas"
SHARED_MODULES = ("custom_resource.py", "served_model.py")


class LambdaFunction(Construct):
    """Runs one handler with no more than it is granted.

    Guarantees:
        Ships the handler's own folder, the shared modules and the contracts; a change elsewhere
        redeploys nothing.
        Logs are JSON, kept for three months in a log group under the given key.
        The role may write that log and, until it is granted more, nothing else.

    Args:
        handler: Folder under `pipeline_code/lambdas` whose `handler.handler` is called.
        description: What the function is for.
        encryption_key: Key of the log group.
        timeout: When a run is given up.
        environment: The handler's settings.

    Raises:
        ValueError: If there is no such handler.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        encryption_key: kms.IKey,
        timeout: Duration,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        _check_handler(handler)
        log_group = self._define_log_group(encryption_key)
        self.role = iam.Role(
            self,
            "Role",
            description=description,
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        log_group.grant_write(self.role)
        with TemporaryDirectory() as folder:
            ship(handler, Path(folder))
            # The CDK copies the folder at once.
            self.function = lambda_.Function(
                self,
                "Function",
                description=description,
                runtime=lambda_.Runtime.PYTHON_3_14,
                architecture=lambda_.Architecture.ARM_64,
                code=lambda_.Code.from_asset(folder),
                handler=f"{handler}.handler.handler",
                role=self.role,
                log_group=log_group,
                logging_format=lambda_.LoggingFormat.JSON,
                timeout=timeout,
                memory_size=256,
                environment=dict(environment),
            )

    def _define_log_group(self, encryption_key: kms.IKey) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            "Log",
            encryption_key=encryption_key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )

    @property
    def grant_principal(self) -> iam.IPrincipal:
        """The function's role, so that a construct's `grant_*` methods take the function."""
        return self.role


def _check_handler(handler: str) -> None:
    if not (HANDLERS / handler / "handler.py").is_file():
        known = sorted(path.parent.name for path in HANDLERS.glob("*/handler.py"))
        raise ValueError(
            f"handler must be one of {', '.join(known)}, got {handler}; "
            "add pipeline_code/lambdas/<name>/handler.py"
        )


def ship(handler: str, folder: Path) -> None:
    """Write what a handler needs into an empty folder, so that imports read as in the source."""
    sources = ignore_patterns("__pycache__")
    copytree(HANDLERS / handler, folder / handler, ignore=sources)
    for module in SHARED_MODULES:
        copy(HANDLERS / module, folder)
    package = folder / CODE.name
    copytree(CODE / "contracts", package / "contracts", ignore=sources)
    copy(CODE / "__init__.py", package)
