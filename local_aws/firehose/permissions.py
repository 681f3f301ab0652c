"""The permissions that a delivery stream's roles need, as Firehose documents them.

Firehose Developer Guide, "Controlling access with Amazon Data Firehose" ("Grant Firehose access to
an Amazon S3 destination" and its siblings): all of an S3 destination's actions are wanted for each
object (`Guess.ALL_OF_FIREHOSE`). A destination's key is asked about by S3, where the object is put.
"""

from collections.abc import Iterable

from local_aws import adapter
from local_aws.firehose.settings import DeliverySettings
from local_aws.guesses import Guess, guessed
from local_aws.policies.passed_roles import firehose_service

SOURCE = ("DescribeStream", "GetRecords", "GetShardIterator", "ListShards")
TABLE = ("GetTable", "GetTableVersion", "GetTableVersions")
FUNCTION = ("GetFunctionConfiguration", "InvokeFunction")
BUCKET = ("GetBucketLocation", "ListBucket", "ListBucketMultipartUploads")
OBJECT = ("AbortMultipartUpload", "GetObject", "PutObject")


def source_denied(settings: DeliverySettings) -> str | None:
    """Why the Kinesis stream may not be read, or None."""
    if settings.source is None:
        return None
    return _denied(settings.source_role, "kinesis", SOURCE, [settings.source])


def table_denied(settings: DeliverySettings) -> str | None:
    """Why the schema may not be read, or None."""
    conversion = settings.conversion
    if conversion is None:
        return None
    return _denied(conversion.role, "glue", TABLE, conversion.arns)


def function_denied(settings: DeliverySettings) -> str | None:
    """Why the function may not be invoked, or None."""
    if settings.transformation is None:
        return None
    return _denied(settings.role, "lambda", FUNCTION, [settings.transformation.function])


def object_denied(settings: DeliverySettings, key: str) -> str | None:
    """Why an object may not be written, or None."""
    bucket = f"arn:aws:s3:::{settings.bucket}"
    denied = _denied(settings.role, "s3", BUCKET, [bucket]) or _denied(
        settings.role, "s3", OBJECT, [f"{bucket}/{key}"]
    )
    return None if denied is None else guessed(denied, Guess.ALL_OF_FIREHOSE)


def _denied(
    role_arn: str, service: str, actions: Iterable[str], resources: Iterable[str]
) -> str | None:
    if (reason := firehose_service().not_trusted(role_arn)) is not None:
        return reason
    role = adapter.Role(arn=role_arn, session="firehose")
    for resource in resources:
        for action in actions:
            if (denied := role.denied(f"{service}:{action}", resource)) is not None:
                return denied
    return None
