"""Lambda's event source mappings of queues: ministack makes and polls them, and asks nobody."""

from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from local_aws.adapter.functions.mappings import Mapping, of_kinesis, raise_if, refused, typed

_TYPE = "AWS::Lambda::EventSourceMapping"


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
        return create(request) if reason is None else refused(reason)

    def update_mapping(uuid: str, request: Mapping) -> Any:
        known = lambda_svc._esms.get(uuid)
        if known is not None and not of_kinesis(known):
            reason = refusal({**known, **request})
            if reason is not None:
                return refused(reason)
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
        raise_if(None if of_kinesis(props) else refusal(typed(props)))
        return make(logical_id, props, stack_name)

    def change_mapping(physical_id: str, old: Mapping, new: Mapping, stack_name: str) -> Any:
        raise_if(None if of_kinesis(new) else refusal(typed(new)))
        return change(physical_id, old, new, stack_name)

    handler.update(create=make_mapping, update=change_mapping)


def visibility_seconds(queue_arn: str) -> int | None:
    """A queue's visibility timeout, or None if there is no such queue."""
    queue = sqs._queue_by_arn(queue_arn)
    return None if queue is None else int(queue["attributes"].get("VisibilityTimeout", "30"))
