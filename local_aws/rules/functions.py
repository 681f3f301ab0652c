"""Lambda: what a function's configuration may hold (Lambda Developer Guide, "Lambda quotas")."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws import registry
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.policies.principals import invalid_principals
from local_aws.quotas import limits
from local_aws.rules import function_calls

_SECONDS = 900
_MEGABYTES = 10_240
_NAME = 64  # "If you specify only the function name, it is limited to 64 characters in length"
_VARIABLES_BYTES = 4096
# "Defined runtime environment variables" of "Using Lambda environment variables".
_RESERVED = {
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_ACCESS_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_REGION",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "LAMBDA_RUNTIME_DIR",
    "LAMBDA_TASK_ROOT",
}
# The runtimes that are neither deprecated nor without an interpreter here.
_RUNTIMES = re.compile(r"python3\.(9|1\d)|nodejs(18|2\d)\.x")
# "You can reserve up to the Unreserved account concurrency value ... minus 100" ("Configuring
# reserved concurrency"); of a new account it is all of its 10.
_UNRESERVED = 100


def _invalid(words: str) -> Refusal:
    return Refusal("InvalidParameterValueException", words, 400)


def _configuration(given: Mapping[str, Any]) -> Refusal | None:
    if int(given.get("Timeout", 0)) > _SECONDS:
        constraint = f"Member must have value less than or equal to {_SECONDS}"
        words = (
            f"1 validation error detected: Value '{given['Timeout']}' at 'timeout' failed to "
            f"satisfy constraint: {constraint}"
        )
        return Refusal("ValidationException", words, 400)
    if int(given.get("MemorySize", 0)) > _MEGABYTES:
        constraint = f"Member must have value less than or equal to {_MEGABYTES}"
        words = (
            f"1 validation error detected: Value '{given['MemorySize']}' at 'memorySize' failed to "
            f"satisfy constraint: {constraint}"
        )
        return Refusal("ValidationException", words, 400)
    variables = (given.get("Environment") or {}).get("Variables") or {}
    if used := sorted({*variables} & _RESERVED):
        return _invalid(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided contains reserved keys that are currently not supported "
            f"for modification. Reserved keys used in this request: {', '.join(used)}"
        )
    if len(json.dumps(variables)) > _VARIABLES_BYTES:
        return _invalid(
            "Lambda was unable to configure your environment variables because the environment "
            "variables you have provided exceeded the 4KB limit. String measured: "
            f"{json.dumps(variables)}"
        )
    runtime = given.get("Runtime")
    if runtime is not None and _RUNTIMES.fullmatch(runtime) is None:
        return _invalid(
            f"The runtime parameter of {runtime} is not supported by the embedded AWS; it has "
            "python3.9 and later, nodejs18.x and later."
        )
    return None


def _create(given: Mapping[str, Any]) -> Refusal | None:
    name = str(given.get("FunctionName", "")).rpartition("function:")[2]
    if len(name) > _NAME:
        constraint = f"Member must have length less than or equal to {_NAME}"
        words = f"Value '{name}' at 'functionName' failed to satisfy constraint: {constraint}"
        return Refusal("ValidationException", f"1 validation error detected: {words}", 400)
    if given.get("PackageType", "Zip") == "Zip" and not (
        given.get("Handler") and "Runtime" in given
    ):
        return _invalid(
            "Runtime and Handler are mandatory parameters for functions created with "
            "deployment packages."
        )
    return _configuration(given)


def _reserve(given: Mapping[str, Any]) -> Refusal | None:
    most = int(limits.limit("lambda", "Concurrent executions") or 0)
    least = min(_UNRESERVED, most)
    if int(given["ReservedConcurrentExecutions"]) > most - least:
        return _invalid(
            "Specified ReservedConcurrentExecutions for function decreases account's "
            f"UnreservedConcurrentExecution below its minimum value of [{least}]."
        )
    return None


def _permission(given: Mapping[str, Any]) -> Refusal | None:
    """Who may be let in, and to what (Lambda API Reference, AddPermission)."""
    principal, action = str(given["Principal"]), str(given["Action"])
    kind = "AWS" if re.fullmatch(r"\*|\d{12}|arn:.*", principal) else "Service"
    if any(invalid_principals({kind: principal})):
        # cloudformation-coverage-roadmap #1189.
        words = "The provided principal was invalid. Please check the principal and try again."
        return _invalid(words)
    known = registry.actions("lambda")
    if action not in ("*", "lambda:*") and action.partition(":")[2].lower() not in known:
        return _invalid(guessed(f"There is no action {action}", Guess.WORDS))
    return None


RULES = {
    **function_calls.RULES,
    "AddPermission": _permission,
    "CreateFunction": _create,
    "PutFunctionConcurrency": _reserve,
    "UpdateFunctionConfiguration": _configuration,
}
