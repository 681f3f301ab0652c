"""A Lambda function of the project: one handler of `pipeline_code/lambdas`, and its own log."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from tempfile import TemporaryDirectory

from aws_cdk import Duration
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lifecycle.functions.project_function import ProjectFunction

__all__ = ["LambdaFunction", "ship"]

CODE = Path(__file__).parents[3] / "pipeline_code"
HANDLERS = CODE / "lambdas"
SHARED_MODULES = ("custom_resource.py", "served_model.py")


class LambdaFunction(ProjectFunction):
    """Runs one handler of `pipeline_code/lambdas` by the standard library and boto3.

    Guarantees:
        Ships the handler's own folder, the shared modules and the contracts; a change elsewhere
        redeploys nothing.
        Logs and leave are ProjectFunction's.

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
        super().__init__(
            scope, construct_id, description=description, encryption_key=encryption_key
        )
        _check_handler(handler)
        with TemporaryDirectory() as folder:
            ship(handler, Path(folder))
            # The CDK copies the folder at once.
            self.function = self._define_function(
                runtime=lambda_.Runtime.PYTHON_3_14,
                architecture=lambda_.Architecture.ARM_64,
                code=lambda_.Code.from_asset(folder),
                handler=f"{handler}.handler.handler",
                memory_size=256,
                timeout=timeout,
                environment=dict(environment),
            )


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
