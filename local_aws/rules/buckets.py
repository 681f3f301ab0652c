"""S3: names, keys, metadata and policies (S3 User Guide, of the rules' names)."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws import policies
from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request
from local_aws.rules import resource_policies

_KEY_BYTES = 1024
_METADATA_BYTES = 2048
_PART_BYTES = 5 * 1024 * 1024
# "Bucket naming rules", of general purpose buckets.
_FORBIDDEN = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def refusal(request: Request) -> Refusal | None:
    """Why S3 would refuse a request."""
    bucket, key = request.parameters.get("Bucket", ""), request.parameters.get("Key", "")
    if len(str(key).encode()) > _KEY_BYTES:
        return Refusal("KeyTooLongError", "Your key is too long", 400)
    if request.operation == "CreateBucket":
        return _create(str(bucket), request)
    if request.operation == "PutBucketPolicy":
        return policy(str(bucket), request.body.decode(errors="replace"))
    if request.operation == "CompleteMultipartUpload":
        return _complete(request)
    prefix = "x-amz-meta-"
    # "the user-defined metadata is limited to 2 KB in size ... the sum of the number of bytes in
    # the UTF-8 encoding of each key and value" (Working with object metadata).
    size = sum(
        len(name.removeprefix(prefix).encode()) + len(value.encode())
        for name, value in request.headers.items()
        if name.startswith(prefix)
    )
    if size > _METADATA_BYTES:
        words = "Your metadata headers exceed the maximum allowed metadata size"
        return Refusal("MetadataTooLarge", words, 400)
    return None


def _create(bucket: str, request: Request) -> Refusal | None:
    if bucket.startswith(_FORBIDDEN) or bucket.endswith(_RESERVED):
        return Refusal("InvalidBucketName", "The specified bucket is not valid.", 400)
    wanted = re.search(rb"<LocationConstraint>([^<]*)<", request.body)
    if wanted is not None and wanted[1].decode() not in ("", request.region):
        words = (
            f"The {wanted[1].decode()} location constraint is incompatible for the region "
            "specific endpoint this request was sent to."
        )
        return Refusal("IllegalLocationConstraintException", words, 400)
    return None


def _complete(request: Request) -> Refusal | None:
    """Parts are in order, and of 5 MiB but for the last ("Amazon S3 multipart upload limits")."""
    numbers = [int(number) for number in re.findall(rb"<PartNumber>(\d+)<", request.body)]
    if numbers != sorted({*numbers}):
        words = (
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        )
        return Refusal("InvalidPartOrder", words, 400)
    sizes = lookups.part_sizes(str(request.parameters.get("uploadId", "")))
    if any(sizes.get(number, _PART_BYTES) < _PART_BYTES for number in numbers[:-1]):
        words = "Your proposed upload is smaller than the minimum allowed size"
        return Refusal("EntityTooSmall", words, 400)
    return None


def policy(bucket: str, text: str) -> Refusal | None:
    """Why S3 does not take a bucket's policy, or None."""
    refused = resource_policies.bucket(bucket, text)
    if refused is not None:
        return refused
    statements = policies.statements(json.loads(text))
    if any(map(_public, statements)) and lookups.blocks_public_policies(bucket):
        words = (
            "Access Denied: public policies are prevented by the BlockPublicPolicy setting in S3 "
            "Block Public Access."
        )
        return Refusal("AccessDenied", words, 403)
    return None


def _public(statement: Mapping[str, Any]) -> bool:
    """Everybody, without a condition ("Blocking public access", the meaning of "public")."""
    everybody = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return statement.get("Effect") == "Allow" and everybody and not statement.get("Condition")
