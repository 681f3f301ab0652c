"""Lambda functions of the project's image: the handler's module, out of the image's code.

In the cloud such a function is a container whose entry point is Lambda's runtime interface client,
with the handler as its command. Here the handler runs in a worker process like any other function.
"""

import os
from collections.abc import Sequence
from typing import Any

from local_aws import adapter
from local_aws.adapter.creations import (
    ACCESS_DENIED,
    CreationRefusal,
    CreationRequest,
    check_requests,
    check_templates,
)
from local_aws.containers import built_images, confinement, project_image
from local_aws.guesses import Guess, guessed

# What runs the image's functions in the cloud; CreateFunction's ImageConfig.EntryPoint.
RUNTIME_CLIENT = ("-m", "awslambdaric")


_TYPE = "AWS::Lambda::Function"
_PULL = ("ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
_CHANGE_POLICY = ("ecr:GetRepositoryPolicy", "ecr:SetRepositoryPolicy")


def install() -> None:
    """Run functions with `PackageType: Image` as worker processes."""
    adapter.keep_workers_that_raise()
    adapter.run_image_functions(refusal, local_configuration)
    check_requests(("lambda",), pull_refusal)
    check_templates((_TYPE,), pull_refusal)


def pull_refusal(asked: CreationRequest) -> CreationRefusal | None:
    """Why an image may not be pulled: by Lambda for the function, or by who makes it; or None.

    "the user permission to access the image MUST be configured" (Lambda Developer Guide,
    "Identity-based IAM policies for Lambda"); and if the repository's policy does not let Lambda,
    Lambda adds what is missing, if the caller may ("Amazon ECR permissions"). The second refusal is
    in AWS's words (mongodb/mongodbatlas-cloudformation-resources #316).
    """
    operations = {"lambda:CreateFunction", "lambda:UpdateFunctionCode", _TYPE}
    image = (asked.document.get("Code") or asked.document).get("ImageUri")
    if not image or asked.action not in operations or not project_image.is_ours(str(image)):
        return None  # `refusal` says so
    arn = project_image.repository_arn(str(image))
    repository = arn.partition(":repository/")[2]
    actor = asked.actor
    if actor is not None and any(actor.denied(action, arn) for action in _PULL):
        message = "Your access has been denied by ECR, please check your request permissions."
        return CreationRefusal(ACCESS_DENIED, guessed(message, Guess.WORDS))
    place = f"arn:aws:lambda:{adapter.current_region()}:{adapter.current_account()}:function:"
    name = str(asked.document.get("FunctionName") or asked.name)
    name = name.rpartition(":function:")[2]
    service = adapter.Service(name="lambda.amazonaws.com", source_arn=f"{place}{name}")
    if not any(service.denied(action, arn) for action in _PULL):
        return None
    if actor is None or any(actor.denied(action, arn) for action in _CHANGE_POLICY):
        message = "Lambda does not have permission to access the ECR image. Check the ECR "
        return CreationRefusal(ACCESS_DENIED, message + "permissions.")
    statement = {
        "Sid": "LambdaECRImageRetrievalPolicy",
        "Effect": "Allow",
        "Principal": {"Service": service.name},
        "Action": list(_PULL),
        "Condition": {"StringLike": {"aws:sourceArn": f"{place}*"}},
    }
    adapter.let_lambda_pull(repository, statement)
    return None


def refusal(image: str | None, configuration: dict[str, Any] | None) -> str | None:
    """Why a function cannot run here, or None.

    Args:
        image: The image's URI, or None if it stays as it is.
        configuration: The ImageConfig, or None if it stays as it is.
    """
    if image is not None and not project_image.is_ours(image):
        return f"The embedded AWS does not support the image '{image}'; {project_image.ONLY_OURS}"
    if configuration is None:
        return None
    entrypoint = configuration.get("EntryPoint") or project_image.IMAGE_ENTRYPOINT
    if not project_image.is_python(entrypoint) or tuple(entrypoint[1:3]) != RUNTIME_CLIENT:
        return (
            f"ImageConfig.EntryPoint must be python -m awslambdaric, got {' '.join(entrypoint)}; "
            "the image's own entry point does not serve Lambda"
        )
    command = _command(configuration, entrypoint)
    if len(command) != 1 or "." not in command[0]:
        return (
            f"ImageConfig.Command must be one handler, got {command}; "
            "name it as module.function, such as pipeline_code.lambdas.name.handler.handler"
        )
    return None


def local_configuration(config: dict[str, Any]) -> dict[str, Any]:
    """The Python function that stands for one of the image, from its configuration."""
    image = config["ImageConfigResponse"]["ImageConfig"]
    variables = (config.get("Environment") or {}).get("Variables") or {}
    program = built_images.program(config["ImageUri"])
    code = confinement.PROGRAM if confinement.refusal() is None else str(program)
    paths = [code, *filter(None, [variables.get("PYTHONPATH")])]
    return {
        "Runtime": "python3.13",  # the image's; it is this interpreter, whatever its version
        "Handler": _command(image, image["EntryPoint"])[0],
        "Environment": {"Variables": {**variables, "PYTHONPATH": os.pathsep.join(paths)}},
    }


def _command(configuration: dict[str, Any], entrypoint: Sequence[str]) -> list[str]:
    """What the runtime interface client is started with."""
    return [*entrypoint[3:], *(configuration.get("Command") or ())]
