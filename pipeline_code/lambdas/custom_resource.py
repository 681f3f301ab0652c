"""CloudFormation's protocol for custom resources, for handlers that share this file.

CloudFormation waits for one response per request, sent to a pre-signed URL; without it a deployment
hangs for an hour. So every outcome is reported, failures with their reason, and only a response
that could not be delivered raises, because Lambda then retries the invocation.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = ["Context", "ResourceResult", "answer"]

DELIVERY_ATTEMPTS = 4
# CloudFormation drops a response of more than 4096 bytes; the rest of it needs room too.
REASON_LIMIT = 2000


class Context(Protocol):
    """What a handler uses of Lambda's context object."""

    log_stream_name: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until Lambda ends the invocation."""


@dataclass(frozen=True, slots=True)
class ResourceResult:
    """What became of a request.

    `physical_resource_id` must stay the same while the resource does: CloudFormation deletes the
    old resource when an update answers with another one.
    """

    physical_resource_id: str
    data: Mapping[str, str] = field(default_factory=dict)


def answer(
    event: Mapping[str, Any],
    context: Context,
    work: Callable[[Mapping[str, Any]], ResourceResult | None],
) -> None:
    """Does the work and tells CloudFormation how it ended.

    Work that has no outcome yet (None) has seen to it that another invocation goes on and answers.
    """
    _log("request", event, resource=event["ResourceProperties"])
    try:
        outcome = work(event)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:REASON_LIMIT]
        reason += f" (log stream {context.log_stream_name})"
        _log("failed", event, reason=reason)
        _deliver(event, {"Status": "FAILED", "Reason": reason, **_failed_resource(event)})
        return
    if outcome is None:
        _log("not done yet", event)
        return
    _log("done", event, physical_resource_id=outcome.physical_resource_id)
    response = {"Status": "SUCCESS", "PhysicalResourceId": outcome.physical_resource_id}
    _deliver(event, {**response, "Data": dict(outcome.data)})


def _failed_resource(event: Mapping[str, Any]) -> dict[str, str]:
    """The id of what failed; a creation that failed gets one that no deletion will recognize."""
    made_up = f"not-created-{event['RequestId']}"
    return {"PhysicalResourceId": event.get("PhysicalResourceId", made_up)}


def _deliver(event: Mapping[str, Any], response: Mapping[str, Any]) -> None:
    identity = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    body = json.dumps({**response, **identity}).encode()
    # The URL is signed for an empty content type; urllib would send one of its own.
    request = urllib.request.Request(  # noqa: S310 - the URL is CloudFormation's
        event["ResponseURL"], data=body, method="PUT", headers={"Content-Type": ""}
    )
    for attempt in range(DELIVERY_ATTEMPTS):
        try:
            with urllib.request.urlopen(request, timeout=10):  # noqa: S310
                return
        except (urllib.error.URLError, TimeoutError) as error:
            _log("answer not delivered", event, attempt=attempt, error=str(error))
            if attempt == DELIVERY_ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)


def _log(message: str, event: Mapping[str, Any], **fields: object) -> None:
    # Never the event itself: its ResponseURL is a credential.
    known = {"request": event["RequestType"], "logical_id": event["LogicalResourceId"]}
    print(json.dumps({"message": message, **known, **fields}, default=str))
