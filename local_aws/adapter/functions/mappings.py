"""Lambda's event source mappings of Kinesis streams, taken over from ministack."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, lambda_svc
from ministack.services.cloudformation import provisioners

Mapping = dict[str, Any]
_TYPE = "AWS::Lambda::EventSourceMapping"


@dataclass(frozen=True, slots=True)
class InvocationResult:
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


def invoke(function_arn: str, event: Any) -> InvocationResult:
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
    return InvocationResult(result.get("body"), failed, throttled)


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
            return refused(reason)
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
                return refused(reason)
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
        wanted = typed(props)
        raise_if(hooks.refusal(wanted))
        created = create(logical_id, wanted, stack_name)
        _complete(hooks, lambda_svc._esms[created[0]], wanted)
        return created

    def update_mapping(physical_id: str, old: Mapping, new: Mapping, stack_name: str) -> Any:
        if not of_kinesis(new):
            return update(physical_id, old, new, stack_name)
        wanted = typed(new)
        raise_if(hooks.refusal(wanted))
        updated = update(physical_id, typed(old), _UPDATED_TO | wanted, stack_name)
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


def typed(props: Mapping) -> Mapping:
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


def raise_if(reason: str | None) -> None:
    """Fail a resource for a reason, if there is one."""
    if reason is not None:
        raise ValueError(reason)


def refused(reason: str) -> Any:
    """Lambda's answer to parameters that cannot be."""
    return responses.error_response_json("InvalidParameterValueException", reason, 400)
