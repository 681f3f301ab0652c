"""Asynchronous invocations of Lambda functions in place of ministack's, and what functions log."""

import contextvars
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core import responses
from ministack.services import cloudwatch, cloudwatch_logs, lambda_svc

from local_aws.guesses import Guess, guessed

Configuration = dict[str, Any]
# Lambda waits a minute, then two (Developer Guide, "Asynchronous invocation"); nobody waits so long
# here.
_WAIT_SECONDS = (1.0, 2.0)
_AGE_SECONDS, _RETRIES = 6 * 3600, 2
_RESPONSE_BYTES = 6_291_556


@dataclass(frozen=True, slots=True, kw_only=True)
class InvocationOutcome:
    """How an asynchronous invocation ended.

    Attributes:
        config: The function's configuration.
        event: What it was invoked with.
        result: What ministack says of the last attempt.
        attempts: How often it was invoked.
        condition: `Success`, `RetriesExhausted` or `EventAgeExceeded`.
        destination: Where the record of it goes, if anywhere.
        dead_letters: Where the event goes after a failure, if anywhere.
    """

    config: Configuration
    event: Any
    result: dict[str, Any]
    attempts: int
    condition: str
    destination: str | None
    dead_letters: str | None

    @property
    def failed(self) -> bool:
        """Whether the function did not take the event."""
        return self.condition != "Success"


def invoke_asynchronously(
    ended: Callable[[InvocationOutcome], None], refusal: Callable[[Configuration, str], str | None]
) -> None:
    """Invoke functions asynchronously with Lambda's rules of failure.

    Args:
        ended: Told of each invocation, when it has ended.
        refusal: Why a function may not have a destination, or None.
    """
    put = lambda_svc._put_event_invoke_config

    def invoke(function: dict[str, Any], event: Any) -> None:
        context = contextvars.copy_context()
        target = context.run
        threading.Thread(target=target, args=(_invoke, function, event, ended), daemon=True).start()

    def put_config(name: str, qualifier: str | None, request: dict[str, Any]) -> Any:
        known = lambda_svc._functions.get(name)
        for each in (request.get("DestinationConfig") or {}).values():
            destination = (each or {}).get("Destination")
            reason = refusal(known["config"], destination) if known and destination else None
            if reason is not None:
                code = "InvalidParameterValueException"
                return responses.error_response_json(code, reason, 400)
        return put(name, qualifier, request)

    lambda_svc.invoke_async_with_retry = invoke
    lambda_svc._put_event_invoke_config = put_config


def _invoke(
    function: dict[str, Any], event: Any, ended: Callable[[InvocationOutcome], None]
) -> None:
    config = function.get("config") or function
    with responses.request_scope(*lambda_svc._account_region_from_function_config(config)):
        settings = (
            function.get("event_invoke_config")
            or (function.get("event_invoke_configs") or {}).get("$LATEST")
            or {}
        )
        retries = settings.get("MaximumRetryAttempts")
        retries = _RETRIES if retries is None else int(retries)
        latest = time.monotonic() + int(settings.get("MaximumEventAgeInSeconds", _AGE_SECONDS))
        condition, attempts, result = "RetriesExhausted", 0, dict[str, Any]()
        while attempts <= retries:
            result = lambda_svc._execute_function(function, event)
            attempts += 1
            if not result.get("error"):
                condition = "Success"
                break
            wait = _WAIT_SECONDS[min(attempts, len(_WAIT_SECONDS)) - 1]
            if attempts <= retries and time.monotonic() + wait > latest:
                condition = "EventAgeExceeded"
                break
            if attempts <= retries:
                time.sleep(wait)
        kind = "OnSuccess" if condition == "Success" else "OnFailure"
        destinations = settings.get("DestinationConfig") or {}
        outcome = InvocationOutcome(
            config=config,
            event=event,
            result=result,
            attempts=attempts,
            condition=condition,
            destination=(destinations.get(kind) or {}).get("Destination"),
            dead_letters=(config.get("DeadLetterConfig") or {}).get("TargetArn") or None,
        )
        ended(outcome)


def count_failed_delivery(name: str, metric: str) -> None:
    """Count what could not be told of a function's failure."""
    cloudwatch.record_metric("AWS/Lambda", metric, 1, "Count", {"FunctionName": name})


def log_as_roles(may_log: Callable[[Configuration, str, bool], bool]) -> None:
    """Write what functions log only if their roles may.

    Args:
        may_log: From a function's configuration, its log group and whether that is there.
    """
    emit = lambda_svc._emit_lambda_logs

    def emit_logs(function: dict[str, Any], *rest: Any, **more: Any) -> None:
        config = function.get("config") or function
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        group = group or f"/aws/lambda/{config['FunctionName']}"
        with responses.request_scope(*lambda_svc._account_region_from_function_config(config)):
            if may_log(config, group, group in cloudwatch_logs._log_groups):
                emit(function, *rest, **more)

    lambda_svc._emit_lambda_logs = emit_logs


def run_trusted_functions(not_trusted: Callable[[str], str | None]) -> None:
    """Invoke a function only while Lambda may assume its role.

    Args:
        not_trusted: Why Lambda may not assume a role, or None.
    """
    inner = lambda_svc._execute_function_dispatch

    def execute(function: Any, config: Configuration, *rest: Any) -> Any:
        reason = not_trusted(str(config.get("Role", "")))
        if reason is None:
            return _within_response(inner(function, config, *rest))
        # CreateFunction's words: of invocations whose role is gone since, Lambda documents none.
        words = f"The role defined for the function cannot be assumed by Lambda. ({reason})"
        message = guessed(words, Guess.WORDS)
        body = {"errorMessage": message, "errorType": "AccessDeniedException"}
        return {"body": body, "error": True, "log": ""}

    lambda_svc._execute_function_dispatch = execute


def _within_response(result: dict[str, Any]) -> dict[str, Any]:
    """What an invocation gives, or Lambda's error, whose words moto's tests have."""
    if result.get("error") or len(json.dumps(result.get("body"))) <= _RESPONSE_BYTES:
        return result
    message = (
        f"Response payload size exceeded maximum allowed payload size ({_RESPONSE_BYTES} bytes)."
    )
    body = {"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}
    return result | {"body": body, "error": True, "function_error": "Unhandled"}


def bound_executions(most: int) -> None:
    """Throttle what would exceed the account's concurrent executions.

    The machine's own bound, ministack's, stays: it may be less than the account has.

    Args:
        most: How many there may be; GetAccountSettings says so.
    """
    acquire, settings = lambda_svc._acquire_execution_slot, lambda_svc._get_account_settings
    throttle = lambda_svc._throttle_response
    lambda_svc._ACCOUNT_CONCURRENCY_CAP = min(most, lambda_svc._ACCOUNT_CONCURRENCY_CAP)

    def acquire_slot(func: dict[str, Any], config: Configuration) -> Any:
        # 0 is ministack's word for no bound at all.
        return acquire(func, config) if most > 0 else (None, "account")

    def account_settings() -> Any:
        document = json.loads(settings()[2])
        limit = document["AccountLimit"]
        reserved = limit["ConcurrentExecutions"] - limit["UnreservedConcurrentExecutions"]
        limit["ConcurrentExecutions"] = most
        limit["UnreservedConcurrentExecutions"] = max(0, most - reserved)
        return responses.json_response(document)

    def throttled(reason_code: str, **_words: Any) -> dict[str, Any]:
        answered: dict[str, Any] = throttle(reason_code, "Rate Exceeded.")
        return answered

    lambda_svc._acquire_execution_slot = acquire_slot
    lambda_svc._get_account_settings = account_settings
    lambda_svc._throttle_response = throttled
