"""Lambda's event source mappings of Kinesis streams, taken over from ministack."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, lambda_svc, sqs
from ministack.services.cloudformation import provisioners

Mapping = dict[str, Any]
_TYPE = "AWS::Lambda::EventSourceMapping"


@dataclass(frozen=True, slots=True)
class Answer:
    """How an invocation ended."""

    body: Any
    failed: bool
    throttled: bool


@dataclass(frozen=True, slots=True)
class Hooks:
    """What is told of mappings of Kinesis streams.

    Args:
        refusal: From a mapping as it would be to the reason not to have it.
        complete: Given a new mapping, adds what AWS says of every one, and where it starts.
    """

    refusal: Callable[[Mapping], str | None]
    complete: Callable[[Mapping], None]


def take_over(hooks: Hooks) -> None:
    """Keep ministack from polling Kinesis, and have hooks called for its mappings."""
    lambda_svc._poll_kinesis = lambda: False
    _wrap_requests(hooks)
    _wrap_templates(hooks)


def check_others(
    refusal: Callable[[Mapping], str | None], may_poll: Callable[[Mapping, dict[str, Any]], bool]
) -> None:
    """Ask before mappings of other sources than Kinesis are made, changed and polled.

    Args:
        refusal: From a mapping as it would be to the reason not to have it.
        may_poll: Whether a mapping of a queue may be polled now, for a function's configuration.
    """
    create, update = lambda_svc._create_esm, lambda_svc._update_esm
    concurrency = lambda_svc._sqs_esm_concurrency

    def create_mapping(request: Mapping) -> Any:
        reason = None if of_kinesis(request) else refusal(request)
        return create(request) if reason is None else _refused(reason)

    def update_mapping(uuid: str, request: Mapping) -> Any:
        known = lambda_svc._esms.get(uuid)
        if known is not None and not of_kinesis(known):
            reason = refusal({**known, **request})
            if reason is not None:
                return _refused(reason)
        return update(uuid, request)

    def sqs_concurrency(esm: Mapping, function: Any, config: dict[str, Any], queue: Any) -> int:
        # With none allowed at once, ministack does not receive.
        return concurrency(esm, function, config, queue) if may_poll(esm, config) else 0

    lambda_svc._create_esm = create_mapping
    lambda_svc._update_esm = update_mapping
    lambda_svc._sqs_esm_concurrency = sqs_concurrency
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]
    make, change = handler["create"], handler["update"]

    def make_mapping(logical_id: str, props: Mapping, stack_name: str) -> Any:
        _raise(None if of_kinesis(props) else refusal(_typed(props)))
        return make(logical_id, props, stack_name)

    def change_mapping(physical_id: str, old: Mapping, new: Mapping, stack_name: str) -> Any:
        _raise(None if of_kinesis(new) else refusal(_typed(new)))
        return change(physical_id, old, new, stack_name)

    handler.update(create=make_mapping, update=change_mapping)


def visibility_seconds(queue_arn: str) -> int | None:
    """A queue's visibility timeout, or None if there is no such queue."""
    queue = sqs._queue_by_arn(queue_arn)
    return None if queue is None else int(queue["attributes"].get("VisibilityTimeout", "30"))


def of_kinesis(mapping: Mapping) -> bool:
    """Whether a mapping's source is a Kinesis stream."""
    return ":kinesis:" in mapping.get("EventSourceArn", "")


def all_mappings() -> list[Mapping]:
    """The mappings of Kinesis streams in the current account and region."""
    return [mapping for mapping in lambda_svc._esms.values() if of_kinesis(mapping)]


def find(uuid: str) -> Mapping | None:
    """A mapping by its identifier."""
    mapping: Mapping | None = lambda_svc._esms.get(uuid)
    return mapping


def note_result(uuid: str, result: str) -> None:
    """Say how a mapping's last batch went."""
    mapping = find(uuid)
    if mapping is not None:
        mapping["LastProcessingResult"] = result


def function_configuration(name_or_arn: str) -> dict[str, Any] | None:
    """A function's configuration, or None if there is no such function, version or alias."""
    config: dict[str, Any] | None = lambda_svc._get_func_record_for_ref(name_or_arn)[1]
    return config


def invoke(function_arn: str, event: Any) -> Answer:
    """Invoke a function and wait for its answer; its metrics are counted.

    Raises:
        LookupError: If there is no such function.
    """
    function, config, name = lambda_svc._get_func_record_for_ref(function_arn)
    if function is None or config is None:
        raise LookupError(f"function {function_arn} does not exist")
    record = lambda_svc._execution_record_for_config(
        function, {**config, "FunctionArn": function_arn}
    )
    started = time.monotonic()
    result = lambda_svc._execute_function_with_config_scope(record, event)
    failed, throttled = bool(result.get("error")), bool(result.get("throttle"))
    seconds = time.monotonic() - started
    lambda_svc._emit_lambda_metrics(name, seconds * 1000, failed and not throttled, throttled)
    return Answer(result.get("body"), failed, throttled)


def matching(records: list[dict[str, Any]], mapping: Mapping) -> list[dict[str, Any]]:
    """Those of an event's records that a mapping's FilterCriteria lets through."""
    return list(lambda_svc._apply_filter_criteria(records, mapping))


def record_metric(
    namespace: str, name: str, value: float, unit: str, dimensions: dict[str, str]
) -> None:
    """Count a metric."""
    cloudwatch.record_metric(namespace, name, value, unit, dimensions)


def _wrap_requests(hooks: Hooks) -> None:
    create, update = lambda_svc._create_esm, lambda_svc._update_esm

    def create_mapping(request: Mapping) -> Any:
        if not of_kinesis(request):
            return create(request)
        reason = hooks.refusal(request)
        if reason is not None:
            return _refused(reason)
        answer = create(request)
        if answer[0] >= 300:  # noqa: PLR2004 - HTTP's success range
            return answer
        mapping = lambda_svc._esms[json.loads(answer[2])["UUID"]]
        _complete(hooks, mapping, request)
        return responses.json_response(lambda_svc._esm_response(mapping), answer[0])

    def update_mapping(uuid: str, request: Mapping) -> Any:
        known = lambda_svc._esms.get(uuid)
        if known is not None and of_kinesis(known):
            reason = hooks.refusal(known | request)
            if reason is not None:
                return _refused(reason)
        return update(uuid, request)

    lambda_svc._create_esm = create_mapping
    lambda_svc._update_esm = update_mapping


def _wrap_templates(hooks: Hooks) -> None:
    """CloudFormation makes mappings without the API's operations."""
    handler = provisioners._RESOURCE_HANDLERS[_TYPE]
    create, update = handler["create"], handler["update"]

    def create_mapping(logical_id: str, props: Mapping, stack_name: str) -> Any:
        if not of_kinesis(props):
            return create(logical_id, props, stack_name)
        wanted = _typed(props)
        _raise(hooks.refusal(wanted))
        created = create(logical_id, wanted, stack_name)
        _complete(hooks, lambda_svc._esms[created[0]], wanted)
        return created

    def update_mapping(physical_id: str, old: Mapping, new: Mapping, stack_name: str) -> Any:
        if not of_kinesis(new):
            return update(physical_id, old, new, stack_name)
        wanted = _typed(new)
        _raise(hooks.refusal(wanted))
        updated = update(physical_id, _typed(old), _UPDATED_TO | wanted, stack_name)
        if updated[0] != physical_id:
            _complete(hooks, lambda_svc._esms[updated[0]], wanted)
        return updated

    handler.update(create=create_mapping, update=update_mapping)
    provisioners._STACK_TAG_PROPERTY[_TYPE] = ("Tags", "list")


# What a property that a template no longer has goes back to.
_UPDATED_TO: Mapping = {
    "BatchSize": 100,
    "MaximumBatchingWindowInSeconds": 0,
    "FunctionResponseTypes": [],
    "MaximumRetryAttempts": -1,
    "MaximumRecordAgeInSeconds": -1,
    "BisectBatchOnFunctionError": False,
    "ParallelizationFactor": 1,
    "DestinationConfig": {"OnFailure": {}},
    "FilterCriteria": {},
    "Enabled": True,
}


def _complete(hooks: Hooks, mapping: Mapping, request: Mapping) -> None:
    for name, default in _UPDATED_TO.items():
        mapping[name] = request.get(name, default)
    if not mapping["FilterCriteria"]:
        del mapping["FilterCriteria"]
    if "StartingPositionTimestamp" in request:
        mapping["StartingPositionTimestamp"] = request["StartingPositionTimestamp"]
    if request.get("Tags"):
        mapping["Tags"] = request["Tags"]
    mapping["State"] = "Enabled" if mapping["Enabled"] else "Disabled"
    hooks.complete(mapping)


def _typed(props: Mapping) -> Mapping:
    """A template's properties with numbers, flags and tags as the API has them."""
    typed = dict(props)
    for name, default in _UPDATED_TO.items():
        if name not in props:
            continue
        if isinstance(default, bool):
            typed[name] = str(props[name]).lower() == "true"
        elif isinstance(default, int):
            typed[name] = int(props[name])
    if "StartingPositionTimestamp" in props:
        typed["StartingPositionTimestamp"] = float(props["StartingPositionTimestamp"])
    if isinstance(props.get("Tags"), list):
        typed["Tags"] = {tag["Key"]: str(tag["Value"]) for tag in props["Tags"]}
    return typed


def _raise(reason: str | None) -> None:
    if reason is not None:
        raise ValueError(reason)


def _refused(reason: str) -> Any:
    return responses.error_response_json("InvalidParameterValueException", reason, 400)
