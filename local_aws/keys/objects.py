"""S3's objects under KMS keys: who writes one needs a data key, who reads one its decryption.

S3 User Guide, "Using server-side encryption with AWS KMS keys (SSE-KMS)": S3 asks KMS on behalf of
the requester, with the object's ARN as encryption context, or the bucket's where it uses a bucket
key.
"""

import base64
import json

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.keys import encryption
from local_aws.adapter.keys.encryption import (
    ALGORITHM,
    BUCKET_KEY,
    CONTEXT,
    DECRYPT,
    GENERATE,
    KEY_ID,
    Headers,
    Response,
    refuse,
)
from local_aws.adapter.keys.keys import find_key
from local_aws.keys.use import Refusal, unusable, use_denied

_ARN = "aws:s3:arn"


def install() -> None:
    """Guard every write and read of an object."""
    encryption.guard_objects(_chosen, _denied)


def _chosen(headers: Headers, found: Headers) -> Headers | Response:
    """The encryption to keep with an object: its key by ARN, its context, its bucket key.

    Of a key that is absent or cannot be used S3 says so before it asks for permissions.
    """
    if found[ALGORITHM] != "aws:kms":
        return refuse("NotImplemented", f"{found[ALGORITHM]} is not supported here", 501)
    reference = found.get(KEY_ID) or "alias/aws/s3"
    if (why := unusable(reference)) is not None:
        return _refusal(why)
    key = find_key(reference)
    kept = {ALGORITHM: "aws:kms", KEY_ID: key.arn if key is not None else reference}
    bucket = encryption.current_object()[0]
    asked = headers.get(BUCKET_KEY)
    if asked.lower() == "true" if asked is not None else encryption.bucket_key_enabled(bucket):
        kept[BUCKET_KEY] = "true"
    if CONTEXT in headers:
        if _pairs(headers[CONTEXT]) is None:
            return refuse(
                "InvalidArgument",
                f"The header '{CONTEXT}' shall be Base64-encoded UTF-8 string holding JSON which "
                "represents a string-string map",
                400,
            )
        kept[CONTEXT] = headers[CONTEXT]
    return kept


def _denied(caller: Caller, action: str, bucket: str, key: str, kept: Headers) -> Response | None:
    arn, bucket_key = f"arn:aws:s3:::{bucket}", kept.get(BUCKET_KEY) == "true"
    context = {_ARN: arn if bucket_key else f"{arn}/{key}", **(_pairs(kept.get(CONTEXT, "")) or {})}
    # With a bucket key a write decrypts too: "The call to kms:Decrypt verifies the integrity of the
    # S3 Bucket Key before using it" (S3 User Guide, "Reducing the cost of SSE-KMS with Amazon S3
    # Bucket Keys").
    actions = [GENERATE, DECRYPT] if bucket_key and action == GENERATE else [action]
    for each in actions:
        why = use_denied(caller, each, kept[KEY_ID], via="s3", context=context)
        if why is not None:
            return _refusal(why)
    return None


def _refusal(why: Refusal) -> Response:
    """S3's error for KMS's."""
    if why.code == "AccessDeniedException":
        return refuse("AccessDenied", why.message, 403)
    return refuse(f"KMS.{why.code}", why.message, 400)


def _pairs(header: str) -> dict[str, str] | None:
    """An encryption context as a header holds it; None if it is none."""
    if not header:
        return {}
    try:
        found = json.loads(base64.b64decode(header, validate=True))
    except ValueError:
        return None
    texts = isinstance(found, dict) and all(isinstance(value, str) for value in found.values())
    return found if texts and _ARN not in found else None
