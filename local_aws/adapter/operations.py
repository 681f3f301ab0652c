"""The decision which requests are served, and whether they are authorized, before ministack."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from ministack import app as ms
from ministack.core import iam_actions

from local_aws.adapter.requests import Request, parse

Reply = tuple[int, dict[str, str], Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not served, as an error of its service's protocol."""

    code: str
    message: str
    status: int


@dataclass(frozen=True, slots=True)
class Check:
    """One action on one resource that a request takes."""

    action: str
    resource: str
    keys: Mapping[str, Any]


# ministack's own, which is put aside once a request is authorized.
action_of = iam_actions.extract_iam_action
# Whether all that a request takes was authorized before ministack saw it.
_authorized: ContextVar[bool] = ContextVar("fraudloop_authorized", default=False)


def decide_requests(
    refusal: Callable[[Request], Refusal | None],
    checks: Callable[[Request], Sequence[Check] | None],
    rules: Callable[[Request], Refusal | None],
) -> None:
    """Let functions of ours decide what is served, and what IAM is asked of a request.

    Args:
        refusal: Why a request is not served, before it is even authenticated; None if it is.
        checks: All actions that it takes; None leaves them to ministack.
        rules: Why a request that is authorized is refused all the same.
    """
    inner = ms._dispatch_service_request

    def extract_iam_action(*request: Any) -> Any:
        return None if _authorized.get() else action_of(*request)

    async def dispatch(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        request_id: str,
    ) -> Reply:
        routed = ms._routing_params(method, path, headers, body, query_params)
        service = ms.detect_service(method, path, headers, routed)
        plain = body if service == "s3" else ms._decompress_request_body(body, headers)
        request = parse(service, method, path, headers, plain, query_params)
        refused = refusal(request)
        if refused is not None:
            return _error(request, refused, request_id)
        wanted = checks(request)
        for check in wanted or ():
            tags = iam_actions.request_tag_context(service, check.action, plain, routed)
            denied: Reply | None = ms._enforce_data_plane(
                service,
                check.action,
                headers,
                query_params,
                request_id,
                resource_arn=check.resource,
                service_context={**tags, **check.keys},
                named_resource=check.resource,
            )
            if denied is not None:
                # Of ssm and logs, ministack forgets which resource it was.
                status, answered, text = denied
                named = f"on resource: {check.resource} because".encode()
                return status, answered, text.replace(b"on resource: * because", named)
        refused = rules(request)
        if refused is not None:
            return _error(request, refused, request_id)
        _authorized.set(wanted is not None)
        reply: Reply = await inner(method, path, headers, body, query_params, request_id)
        return reply

    async def nothing(*_request: Any, **_more: Any) -> None:
        return None

    def own_paths_only(handle: Callable[..., Any]) -> Callable[..., Any]:
        async def handled(method: str, path: str, *request: Any) -> Any:
            return await handle(method, path, *request) if path.startswith("/_ministack/") else None

        return handled

    iam_actions.extract_iam_action = extract_iam_action
    ms._dispatch_service_request = dispatch
    # Preflights, sign-in pages and the like, which would shadow buckets of their names.
    ms._handle_pre_body_request = own_paths_only(ms._handle_pre_body_request)
    ms._handle_post_body_shortcuts = own_paths_only(ms._handle_post_body_shortcuts)
    # Hosts and paths that are no AWS API's: load balancers, websites, registries, ministack's own.
    ms._handle_special_data_plane_request = nothing


def _error(request: Request, refused: Refusal, request_id: str) -> Reply:
    _status, headers, body = iam_actions.access_denied_response(
        request.service,
        "",
        "",
        request_id,
        error_code=refused.code,
        message=refused.message,
        headers=dict(request.headers),
    )
    return refused.status, headers, body
