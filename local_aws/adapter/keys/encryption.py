"""S3's encryption: hooks in the reading and writing of objects."""

import contextvars
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ministack.services import s3

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.identity.identity import caller_of_key

Headers = dict[str, str]
Response = tuple[int, dict[str, str], bytes]
# (caller, action, bucket, key, the encryption's headers): the response of a refusal, or None.
Denied = Callable[[Caller, str, str, str, Headers], Response | None]

ALGORITHM = "x-amz-server-side-encryption"
KEY_ID = f"{ALGORITHM}-aws-kms-key-id"
BUCKET_KEY = f"{ALGORITHM}-bucket-key-enabled"
CONTEXT = f"{ALGORITHM}-context"
DECRYPT, GENERATE = "kms:Decrypt", "kms:GenerateDataKey"

# Of the request that is being handled: who makes it, and which object it is about.
_caller: contextvars.ContextVar[Caller | None] = contextvars.ContextVar("s3_caller", default=None)
_object: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar(
    "s3_object", default=("", "")
)
_in_parts: contextvars.ContextVar[bool] = contextvars.ContextVar("s3_in_parts", default=False)


def guard_objects(chosen: Callable[[Headers, Headers], Headers | Response], denied: Denied) -> None:
    """Have the use of keys decided with every object that is written or read.

    Requests alone are guarded, not what the server itself writes.

    Args:
        chosen: Function of (headers of the request, encryption that ministack chose) that gives the
            headers to keep with the object, or a refusal.
        denied: Decides a use of the key.
    """
    _remember_requests()
    _guard_writes(chosen, denied)
    _guard_reads(denied)
    _guard_parts(denied)


def bucket_key_enabled(bucket: str) -> bool:
    """Whether a bucket's default encryption uses a bucket key."""
    return "<bucketkeyenabled>true" in str(s3._bucket_encryption.get(bucket, "")).lower()


def current_object() -> tuple[str, str]:
    """Bucket and key of the request that is being handled."""
    return _object.get()


@contextmanager
def acting(caller: Caller | None, bucket: str, key: str) -> Iterator[None]:
    """Read or write an object for somebody, within the server."""
    tokens = _caller.set(caller), _object.set((bucket, key))
    try:
        yield
    finally:
        _caller.reset(tokens[0])
        _object.reset(tokens[1])


def message(body: bytes) -> str:
    """What an error document says."""
    return body.decode(errors="replace").partition("<Message>")[2].partition("</Message>")[0]


def _remember_requests() -> None:
    handle = s3.handle_request

    async def handle_request(
        method: str, path: str, headers: Headers, body: bytes, query_params: Any, *a: Any, **k: Any
    ) -> Any:
        bucket, key = s3._parse_bucket_key(path, headers)
        access_key = s3._request_access_key(method, key, headers, query_params, body)
        _caller.set(None if k.get("internal") else caller_of_key(access_key))
        _object.set((bucket, key))
        return await handle(method, path, headers, body, query_params, *a, **k)

    s3.handle_request = handle_request
    s3._SSE_STORED_HEADERS += (BUCKET_KEY, CONTEXT)


def _guard_writes(chosen: Callable[[Headers, Headers], Headers | Response], denied: Denied) -> None:
    resolve, create = s3._resolve_sse_write_headers, s3._create_multipart_upload

    def resolve_headers(headers: Headers, bucket: str) -> Any:
        if headers.get(ALGORITHM) == "aws:kms" and not headers.get(KEY_ID):
            configured = s3._bucket_default_sse_headers(bucket).get(KEY_ID)
            headers = {**headers, KEY_ID: configured or "alias/aws/s3"}
        found, error = resolve(headers, bucket)
        if error is not None or not str(found.get(ALGORITHM, "")).startswith("aws:kms"):
            # "all new object uploads ... are automatically encrypted" with SSE-S3 (User Guide,
            # "Setting default server-side encryption behavior for Amazon S3 buckets").
            return ({ALGORITHM: "AES256", **found} if error is None else found), error
        kept = chosen(headers, found)
        if isinstance(kept, tuple):
            return None, kept
        # "The requester must have permission to the kms:Decrypt and kms:GenerateDataKey actions on
        # the key" (API reference, CreateMultipartUpload).
        refusal = _ask(denied, GENERATE, kept) or (
            _ask(denied, DECRYPT, kept) if _in_parts.get() else None
        )
        return (None, refusal) if refusal is not None else (kept, None)

    def create_upload(bucket: str, key: str, headers: Headers) -> Any:
        token = _in_parts.set(True)
        try:
            return create(bucket, key, headers)
        finally:
            _in_parts.reset(token)

    s3._resolve_sse_write_headers = resolve_headers
    s3._create_multipart_upload = create_upload


def _guard_reads(denied: Denied) -> None:
    """A read, and the source of a copy, which is another object than the request's."""
    read, copied = s3._check_sse_read_headers, s3._check_sse_c_copy_source
    attributes, head = s3._get_object_attributes, s3._head_object

    def check_read(headers: Headers, found: Any) -> Any:
        return read(headers, found) or _ask(denied, DECRYPT, found.get("preserved_headers") or {})

    def check_source(headers: Headers, found: Any) -> Any:
        refusal = copied(headers, found)
        source = s3.url_unquote(headers.get("x-amz-copy-source", "").partition("?")[0])
        bucket, _, key = source.lstrip("/").partition("/")
        kept = found.get("preserved_headers") or {}
        return refusal or _ask(denied, DECRYPT, kept, (bucket, key))

    def head_object(
        bucket: str, key: str, headers: Headers | None = None, query: Any = None
    ) -> Any:
        # HeadObject needs no kms:Decrypt but for a checksum (API reference, HeadObject:
        # x-amz-checksum-mode).
        if str((headers or {}).get("x-amz-checksum-mode", "")).upper() == "ENABLED":
            return head(bucket, key, headers, query)
        token = _caller.set(None)
        try:
            return head(bucket, key, headers, query)
        finally:
            _caller.reset(token)

    def get_attributes(bucket: str, key: str, headers: Headers, query: Any) -> Any:
        found = s3._buckets.get(bucket, {}).get("objects", {}).get(key, {})
        kept = found.get("preserved_headers") or {}
        return _ask(denied, DECRYPT, kept) or attributes(bucket, key, headers, query)

    s3._check_sse_read_headers, s3._check_sse_c_copy_source = check_read, check_source
    s3._get_object_attributes, s3._head_object = get_attributes, head_object


def _guard_parts(denied: Denied) -> None:
    """Parts, and what they are joined to: "the requester needs permissions for the kms:Decrypt
    action on the UploadPart and UploadPartCopy APIs" (API reference, CreateMultipartUpload)."""
    inner = s3._check_sse_c_part

    def check_part(headers: Headers, upload: Any) -> Any:
        return inner(headers, upload) or _ask(denied, DECRYPT, upload["preserved_headers"])

    s3._check_sse_c_part = check_part


def _ask(
    denied: Denied, action: str, kept: Headers, where: tuple[str, str] | None = None
) -> Response | None:
    caller = _caller.get()
    if caller is None or not str(kept.get(ALGORITHM, "")).startswith("aws:kms"):
        return None
    if not caller.access_key_id:
        return refuse("AccessDenied", "Access Denied: nobody signed the request", 403)
    return denied(caller, action, *(where or _object.get()), kept)


def refuse(code: str, message: str, status: int) -> Response:
    """S3's error document."""
    response: Response = s3._error(code, message, status)
    return response
