"""The permissions that a request needs beyond its own action on its first resource.

The Service Authorization Reference of SageMaker lists an action's resources; of several, all must
be allowed. Tags of a creation are added by `sagemaker:AddTags` ("is not authorized to perform:
sagemaker:AddTags on resource: ...:processing-job/...", of a CreateProcessingJob: public texts).
"""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import OperationModel

from local_aws.behaviours.playing import plays
from local_aws.containers import project_image
from local_aws.guesses import Guess
from local_aws.sagemaker import arns, images, roles

Need = tuple[str, str, dict[str, Any]]


def further(
    operation: OperationModel, request: Mapping[str, Any], region: str, account: str
) -> Iterator[Need]:
    """Actions, the resources they are done to, and the condition keys they come with.

    Args:
        operation: The operation, whose own action on its first resource IAM has allowed.
        request: Its request.
        region: This region.
        account: This account.
    """
    name = operation.name
    subjects = arns.subjects(name, request, region, account)
    for arn in subjects[1:]:
        yield f"sagemaker:{name}", arn, {}
    for role in roles.named(request, operation.input_shape):
        yield "iam:PassRole", role, {"iam:PassedToService": roles.PRINCIPAL}
    if (place := request.get("PipelineDefinitionS3Location")) is not None:
        # What the registry's schema of AWS::SageMaker::Pipeline lists for its handlers.
        yield "s3:GetObject", f"arn:aws:s3:::{place['Bucket']}/{place['ObjectKey']}", {}
    if name == "CreateModelPackage" and plays("packages-read", "needed"):
        yield from _registered(request)
    if name.startswith("Create") and request.get("Tags") and subjects:
        yield "sagemaker:AddTags", subjects[0], _tagging(name, request["Tags"])


def guesses(operation: str, action: str) -> tuple[Guess, ...]:
    """What a denial of something further rests on."""
    if action == "sagemaker:ListModelPackages":
        return (Guess.GROUP_OF_PACKAGES,)
    if operation == "CreateModelPackage" and not action.startswith("sagemaker:"):
        return (Guess.PACKAGES_READ,)
    return ()


def _registered(request: Mapping[str, Any]) -> Iterator[Need]:
    """That who registers a package may read its artifacts and pull its images.

    CreateModelPackage looks whether they are there, and no role is given that it could look as.
    """
    for container in request.get("InferenceSpecification", {}).get("Containers", ()):
        if (data := str(container.get("ModelDataUrl", ""))).startswith("s3://"):
            yield "s3:GetObject", f"arn:aws:s3:::{data.removeprefix('s3://')}", {}
        if project_image.repository_of(container["Image"]) is not None:
            arn = project_image.repository_arn(container["Image"])
            yield from ((action, arn, {}) for action in images.PULL)
            yield "ecr:GetAuthorizationToken", "*", {}


def _tagging(operation: str, tags: list[Mapping[str, str]]) -> dict[str, Any]:
    """The condition keys of tags that come with a creation."""
    keys = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    named = [tag["Key"] for tag in tags]
    return {**keys, "aws:TagKeys": named, "sagemaker:TaggingAction": operation}
