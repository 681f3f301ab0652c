"""The roles that requests name: whether SageMaker may be handed them, and may assume them."""

from collections.abc import Iterator, Mapping
from typing import Any

from botocore.model import ListShape, Shape, StructureShape

from local_aws import adapter
from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess, guessed
from local_aws.sagemaker.arns import kind_of
from local_aws.sagemaker.errors import ServiceError, validation

PRINCIPAL = "sagemaker.amazonaws.com"
# Of models and endpoints (and of packages) a trust policy cannot name one: "Do not replace the
# aws:SourceArn in this template with the full ARN of a specific model or endpoint ... The asterisk
# in the ARN template does not stand for wildcard" (Developer Guide, "Cross-Service Confused Deputy
# Prevention", SageMaker Inference and SageMaker Marketplace).
_UNNAMED = ("endpoint", "endpoint-config", "model", "model-package")
# Of these, public failures say that the role is looked at when it is given: CreateTrainingJob, and
# CreateTransformJob (awslabs/predictive-maintenance-using-machine-learning #3).
_LOOKED_AT = ("CreateTrainingJob", "CreateTransformJob")


def named(value: Any, shape: Shape | None) -> Iterator[str]:
    """The roles of a request, wherever in it they are."""
    if isinstance(shape, StructureShape):
        for name, member in value.items():
            if name in shape.members:
                yield from named(member, shape.members[name])
    elif isinstance(shape, ListShape):
        for member in value:
            yield from named(member, shape.member)
    elif shape is not None and shape.name == "RoleArn":
        yield value


def principal(account: str, source_arn: str | None) -> adapter.Service:
    """SageMaker, with the keys that it supplies when it assumes a role.

    Developer Guide, "Cross-Service Confused Deputy Prevention": it has examples with aws:SourceArn
    for training, processing and transform jobs, inference and pipelines, and none for feature
    groups (`Guess.FEATURE_SOURCE`).

    Args:
        account: This account.
        source_arn: What it acts for; None if it says for nothing.
    """
    if source_arn is not None and kind_of(source_arn) in _UNNAMED:
        source_arn = f"{source_arn.rsplit(':', 1)[0]}:*"
    return adapter.Service(
        name=PRINCIPAL,
        source_arn=source_arn,
        source_account=None if source_arn is None else account,
    )


def guesses(operation: str) -> tuple[Guess, ...]:
    """What of the refusal of an operation's role AWS does not document."""
    unnamed = (Guess.FEATURE_SOURCE,) if "FeatureGroup" in operation else ()
    return unnamed if operation in _LOOKED_AT else (*unnamed, Guess.ROLE_AT_ONCE)


def source_of(operation: str, request: Mapping[str, Any], subject: str | None) -> str | None:
    """As which source SageMaker assumes the roles of a request.

    Args:
        operation: Such as `CreateTrainingJob`.
        request: Its request.
        subject: The ARN of what it makes or changes.
    """
    if "FeatureGroup" in operation and plays("feature-group-source", "unnamed"):
        return None
    if "Pipeline" in operation and subject is not None:
        # The guide's example is "pipeline/mypipeline/*": executions assume the role.
        return f"{subject}/execution/{'0' * 12}"
    if operation == "CreateHyperParameterTuningJob" and subject is not None:
        # Its training jobs assume it.
        head = subject.partition(":hyper-parameter-tuning-job/")[0]
        return f"{head}:training-job/{request['HyperParameterTuningJobName']}-001-00000000"
    return subject


def not_assumable(role_arn: str, reason: str, *guesses: Guess) -> ServiceError:
    """The refusal of a role, in SageMaker's words (awslabs/predictive-maintenance-using-
    machine-learning #3, of CreateTransformJob), and why it is refused here."""
    words = (
        f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
        f"principal '{PRINCIPAL}' to assume the role. ({reason})"
    )
    return validation(guessed(words, *guesses))
