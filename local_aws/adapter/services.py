"""Adds whole AWS services to ministack: routing, reset, and IAM enforcement."""

import sys
import types
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from ministack import app as ms
from ministack.core import concurrency, iam_actions, router

Reply = tuple[int, dict[str, str], bytes]
Handler = Callable[[str, str, dict[str, str], bytes, dict[str, Any]], Awaitable[Reply]]
ConditionKeysOf = Callable[[str, bytes, Mapping[str, Any]], dict[str, Any]]
_own: set[str] = set()
ArnOf = Callable[[str, str, dict[str, str], bytes, str, str], str | None]


def register_service(
    name: str,
    handle_request: Handler,
    *,
    target_prefixes: Iterable[str] = (),
    botocore_rest: Iterable[str] = (),
    checks_itself: bool = True,
    reset: Callable[[], None] | None = None,
) -> None:
    """Route a service's requests to a handler, with signatures and policies checked before it.

    Args:
        name: The service's signing name (`sagemaker`), which is also its IAM prefix.
        handle_request: Coroutine of (method, path, headers, body, query parameters) that gives
            (status, headers, body). It runs on the event loop: block only in `run_blocking`.
        target_prefixes: Prefixes of `X-Amz-Target` of the JSON services (`SageMaker.`).
        botocore_rest: botocore's names of the REST services signed with this name, from whose
            models the IAM action of a path is derived.
        checks_itself: Whether it checks its requests itself; else they are held to its model, and
            what IAM is asked about is listed, as of ministack's services.
        reset: Called when the emulator's state is reset. If omitted, nothing is.
    """
    module = types.ModuleType(f"ministack.services.{name}")
    module.__dict__.update(
        handle_request=handle_request,
        # Our services keep their own state; "None" tells ministack that there is nothing to save.
        get_state=lambda: None,
        load_persisted_state=lambda _saved: None,
        reset=reset if reset is not None else lambda: None,
    )
    if checks_itself:
        _own.add(name)
    sys.modules[module.__name__] = module
    ms._loaded_modules[name] = module
    ms.SERVICE_REGISTRY[name] = {"module": name}
    ms.SERVICE_HANDLERS[name] = ms._lazy_handler(name)
    router.SERVICE_PATTERNS[name] = {"target_prefixes": list(target_prefixes)}
    iam_actions.SERVICE_TO_IAM_NAMESPACE[name] = name
    iam_actions._BOTOCORE_SERVICE_MAP[name] = list(botocore_rest)


def own_services() -> frozenset[str]:
    """Services that are registered here, and check their requests themselves."""
    return frozenset(_own)


def register_resource_arn(service: str, arn_of: ArnOf) -> None:
    """Tell IAM which resource a request of a service is about.

    Args:
        service: The service's name.
        arn_of: Function of (method, path, headers, body, region, account) that gives an ARN, or
            None for requests of which ministack's own answer stands (`*` if it has none).
    """
    inner = iam_actions.extract_resource_arn

    def extract_resource_arn(service_name: str, *request: Any) -> Any:
        if service_name != service:
            return inner(service_name, *request)
        method, path, headers, body, _query_params, region, account = request
        arn = arn_of(method, path, headers, body, region, account)
        return inner(service_name, *request) if arn is None else arn

    iam_actions.extract_resource_arn = extract_resource_arn


def register_condition_keys(service: str, keys_of: ConditionKeysOf) -> None:
    """Tell IAM the service's own condition keys of a request.

    Args:
        service: The service's name.
        keys_of: Function of (IAM action, body, query parameters) that gives values by key.
    """
    inner = iam_actions.request_tag_context

    def request_tag_context(
        service_name: str, action: str, body: bytes, params: Mapping[str, Any]
    ) -> dict[str, Any]:
        known: dict[str, Any] = inner(service_name, action, body, params)
        return known | keys_of(action, body, params) if service_name == service else known

    iam_actions.request_tag_context = request_tag_context


async def run_blocking(function: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function off the event loop, in the request's account, region and identity.

    It has a thread of its own, so it may itself call the embedded AWS however many do so at once.
    """
    return await concurrency.run_reentrant(function, *arguments, thread_name="fraudloop-request")
