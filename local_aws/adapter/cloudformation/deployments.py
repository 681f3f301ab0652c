"""Operations on stacks, as ministack's CloudFormation runs them."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs

from ministack import app as ms
from ministack.services import cloudformation, lambda_svc
from ministack.services.cloudformation import changesets, custom_resource, provisioners, stacks

_POLL_SECONDS = 0.02


def is_made(name: str) -> bool:
    """Whether there is a stack of a name, and not only a change set that would create it."""
    stack = cloudformation._stacks.get(name) or {}
    return stack.get("StackStatus") not in (None, "DELETE_COMPLETE", "REVIEW_IN_PROGRESS")


def refuse_updates(refusal: Callable[[str, str, str, str], str | None]) -> None:
    """Let a function refuse what an update is about to do to a resource.

    Args:
        refusal: (stack policy, action, logical ID, resource type) to the reason, or None. The
            action is Update:Modify, Update:Replace or Update:Delete. The update then rolls back.
    """
    validate, update = stacks._validation_errors, stacks._update_keeping_seed

    def validation_errors(resources_defs: dict[str, Any], ordered: list[str], *rest: Any) -> Any:
        stack = cloudformation._stacks.get(rest[-3])
        found = list(validate(resources_defs, ordered, *rest))
        policy = stack.get("_stack_policy") if stack else None
        if not policy:
            return found
        for name, resource in stack["_resources"].items():
            kind = resource["ResourceType"]
            if name not in ordered and (reason := refusal(policy, "Update:Delete", name, kind)):
                found.append((name, kind, "STACK_POLICY", f"/Resources/{name}", reason))
        return found

    def update_keeping_seed(
        resource_type: str,
        physical_id: str,
        old_props: dict[str, Any],
        new_props: dict[str, Any],
        stack_name: str,
        logical_id: str,
        *rest: Any,
    ) -> Any:
        stack = cloudformation._stacks.get(stack_name)
        policy = stack.get("_stack_policy") if stack else None
        if policy and old_props != new_props:
            replaces = provisioners._replacing_change(resource_type, old_props, new_props)
            action = "Update:Replace" if replaces else "Update:Modify"
            reason = refusal(policy, action, logical_id, resource_type)
            if reason is not None:
                raise ValueError(reason)
        return update(
            resource_type, physical_id, old_props, new_props, stack_name, logical_id, *rest
        )

    stacks._validation_errors = validation_errors
    stacks._update_keeping_seed = update_keeping_seed


def fail_custom_resources_of_failing_functions() -> None:
    """Fail a custom resource at once if its function ends in an error without having answered.

    Otherwise it, and the deployment, wait for an answer that cannot come: an hour by default.
    """
    inner = lambda_svc._execute_function_with_config_scope

    def execute(func: dict[str, Any], event: Any) -> Any:
        result = inner(func, event)
        url = event.get("ResponseURL") if isinstance(event, dict) else None
        token = str(url).rsplit("/", 1)[-1]
        pending = custom_resource._pending.get(token)
        if result.get("error") and pending is not None and pending["result"] is None:
            body = result.get("body")
            told = body.get("errorMessage") if isinstance(body, dict) else body
            name = func["config"]["FunctionName"]
            reason = f"function {name} failed without an answer: {told}"
            custom_resource.deliver_response(token, {"Status": "FAILED", "Reason": reason})
        return result

    lambda_svc._execute_function_with_config_scope = execute


def answer_when_settled(actions: Iterable[str], seconds: float) -> None:
    """Answer some of CloudFormation's operations only when their stack has settled.

    The CDK CLI looks at a stack at once and then every five seconds; a stack that takes one
    second would cost it five.

    Args:
        actions: Such as ExecuteChangeSet.
        seconds: How long to wait at most.
    """
    inner, waited = ms.SERVICE_HANDLERS["cloudformation"], frozenset(actions)

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, Any]
    ) -> Any:
        answer = await inner(method, path, headers, body, query_params)
        request = parse_qs(body.decode(errors="replace")) | query_params
        if request.get("Action", [""])[0] in waited:
            deadline = time.monotonic() + seconds
            stack = request.get("StackName") or [stack_of(request["ChangeSetName"][0])]
            while _in_progress(stack[0]) and time.monotonic() < deadline:
                await asyncio.sleep(_POLL_SECONDS)
        return answer

    ms.SERVICE_HANDLERS["cloudformation"] = handle_request


def stack_of(change_set: str) -> str:
    """The name of a change set's stack; the set is named by its ARN if the stack is not."""
    return str((changesets._find_change_set(change_set)[1] or {}).get("StackName", ""))


def _in_progress(name_or_id: str) -> bool:
    name = name_or_id.split("/")[1] if name_or_id.startswith("arn:") else name_or_id
    stack = cloudformation._stacks.get(name)
    return stack is not None and stack["StackStatus"].endswith("_IN_PROGRESS")
