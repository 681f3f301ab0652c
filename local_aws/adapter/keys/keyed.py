"""Hooks where services that keep things under keys write and read them."""

import json
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack import app as ms
from ministack.core import responses, router
from ministack.services import kinesis, sns, sqs, ssm

from local_aws.adapter.identity.actors import Caller
from local_aws.adapter.identity.identity import caller_of_key

Request = dict[str, Any]
Response = tuple[int, dict[str, str], bytes]
# An error's code and message, or None.
Refused = tuple[str, str] | None
# (caller or None outside of requests, ARN, whether it is read): why not.
Check = Callable[[Caller | None, str, bool], Refused]
_STANDARD_CHARACTERS = 4096
_caller: ContextVar[Caller | None] = ContextVar("keyed_caller", default=None)
_decided: ContextVar[dict[str, Any] | None] = ContextVar("keyed_decided", default=None)


def note_callers() -> None:
    """Have those who make requests known below the services' routing."""
    for service in ("athena", "ecr", "kinesis", "logs", "sagemaker", "sns", "sqs", "ssm"):
        ms.SERVICE_HANDLERS[service] = _noting(ms.SERVICE_HANDLERS[service])


def _noting(inner: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Any:
        key = router.extract_access_key_id(headers, query_params) or ""
        token, decided = _caller.set(caller_of_key(key)), _decided.set({})
        try:
            return await inner(method, path, headers, body, query_params)
        finally:
            _caller.reset(token)
            _decided.reset(decided)

    return handle_request


def once_a_request(decide: Callable[[str], Any], key: str) -> Any:
    """What is decided of a key, decided once a request however often it is asked for."""
    decided = _decided.get()
    if decided is None:
        return decide(key)
    if key not in decided:
        decided[key] = decide(key)
    return decided[key]


def current_caller() -> Caller | None:
    """Who makes the request that is handled; None outside of requests."""
    return _caller.get()


def queue_key(arn: str) -> str | None:
    """The key of a queue, if it has one."""
    queue = sqs._queue_by_arn(arn)
    return None if queue is None else queue["attributes"].get("KmsMasterKeyId") or None


def topic_key(arn: str) -> str | None:
    """The key of a topic, if it has one."""
    topic = sns._topic_by_arn_any_scope(arn)
    return None if topic is None else topic["attributes"].get("KmsMasterKeyId") or None


def stream_key(arn: str) -> str | None:
    """The key of a stream, if it has one."""
    stream = kinesis._resolve_stream_by_arn(arn)
    encrypted = stream is not None and stream.get("EncryptionType") == "KMS"
    return stream["KeyId"] if stream is not None and encrypted else None


def guard_queues(check: Check) -> None:
    """Check who sends to a queue and who receives from it."""
    for operation, reads in (
        ("SendMessage", False),
        ("SendMessageBatch", False),
        ("ReceiveMessage", True),
    ):
        sqs._HANDLERS[operation] = _queue_guarded(sqs._HANDLERS[operation], reads, check)


def _queue_guarded(inner: Callable[..., Any], reads: bool, check: Check) -> Callable[..., Any]:
    def guarded(request: Request, url: str) -> Any:
        queue = sqs._get_q(request.get("QueueUrl", url))
        if (why := check(_caller.get(), queue["attributes"]["QueueArn"], reads)) is not None:
            raise sqs._Err(*why)
        return inner(request, url)

    return guarded


def guard_topics(check: Check) -> None:
    """Check who publishes to a topic."""

    def guarded(inner: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def publish(params: Request) -> Any:
            arn = sns._normalize_arn(sns._p(params, "TopicArn") or sns._p(params, "TargetArn"))
            why = check(_caller.get(), arn, False)
            return inner(params) if why is None else sns._error(*why, 400)

        return publish

    sns._publish, sns._publish_batch = guarded(sns._publish), guarded(sns._publish_batch)


def guard_streams(check: Check, arn_of_iterator: Callable[[str], str | None]) -> None:
    """Check who puts records into a stream and who gets them, and the key that one is given.

    Args:
        check: Asked with the stream.
        arn_of_iterator: The stream that a shard iterator reads.
    """
    for name, reads in (("_put_record", False), ("_put_records", False), ("_get_records", True)):
        inner = getattr(kinesis, name)

        def guarded(request: Request, inner: Any = inner, reads: bool = reads) -> Any:
            if reads:
                arn = arn_of_iterator(str(request.get("ShardIterator", "")))
            else:
                record = kinesis._resolve_stream(request)[1]
                arn = record["StreamARN"] if record else None
            why = check(_caller.get(), arn, reads) if arn is not None else None
            return inner(request) if why is None else responses.error_response_json(*why, 400)

        setattr(kinesis, name, guarded)


def guard_parameters(
    stored: Callable[[Caller | None, str, str, bool], Refused],
    read: Callable[[Caller | None, str, str], Refused],
) -> None:
    """Check who writes a secure parameter, and who reads one in the clear.

    Args:
        stored: Function of (caller, parameter's ARN, key, whether it is of the advanced tier).
        read: Function of (caller, parameter's ARN, key).
    """
    put = ssm._put_parameter

    def put_parameter(request: Request) -> Any:
        name = str(request.get("Name", ""))
        kept = ssm._parameters.get(name) or {}
        if (request.get("Type") or kept.get("Type")) == "SecureString":
            key = str(request.get("KeyId") or "alias/aws/ssm")
            advanced = len(str(request.get("Value", ""))) > _STANDARD_CHARACTERS
            advanced = advanced or request.get("Tier") == "Advanced"
            why = stored(_caller.get(), ssm._param_arn(name), key, advanced)
            if why is not None:
                return responses.error_response_json(*why, 400)
        return put(request)

    ssm._put_parameter = put_parameter
    for operation in ("parameter", "parameters", "parameters_by_path", "parameter_history"):
        name = f"_get_{operation}"
        setattr(ssm, name, _parameters_guarded(getattr(ssm, name), read))


def _parameters_guarded(
    inner: Callable[[Request], Any], read: Callable[[Caller | None, str, str], Refused]
) -> Callable[[Request], Any]:
    def guarded(request: Request) -> Any:
        response = inner(request)
        if not request.get("WithDecryption") or response[0] != 200:  # noqa: PLR2004 - HTTP's
            return response
        found = json.loads(response[2])
        for parameter in [found["Parameter"]] if "Parameter" in found else found["Parameters"]:
            if parameter["Type"] != "SecureString":
                continue
            kept = ssm._parameters.get(parameter["Name"]) or {}
            key = str(parameter.get("KeyId") or kept.get("KeyId") or "alias/aws/ssm")
            why = read(_caller.get(), ssm._param_arn(parameter["Name"]), key)
            if why is not None:
                return responses.error_response_json(*why, 400)
        return response

    return guarded
