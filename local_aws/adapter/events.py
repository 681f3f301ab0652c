"""Events in and out of ministack's EventBridge and Scheduler."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack import app as ms
from ministack.core import concurrency, responses
from ministack.services import eventbridge, scheduler
from ministack.services.cloudformation import provisioners

Target = dict[str, Any]
_RULE = "AWS::Events::Rule"
_BUS = "event-bus/"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event, or the input of a schedule, on its way to one target.

    Attributes:
        target: As PutTargets or CreateSchedule got it.
        payload: What the target is to get.
        event: The whole event.
        source: The rule or the schedule, as ministack keeps it.
        pass_on: Has ministack deliver it to another bus.
    """

    target: Target
    payload: str
    event: Mapping[str, Any]
    source: Mapping[str, Any]
    pass_on: Callable[[], None]

    @property
    def of_schedule(self) -> bool:
        """Whether a schedule sends it, and not a rule."""
        return "GroupName" in self.source


# The time that an entry gives its event; None is now.
_moment: ContextVar[float | None] = ContextVar("event_moment", default=None)
Deliver = Callable[[Delivery], None]
Refusal = Callable[[Target], str | None]


def emit_event(
    detail_type: str,
    detail: dict[str, Any],
    resources: Iterable[str] = (),
    source: str = "aws.sagemaker",
) -> None:
    """Put an event on the default bus as an AWS service does (PutEvents refuses `aws.*` sources).

    Outside a request, wrap it in `request_scope`.
    """
    entry = {
        "Source": source,
        "DetailType": detail_type,
        "Detail": json.dumps(detail),
        "Resources": list(resources),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def deliver_events(deliver: Deliver) -> None:
    """Deliver what rules and schedules send in place of ministack.

    Args:
        deliver: Called in a thread in the rule's account and region; for another bus, before the
            event goes on, in the thread of who put it.
    """
    inner = eventbridge._invoke_target

    def invoke_target(
        target: Target, event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        view = view if view is not None else eventbridge._pattern_event_view(event)
        delivery = Delivery(
            target,
            _payload(target, rule, view),
            view.event_with_detail(),
            rule,
            lambda: inner(target, event, rule, view),
        )
        if f":{_BUS}" in target.get("Arn", ""):
            deliver(delivery)
        else:
            concurrency.spawn_background(deliver, delivery, thread_name="deliver-event")

    eventbridge._invoke_target = invoke_target


def check_entries(refusal: Callable[[Mapping[str, Any]], tuple[str, str] | None]) -> None:
    """Answer PutEvents for each entry, and give events the time that their entry says.

    Args:
        refusal: An entry's error code and message, or None.
    """
    inner, now = eventbridge._put_events, eventbridge._now_ts

    def put_events(data: dict[str, Any], allow_aws_source: bool = False) -> Any:
        results = []
        for entry in data["Entries"]:
            refused = refusal(entry)
            if refused is not None:
                results.append({"ErrorCode": refused[0], "ErrorMessage": refused[1]})
                continue
            token = _moment.set(entry.get("Time"))
            try:
                answered = json.loads(inner({"Entries": [entry]}, allow_aws_source)[2])
            finally:
                _moment.reset(token)
            results += answered["Entries"]
        failed = sum("ErrorCode" in result for result in results)
        return responses.json_response({"FailedEntryCount": failed, "Entries": results})

    eventbridge._put_events = put_events
    eventbridge._now_ts = lambda: now() if _moment.get() is None else _moment.get()


def pattern_problem(pattern: str) -> str | None:
    """Why a pattern is none, or None."""
    reason: str | None = eventbridge._event_pattern_error(pattern)
    return reason


def take_buses_by_arn() -> None:
    """Let requests and templates name a bus by its ARN, too ("The name or ARN", API Reference)."""
    inner, handler = ms.SERVICE_HANDLERS["events"], provisioners._RESOURCE_HANDLERS[_RULE]

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: Any
    ) -> Any:
        document = json.loads(body or b"{}")
        return await inner(
            method, path, headers, json.dumps(_with_name(document)).encode(), query_params
        )

    def named(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            known = [_with_name(each) if isinstance(each, dict) else each for each in arguments]
            return function(*known)

        return called

    ms.SERVICE_HANDLERS["events"] = handle_request
    handler.update({verb: named(function) for verb, function in handler.items()})


def _with_name(document: dict[str, Any]) -> dict[str, Any]:
    """One of another account or Region is left as it is, and is then not there."""
    place = f"arn:aws:events:{responses.get_region()}:{responses.get_account_id()}:{_BUS}"
    bus = document.get("EventBusName")
    if not isinstance(bus, str) or not bus.startswith(place):
        return document
    return document | {"EventBusName": bus.removeprefix(place)}


def check_targets(refusal: Refusal) -> None:
    """Ask before a rule gets a target, by PutTargets or by a template.

    Args:
        refusal: Why a rule may not have a target, or None.
    """
    validate = eventbridge._validate_target_arn
    handler = provisioners._RESOURCE_HANDLERS[_RULE]
    create = handler["create"]

    def validate_target(target: Target) -> Any:
        invalid = validate(target)
        if invalid is not None or (reason := refusal(target)) is None:
            return invalid
        return responses.error_response_json("ValidationException", reason, 400)

    def create_rule(logical_id: str, props: dict[str, Any], stack_name: str) -> Any:
        for target in props.get("Targets", ()):
            if (reason := refusal(target)) is not None:
                raise ValueError(reason)
        return create(logical_id, props, stack_name)

    eventbridge._validate_target_arn = validate_target
    handler["create"] = create_rule


def _payload(target: Target, rule: dict[str, Any], view: Any) -> str:
    """What a target is sent: its constant, transformed or selected input, or the whole event."""
    if target.get("InputTransformer"):
        return str(eventbridge._apply_input_transformer(target["InputTransformer"], rule, view))
    if target.get("Input"):
        return str(target["Input"])
    event = selected = view.event_with_detail()
    for part in filter(None, target.get("InputPath", "").lstrip("$").split(".")):
        # ministack's reading: a path that leads nowhere leaves the whole event.
        selected = selected.get(part) if isinstance(selected, dict) else None
    return json.dumps(event if selected is None else selected)


def set_schedule_interval(seconds: float) -> None:
    """How often rules and schedules are looked at for being due; call it before `serve`."""
    eventbridge._SCHEDULER_TICK_INTERVAL = seconds
    scheduler._SCHEDULE_TICK_INTERVAL = seconds
