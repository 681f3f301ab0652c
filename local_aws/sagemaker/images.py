"""Images as SageMaker looks at them before it starts a job: with the job's role, in ECR."""

from local_aws import adapter
from local_aws.containers import project_image
from local_aws.guesses import Guess, guessed
from local_aws.sagemaker import containers
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import validation

PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


def check_job_image(context: Context, image: str, role_arn: str, *guesses: Guess) -> None:
    """Refuse an image that cannot run here, or that a job's role may not pull.

    In the words of CreateTrainingJob (amazon-sagemaker-examples #2534, wpilibsuite/DetectCoral
    #37).

    Args:
        context: Shared state.
        image: The image's address.
        role_arn: The job's role.
        guesses: What of a refusal AWS does not document.

    Raises:
        ServiceError: Naming the repository, or the image.
    """
    repository = project_image.repository_of(image)
    with adapter.request_scope(context.account, context.region):
        missing = repository is not None and not adapter.repository_exists(repository)
        denied = pull_denied(role_arn, image)
    advice = f"and role {role_arn} has proper pull permissions for SageMaker: {', '.join(PULL)}"
    if missing:
        words = f"Cannot find repository: {repository} in registry ID: {context.account} Please "
        raise validation(guessed(f"{words}check if your ECR repository exists {advice}", *guesses))
    containers.check_image(context, image)
    if denied is not None:
        words = f"Access denied for repository: {repository} in registry ID: {context.account}. "
        words += f"Please check if your ECR repository and image exist {advice} ({denied})"
        raise validation(guessed(words, *guesses))


def pull_denied(role_arn: str, image: str) -> str | None:
    """Why a role may not pull an image, or None.

    Developer Guide, "SageMaker Roles" (CreateTrainingJob, CreateProcessingJob and CreateModel API:
    Execution Role Permissions): these three actions and the token, which is of no repository.
    """
    puller = adapter.Role(arn=role_arn, session="SageMaker")
    arn = project_image.repository_arn(image)
    needs = [*((action, arn) for action in PULL), ("ecr:GetAuthorizationToken", "*")]
    return next((why for need in needs if (why := puller.denied(*need)) is not None), None)
