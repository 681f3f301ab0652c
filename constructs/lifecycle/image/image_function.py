"""A Lambda function that runs the project's image, for handlers that need its libraries."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lifecycle.functions.project_function import ProjectFunction
from lifecycle.image.container_image import IMAGE_HANDLERS, ContainerImage

__all__ = ["ImageFunction"]

RUNTIME_CLIENT = ["python", "-m", "awslambdaric"]
# A full virtual CPU: folding is arithmetic, and so is compiling the kernel when none is cached.
MEMORY_MIB = 1769


class ImageFunction(ProjectFunction):
    """Runs one handler of `pipeline_code/lambdas` in the project's image.

    Guarantees:
        Runs the very libraries and feature code of training and serving.
        Logs and leave are ProjectFunction's.

    Args:
        handler: Folder under `pipeline_code/lambdas` that the image holds.
        description: What the function is for.
        image: The project's image.
        encryption_key: Key of the log group.
        timeout: When a run is given up.
        environment: The handler's settings.

    Raises:
        ValueError: If the image holds no such handler.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        handler: str,
        description: str,
        image: ContainerImage,
        encryption_key: kms.IKey,
        timeout: Duration,
        environment: Mapping[str, str],
    ) -> None:
        super().__init__(
            scope, construct_id, description=description, encryption_key=encryption_key
        )
        _check_handler(handler)
        self.function = self._define_function(
            runtime=lambda_.Runtime.FROM_IMAGE,
            handler=lambda_.Handler.FROM_IMAGE,
            # The image's: CodeBuild builds it on such a machine.
            architecture=lambda_.Architecture.X86_64,
            code=self._code(handler, image),
            memory_size=MEMORY_MIB,
            timeout=timeout,
            environment=dict(environment),
        )
        self.function.node.add_dependency(image)

    def _code(self, handler: str, image: ContainerImage) -> lambda_.EcrImageCode:
        # An imported repository, since the CDK would let every account's Lambda pull from its own:
        # ContainerImage lets this account's.
        repository = ecr.Repository.from_repository_attributes(
            self,
            "Repository",
            repository_arn=image.repository.repository_arn,
            repository_name=image.repository.repository_name,
        )
        return lambda_.Code.from_ecr_image(
            repository,
            tag_or_digest=image.tag,
            entrypoint=RUNTIME_CLIENT,
            cmd=[f"pipeline_code.lambdas.{handler}.handler.handler"],
        )


def _check_handler(handler: str) -> None:
    if handler not in IMAGE_HANDLERS:
        raise ValueError(
            f"handler must be one of {', '.join(IMAGE_HANDLERS)}, got {handler}; "
            "add it to IMAGE_HANDLERS and to .dockerignore"
        )
