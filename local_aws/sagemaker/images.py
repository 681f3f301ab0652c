"""Images as SageMaker looks at them before it starts a job: with the job's role, in ECR."""

from local_aws import adapter, project_image
from local_aws.sagemaker import containers
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation

_PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def check_job_image(context: Context, image: str, role_arn: str) -> None:
    """Refuse an image that cannot run here, or that a job's role may not pull.

    In the words of CreateTrainingJob (amazon-sagemaker-examples #2534, wpilibsuite/DetectCoral
    #37); that CreateProcessingJob looks as early is a guess, the stricter one.

    Raises:
        ServiceError: Naming the repository, or the image.
    """
    repository = project_image.repository_of(image)
    with adapter.request_scope(context.account, context.region):
        missing = repository is not None and not adapter.repository_exists(repository)
        denied = pull_denied(role_arn, image)
    advice = f"and role {role_arn} has proper pull permissions for SageMaker: {', '.join(_PULL)}"
    if missing:
        raise validation(
            f"Cannot find repository: {repository} in registry ID: {context.account} Please check "
            f"if your ECR repository exists {advice}"
        )
    containers.check_image(context, image)
    if denied is not None:
        raise validation(
            f"Access denied for repository: {repository} in registry ID: {context.account}. Please "
            f"check if your ECR repository and image exist {advice} ({denied})"
        )


def pull_denied(role_arn: str, image: str) -> str | None:
    """Why a role may not pull an image, or None.

    SageMaker's guide, "API: Execution Role Permissions", has these four actions for jobs and
    models; the token is of no repository.
    """
    puller = adapter.Role(arn=role_arn, session="SageMaker")
    arn = project_image.repository_arn(image)
    needs = [*((action, arn) for action in _PULL), ("ecr:GetAuthorizationToken", "*")]
    return next((why for need in needs if (why := puller.denied(*need)) is not None), None)
