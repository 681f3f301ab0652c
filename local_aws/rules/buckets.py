"""S3: names, keys, metadata and policies (S3 User Guide; texts as S3's error list has them)."""

import json
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from itertools import combinations, product
from typing import Any
from urllib.parse import unquote

from local_aws import adapter
from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request
from local_aws.policies import grammar as policies
from local_aws.rules import resource_policies

_KEY_BYTES = 1024
_METADATA_BYTES = 2048
_DELETED = 1000
_PART_BYTES = 5 * 1024 * 1024
# "General purpose bucket naming rules"; -an is for buckets of an account's regional namespace.
_FORBIDDEN = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an")


def refusal(request: Request) -> Refusal | None:
    """Why S3 would refuse a request."""
    if len(str(request.parameters.get("Key", "")).encode()) > _KEY_BYTES:
        return Refusal("KeyTooLongError", "Your key is too long", 400)
    return _CHECKS.get(request.operation, _put)(request)


def _create(request: Request) -> Refusal | None:
    bucket = str(request.parameters.get("Bucket", ""))
    if bucket.startswith(_FORBIDDEN) or bucket.endswith(_RESERVED):
        return Refusal("InvalidBucketName", "The specified bucket is not valid.", 400)
    wanted = re.search(rb"<LocationConstraint>([^<]*)<", request.body)
    if wanted is not None and wanted[1] == b"us-east-1":
        # Of that Region none is given (S3 API Reference, CreateBucketConfiguration).
        words = "The specified location-constraint is not valid"
        return Refusal("InvalidLocationConstraint", words, 400)
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


def policy(bucket: str, text: str, asker: str = "the stack's") -> Refusal | None:
    """Why S3 does not take a bucket's policy of somebody, or None."""
    refused = resource_policies.bucket(bucket, text)
    if refused is not None:
        return refused
    statements = policies.statements(json.loads(text))
    if any(map(_public, statements)) and lookups.blocks_public_policies(bucket):
        # "Troubleshoot access denied (403 Forbidden) errors in Amazon S3".
        words = (
            f"User: {asker} is not authorized to perform: s3:PutBucketPolicy on resource: "
            f'"arn:aws:s3:::{bucket}" because public policies are prevented by the '
            "BlockPublicPolicy setting in S3 Block Public Access."
        )
        return Refusal("AccessDenied", words, 403)
    return None


def _copy(request: Request) -> Refusal | None:
    """A copy of an object to itself changes something (CopyObject)."""
    source = unquote(request.headers.get("x-amz-copy-source", "")).lstrip("/")
    own = f"{request.parameters.get('Bucket')}/{request.parameters.get('Key')}"
    changes = ("x-amz-metadata-directive", "x-amz-storage-class", "x-amz-server-side-encryption")
    if source != own or any(name in request.headers for name in changes):
        return _put(request)
    words = (
        "This copy request is illegal because it is trying to copy an object to itself without "
        "changing the object's metadata, storage class, website redirect location or encryption "
        "attributes."
    )
    return Refusal("InvalidRequest", words, 400)


def _put(request: Request) -> Refusal | None:
    key = "x-amz-server-side-encryption-aws-kms-key-id"
    if key in request.headers and "x-amz-server-side-encryption" not in request.headers:
        words = (
            "Server Side Encryption with AWS KMS managed key requires HTTP header "
            "x-amz-server-side-encryption : aws:kms"
        )
        return Refusal("InvalidArgument", words, 400)
    if "x-amz-tagging" in request.headers and (denied := _tagging_denied(request)) is not None:
        return Refusal("AccessDenied", denied, 403)
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


def _tagging_denied(request: Request) -> str | None:
    """ "you must have ... s3:PutObjectTagging" for an object with tags (PutObject, CopyObject)."""
    arn = f"arn:aws:s3:::{request.parameters.get('Bucket')}/{request.parameters.get('Key')}"
    caller = adapter.caller(dict(request.headers))
    return caller.denied("s3:PutObjectTagging", arn)


def _bucket_policy(request: Request) -> Refusal | None:
    text = request.body.decode(errors="replace")
    asker = adapter.caller(dict(request.headers)).name
    return policy(str(request.parameters.get("Bucket", "")), text, asker)


def _lifecycle(request: Request) -> Refusal | None:
    rules = re.findall(r"<Rule>(.*?)</Rule>", request.body.decode(errors="replace"), re.DOTALL)
    names = [found[1] for rule in rules if (found := re.search(r"<ID>(.*?)</ID>", rule))]
    if len({*names}) < len(names):
        words = "Rule ID must be unique. Found same ID for more than one rule"
        return Refusal("InvalidArgument", words, 400)
    if not all(
        re.search("<(Abort|Expiration|NoncurrentVersion|Transition)", each) for each in rules
    ):
        words = "At least one action needs to be specified in a rule"
        return Refusal("InvalidRequest", words, 400)
    return None


def _delete(request: Request) -> Refusal | None:
    if request.body.count(b"<Object>") <= _DELETED:
        return None
    words = "The XML you provided was not well-formed or did not validate against our published"
    return Refusal("MalformedXML", f"{words} schema", 400)


def _list(request: Request) -> Refusal | None:
    if not str(request.parameters.get("max-keys", "0")).startswith("-"):
        return None
    words = "Argument maxKeys must be an integer between 0 and 2147483647"
    return Refusal("InvalidArgument", words, 400)


def _logging(request: Request) -> Refusal | None:
    found = re.search(rb"<TargetBucket>(.*?)</TargetBucket>", request.body)
    if found is None or lookups.bucket_exists(found[1].decode()):
        return None
    words = "The target bucket for logging does not exist."
    return Refusal("InvalidTargetBucketForLogging", words, 400)


def _notifications(request: Request) -> Refusal | None:
    """ "Configurations on the same bucket cannot share a common event type", but for objects
    that no two of them are about (S3 User Guide, "Examples of valid notification configurations").
    """
    text = request.body.decode(errors="replace")
    kinds = r"<(Queue|Topic|CloudFunction)Configuration>(.*?)</\1Configuration>"
    found = [_notification(each[1]) for each in re.findall(kinds, text, re.DOTALL)]
    if any(_overlap(*pair) for pair in combinations(found, 2)):
        words = "Configurations overlap. Configurations on the same bucket cannot share a common"
        return Refusal("InvalidArgument", f"{words} event type.", 400)
    return None


def _notification(text: str) -> tuple[list[str], str, str]:
    """Events, and the prefix and suffix of the keys that they are of."""
    rules = re.findall(r"<FilterRule>(.*?)</FilterRule>", text, re.DOTALL)
    parts = {"prefix": "", "suffix": ""}
    for rule in rules:
        name, value = (re.search(f"<{tag}>(.*?)</{tag}>", rule) for tag in ("Name", "Value"))
        if name is not None and value is not None:
            parts[name[1].lower()] = value[1]
    return re.findall(r"<Event>(.*?)</Event>", text), parts["prefix"], parts["suffix"]


def _overlap(one: tuple[list[str], str, str], other: tuple[list[str], str, str]) -> bool:
    events = any(fnmatchcase(a, b) or fnmatchcase(b, a) for a, b in product(one[0], other[0]))
    prefixes = one[1].startswith(other[1]) or other[1].startswith(one[1])
    return events and prefixes and (one[2].endswith(other[2]) or other[2].endswith(one[2]))


_CHECKS: dict[str | None, Callable[[Request], Refusal | None]] = {
    "CompleteMultipartUpload": _complete,
    "CopyObject": _copy,
    "CreateBucket": _create,
    "DeleteObjects": _delete,
    "ListObjects": _list,
    "ListObjectsV2": _list,
    "PutBucketLifecycleConfiguration": _lifecycle,
    "PutBucketLogging": _logging,
    "PutBucketNotificationConfiguration": _notifications,
    "PutBucketPolicy": _bucket_policy,
}


def _public(statement: Mapping[str, Any]) -> bool:
    """Everybody, without a condition ("Blocking public access", the meaning of "public")."""
    everybody = statement.get("Principal") in ("*", {"AWS": "*"}, {"AWS": ["*"]})
    return statement.get("Effect") == "Allow" and everybody and not statement.get("Condition")
