"""Firehose's delivery to S3 in place of ministack's, which writes an object per record."""

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import firehose
from ministack.services.cloudformation import provisioners

from local_aws.adapter.cloudformation import stacks

DeliveryStream = dict[str, Any]
Request = dict[str, Any]
_TYPE = "AWS::KinesisFirehose::DeliveryStream"
_S3 = ("ExtendedS3", "S3")
_UPDATE = "ExtendedS3DestinationUpdate"
_DESTINATION = "ExtendedS3DestinationConfiguration"


@dataclass(frozen=True, slots=True)
class Hooks:
    """What serves delivery streams to S3.

    Args:
        refusal: From a delivery stream as it would be to the reason not to have it.
        created: Told of a new delivery stream, before anything can be put.
        put: Keeps records; gives an identifier of each.
        deleting: Told of a delivery stream that is about to be deleted.
    """

    refusal: Callable[[DeliveryStream], str | None]
    created: Callable[[DeliveryStream], None]
    put: Callable[[DeliveryStream, list[bytes]], list[str]]
    deleting: Callable[[DeliveryStream], None]


def take_over(hooks: Hooks) -> None:
    """Have hooks serve delivery streams to S3; those to elsewhere stay ministack's."""
    firehose.ingest_from_kinesis_source = lambda _stream_arn, _records: None
    _wrap_lifecycle(hooks)
    _wrap_puts(hooks)
    _wrap_templates(hooks)


def delivery_streams() -> list[DeliveryStream]:
    """The delivery streams to S3 in the current account and region."""
    return [stream for stream in firehose._streams.values() if _to_s3(stream)]


def find(name: str) -> DeliveryStream | None:
    """A delivery stream by its name."""
    stream: DeliveryStream | None = firehose._streams.get(name)
    return stream


def _to_s3(stream: DeliveryStream) -> bool:
    return any(destination["type"] in _S3 for destination in stream["destinations"])


def _replace(operation: str, function_name: str, function: Callable[[Request], Any]) -> None:
    firehose._HANDLERS[operation] = function
    setattr(firehose, function_name, function)


def _wrap_lifecycle(hooks: Hooks) -> None:
    create, delete = firehose._create_delivery_stream, firehose._delete_delivery_stream
    update = firehose._update_destination

    def create_delivery_stream(request: Request) -> Any:
        answer = create(request)
        stream = find(request.get("DeliveryStreamName", ""))
        if answer[0] >= 300 or stream is None or not _to_s3(stream):  # noqa: PLR2004
            return answer
        reason = hooks.refusal(stream)
        if reason is not None:
            delete(request)
            return _refused(reason)
        hooks.created(stream)
        return answer

    def delete_delivery_stream(request: Request) -> Any:
        stream = find(request.get("DeliveryStreamName", ""))
        if stream is not None and _to_s3(stream):
            hooks.deleting(stream)
        return delete(request)

    def update_destination(request: Request) -> Any:
        stream = find(request.get("DeliveryStreamName", ""))
        if stream is not None and _to_s3(stream) and _UPDATE in request:
            (destination,) = stream["destinations"]
            config = {**destination["config"], **request[_UPDATE]}
            changed = {**stream, "destinations": [{**destination, "config": config}]}
            reason = hooks.refusal(changed)
            if reason is not None:
                return _refused(reason)
        return update(request)

    _replace("CreateDeliveryStream", "_create_delivery_stream", create_delivery_stream)
    _replace("DeleteDeliveryStream", "_delete_delivery_stream", delete_delivery_stream)
    _replace("UpdateDestination", "_update_destination", update_destination)


def _wrap_puts(hooks: Hooks) -> None:
    put_record, put_batch = firehose._put_record, firehose._put_record_batch

    def put(request: Request, records: list[Request]) -> list[str]:
        stream = find(request["DeliveryStreamName"])
        if stream is None or stream["type"] != "DirectPut":
            raise ValueError("this operation is not permitted on KinesisStreamAsSource")
        return hooks.put(stream, [_decoded(record.get("Data", "")) for record in records])

    def serve(inner: Callable[[Request], Any], answer: Callable[[Request], Request]) -> Any:
        def served(request: Request) -> Any:
            stream = find(request.get("DeliveryStreamName", ""))
            if stream is None or not _to_s3(stream):
                return inner(request)
            try:
                return responses.json_response({**answer(request), "Encrypted": False})
            except ValueError as error:
                return _refused(str(error))

        return served

    def one(request: Request) -> Request:
        return {"RecordId": put(request, [request.get("Record", {})])[0]}

    def several(request: Request) -> Request:
        records = request.get("Records", [])
        if not 1 <= len(records) <= 500:  # noqa: PLR2004 - Firehose's limit
            raise ValueError(f"Records must be 1 to 500, got {len(records)}")
        answers = [{"RecordId": identifier} for identifier in put(request, records)]
        return {"FailedPutCount": 0, "RequestResponses": answers}

    _replace("PutRecord", "_put_record", serve(put_record, one))
    _replace("PutRecordBatch", "_put_record_batch", serve(put_batch, several))


def _wrap_templates(hooks: Hooks) -> None:
    """CloudFormation changes destinations without the API's operation."""
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]
    create, update = handler["create"], handler["update"]

    def create_delivery_stream(logical_id: str, props: Request, stack_name: str) -> Any:
        try:
            return create(logical_id, props, stack_name)
        except ValueError as error:
            raise ValueError(_message(str(error))) from error

    def update_delivery_stream(
        physical_id: str, old: Request, new: Request, stack_name: str
    ) -> Any:
        stream = find(physical_id)
        if stream is not None and _to_s3(stream) and _DESTINATION in new:
            (destination,) = stream["destinations"]
            changed = {**destination, "config": new[_DESTINATION]}
            reason = hooks.refusal({**stream, "destinations": [changed]})
            if reason is not None:
                raise ValueError(reason)
        return update(physical_id, old, new, stack_name)

    handler.update(create=create_delivery_stream, update=update_delivery_stream)
    provisioners._STACK_TAG_PROPERTY[_TYPE] = ("Tags", "list")
    # A deletion waits for what is buffered to be delivered.
    stacks.run_in_thread(_TYPE)


def _message(text: str) -> str:
    """What a person reads of an answer that CloudFormation quotes with its wire form."""
    _before, found, document = text.partition("b'")
    try:
        return str(json.loads(document.removesuffix("'"))["message"]) if found else text
    except (ValueError, KeyError):
        return text


def _refused(reason: str) -> Any:
    return responses.error_response_json("InvalidArgumentException", reason, 400)


def _decoded(data: Any) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise ValueError(f"Data must be base64: {error}") from error
