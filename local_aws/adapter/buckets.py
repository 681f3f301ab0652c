"""Bucket configurations, through S3's own operations."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import botocore.serialize
import botocore.session
from ministack import app as ms
from ministack.core import iam_actions
from ministack.services import s3
from ministack.services.cloudformation import provisioners

BucketProperties = dict[str, Any]
Headers = dict[str, str] | None
Response = tuple[int, dict[str, str], bytes]

_OPERATIONS: dict[str, Callable[[str, bytes], Any]] = {
    "PutBucketEncryption": s3._put_bucket_encryption,
    "PutBucketLifecycleConfiguration": s3._put_bucket_lifecycle,
    "PutBucketLogging": s3._put_bucket_logging,
    "PutBucketOwnershipControls": s3._put_bucket_ownership_controls,
    "PutBucketTagging": s3._put_bucket_tagging,
}


def put_bucket_configuration(bucket: str, operation: str, parameters: dict[str, Any]) -> None:
    """Call one of S3's PutBucket operations.

    Raises:
        ValueError: If S3 refuses it.
    """
    model = botocore.session.get_session().get_service_model("s3").operation_model(operation)
    serializer = botocore.serialize.create_serializer("rest-xml", include_validation=True)
    request = serializer.serialize_to_request({"Bucket": bucket, **parameters}, model)
    status, _headers, body = _OPERATIONS[operation](bucket, request["body"])
    _check(status, body)


def wrap_bucket_resource(
    apply: Callable[[str, BucketProperties], None],
) -> None:
    """Let a function apply what ministack's AWS::S3::Bucket drops, and refuse non-empty deletes.

    Args:
        apply: Called with the bucket's name and properties after each creation and update.
    """
    handler = provisioners._RESOURCE_HANDLERS["AWS::S3::Bucket"]
    create, update, delete = handler["create"], handler["update"], handler["delete"]

    def create_bucket(logical_id: str, props: BucketProperties, stack_name: str) -> Any:
        created = create(logical_id, props, stack_name)
        apply(created[0], props)
        return created

    def update_bucket(
        physical_id: str, old: BucketProperties, new: BucketProperties, stack_name: str
    ) -> Any:
        updated = update(physical_id, old, new, stack_name)
        apply(updated[0], new)
        return updated

    def delete_bucket(physical_id: str, props: BucketProperties) -> None:
        if physical_id in s3._buckets:
            status, _headers, body = s3._delete_bucket(physical_id)
            _check(status, body)
        delete(physical_id, props)

    handler.update(create=create_bucket, update=update_bucket, delete=delete_bucket)
    # Stack tags and CloudFormation's own reach buckets too; auto-delete looks for one of them.
    provisioners._STACK_TAG_PROPERTY["AWS::S3::Bucket"] = ("Tags", "list")


def hide_what_is_absent() -> None:
    """Refuse, where S3 refuses, to say that an object is not there.

    "If you don't have the s3:ListBucket permission, Amazon S3 returns an HTTP status code 403
    (access denied) error" (API reference, GetObject, HeadObject and, of its source, CopyObject).
    A permission for some prefixes is none here: the request has no prefix.
    """

    def hiding(inner: Callable[..., Response], source: Callable[..., str]) -> Callable[..., Any]:
        def answer(bucket: str, key: str, headers: Headers, *query: Any) -> Response:
            response = inner(bucket, key, headers, *query)
            if response[0] != HTTPStatus.NOT_FOUND:
                return response
            arn = f"arn:aws:s3:::{source(bucket, headers)}"
            denied: Response | None = ms._enforce_data_plane(
                "s3", "s3:ListBucket", headers or {}, {}, "", arn, named_resource=f'"{arn}"'
            )
            return denied or response

        return answer

    def of_copy(_bucket: str, headers: Headers) -> str:
        return unquote((headers or {}).get("x-amz-copy-source", "")).lstrip("/").partition("/")[0]

    def itself(bucket: str, _headers: Headers) -> str:
        return bucket

    s3._get_object = hiding(s3._get_object, itself)
    s3._head_object = hiding(s3._head_object, itself)
    s3._copy_object = hiding(s3._copy_object, of_copy)


def ask_for_deletions() -> None:
    """Ask for what each object, and each version, that a request deletes takes.

    To delete an object one "must always" have s3:DeleteObject, and s3:DeleteObjectVersion besides
    for one of its versions (S3's model in botocore, DeleteObject and DeleteObjects).
    """
    inner = iam_actions.s3_additional_checks

    def s3_additional_checks(
        method: str, path: str, headers: Any, body: bytes, query: Any
    ) -> list[tuple[str, str]]:
        checks: list[tuple[str, str]] = inner(method, path, headers, body, query)
        bucket, _, key = path.lstrip("/").partition("/")
        if iam_actions._s3_action(method, path, query) == "DeleteObjectVersion":
            checks.append(("s3:DeleteObject", f"arn:aws:s3:::{bucket}/{key}"))
        if method == "POST" and "delete" in query:
            for arn, version in iam_actions._s3_batch_delete_targets(bucket, body):
                checks.append(("s3:DeleteObject", arn))
                if version:
                    checks.append(("s3:DeleteObjectVersion", arn))
        return checks

    iam_actions.s3_additional_checks = s3_additional_checks


def answer_as_documented() -> None:
    """Give objects S3's default type, and tell their checksums when they are put.

    "If you don't specify the content type ... binary/octet-stream" (S3 User Guide, "Working with
    object metadata"); "x-amz-checksum-crc32" and its kin are response headers of PutObject.
    """
    put, create = s3._put_object, s3._create_multipart_upload

    def put_object(bucket: str, key: str, body: bytes, headers: dict[str, str]) -> Any:
        status, answered, text = put(bucket, key, body, _typed(headers))
        if status == HTTPStatus.OK:
            record = s3._buckets[bucket]["objects"][key]
            answered = {**answered, **_checksums(record.get("checksums") or {})}
        return status, answered, text

    s3._put_object = put_object
    s3._create_multipart_upload = lambda bucket, key, headers: create(bucket, key, _typed(headers))


def _typed(headers: dict[str, str]) -> dict[str, str]:
    return {"content-type": "binary/octet-stream", **headers}


def _checksums(known: Mapping[str, str]) -> dict[str, str]:
    found = {f"x-amz-checksum-{name.lower()}": value for name, value in known.items()}
    return found | ({"x-amz-checksum-type": "FULL_OBJECT"} if found else {})


def _check(status: int, body: bytes | str) -> None:
    if status >= 300:  # noqa: PLR2004 - HTTP's success range
        text = body.decode() if isinstance(body, bytes) else body
        message = text.partition("<Message>")[2].partition("</Message>")[0]
        raise ValueError(message or text[:300])
