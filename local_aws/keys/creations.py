"""Keys given to what is made: those that cannot be used are refused, and those of no avail here."""

from collections.abc import Mapping
from typing import Any

from local_aws.adapter.keys import keyed_creations
from local_aws.adapter.keys.keyed import Refused
from local_aws.guesses import Guess, guessed
from local_aws.keys.names import named
from local_aws.keys.use import unusable

# They take any key, and say so when it is used: "Amazon S3 doesn't validate the KMS key ID provided
# in PutBucketEncryption requests" (API reference); of CreateQueue's and CreateTopic's errors none
# is KMS's, of SendMessage's and Publish's six are (botocore's models).
_LATER = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::SNS::Topic")
_CHECKED = ("athena", "codebuild", "firehose")
# Guarded themselves, or without keys of their own: all others keep nothing under a key here.
_OTHERS = frozenset(
    {"application-autoscaling", "cloudformation", "ecr", "iam", "kinesis", "kms", "logs"}
    | {"s3", "sagemaker", "sns", "sqs", "ssm", "sts"}
)
_STREAM = {
    "NotFoundException": "KMSNotFoundException",
    "DisabledException": "KMSDisabledException",
}
_TYPES = (
    *("AWS::Athena::", "AWS::CodeBuild::", "AWS::ECR::", "AWS::Kinesis::", "AWS::KMS::"),
    *("AWS::KinesisFirehose::", "AWS::Logs::", "AWS::SageMaker::", "AWS::IAM::", "Custom::"),
    "AWS::CloudFormation::",
)


_UNSURE = ("AWS::Athena::", "AWS::CodeBuild::", "AWS::SageMaker::")


def install() -> None:
    """Guard templates, and requests of the services that are not guarded elsewhere."""
    keyed_creations.guard_templates(_of_template)
    keyed_creations.guard_stream_keys(_of_stream)
    keyed_creations.guard_requests(_CHECKED, _of_request)
    unsupported = keyed_creations.services() - {*_CHECKED, *_OTHERS}
    keyed_creations.guard_requests(unsupported, _of_other_service)


def _of_template(resource_type: str, properties: Mapping[str, Any]) -> Refused:
    if resource_type in _LATER or resource_type.startswith(("AWS::KMS::", "AWS::IAM::")):
        return None
    for key in named(properties):
        if not resource_type.startswith(_TYPES):
            return _refused(f"of {resource_type}", key)
        if (why := unusable(key)) is not None:
            words = f"{why.message} ({resource_type} takes no key that cannot be used)"
            unsure = (Guess.KEY_AT_ONCE,) if resource_type.startswith(_UNSURE) else ()
            return why.code, guessed(words, *unsure)
    return None


def _of_stream(key: str) -> Refused:
    why = unusable(key)
    if why is None:
        return None
    return _STREAM.get(why.code, "KMSInvalidStateException"), why.message


def _of_request(service: str, request: dict[str, Any]) -> Refused:
    """Of Firehose, CreateDeliveryStream and StartDeliveryStreamEncryption document the error."""
    for key in named(request):
        if (why := unusable(key)) is not None:
            if service == "firehose":
                return "InvalidKMSResourceException", why.message
            return "ValidationException", guessed(why.message, Guess.KEY_AT_ONCE)
    return None


def _of_other_service(service: str, request: dict[str, Any]) -> Refused:
    for key in named(request):
        if "alias/aws/" not in key:
            return _refused(f"of {service}", key)
    return None


def _refused(what: str, key: str) -> tuple[str, str]:
    return (
        "ValidationException",
        f"The embedded AWS does not support customer-managed keys {what}; leave {key} out",
    )
