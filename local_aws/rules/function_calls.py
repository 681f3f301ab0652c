"""Lambda: aliases, versions, invocations, destinations and mappings (Lambda API Reference)."""

import json
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.events import pattern_problem
from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request
from local_aws.guesses import Guess, guessed

# "For synchronous invocations, the maximum payload size is 6 MB. For asynchronous invocations, the
# maximum payload size is 1 MB" (Invoke). ASFHyp3/hyp3 #2241 has the words.
_PAYLOAD_BYTES = {"RequestResponse": 6 * 1024**2, "Event": 1024**2}
_FILTERS = 5  # "up to five filters", of a source (Developer Guide, "Lambda event filtering")
_DESTINATIONS = ("sqs", "sns", "lambda", "events", "s3")


def _invalid(words: str) -> Refusal:
    return Refusal("InvalidParameterValueException", words, 400)


def _name(given: Mapping[str, Any]) -> str:
    return str(given["FunctionName"]).rpartition("function:")[2].partition(":")[0]


def invoke(request: Request) -> Refusal | None:
    """What an invocation may bring."""
    kind = request.headers.get("x-amz-invocation-type", "RequestResponse")
    most, size = _PAYLOAD_BYTES.get(kind, 0), len(request.body)
    if size > most and kind in _PAYLOAD_BYTES:
        words = (
            f"{size} byte payload is too large for the {kind} invocation type (limit {most} bytes)"
        )
        return Refusal("RequestEntityTooLargeException", words, 413)
    try:
        json.loads(request.body or b"null")
    except ValueError as error:
        words = f"Could not parse request body into json: {error}"
        return Refusal("InvalidRequestContentException", words, 400)
    return None


def _alias(given: Mapping[str, Any]) -> Refusal | None:
    """ "The function version that the alias invokes", and those that share its traffic."""
    weights = (given.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    if isinstance(weights, list):  # as templates have them
        weights = [each["FunctionVersion"] for each in weights]
    version = given.get("FunctionVersion")
    if weights and version == "$LATEST":
        return _invalid("$LATEST is not supported for an alias pointing to more than 1 version")
    for each in (version, *weights):
        arn = lookups.absent_version(_name(given), each) if each is not None else None
        if arn is not None:
            return Refusal("ResourceNotFoundException", f"Function not found: {arn}", 404)
    return None


def _delete(given: Mapping[str, Any]) -> Refusal | None:
    if given.get("Qualifier") == "$LATEST":
        return _invalid("$LATEST version cannot be deleted without deleting the function.")
    return None


def _publish(given: Mapping[str, Any]) -> Refusal | None:
    wanted, known = given.get("CodeSha256"), lookups.code_digest(_name(given))
    if not wanted or known is None or wanted == known:
        return None
    return _invalid(
        f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({known}). Please "
        "try again with the CodeSHA256 in $LATEST."
    )


def _policy(given: Mapping[str, Any]) -> Refusal | None:
    if lookups.has_function_policy(_name(given), given.get("Qualifier")):
        return None
    words = "The resource you requested does not exist."
    return Refusal("ResourceNotFoundException", words, 404)


def _invoke_config(given: Mapping[str, Any]) -> Refusal | None:
    """ "S3 buckets are supported only for on-failure destinations" (OnSuccess)."""
    settings = ("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
    if all(given.get(name) is None for name in settings):
        return _invalid("You must specify at least one of error handling or destination setting.")
    for kind, destination in (given.get("DestinationConfig") or {}).items():
        arn = (destination or {}).get("Destination")
        if not arn:
            continue
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        if service == "lambda" and arn.rpartition("function:")[2].partition(":")[0] == _name(given):
            return _invalid("You can't specify the function as a destination for itself.")
        bucket = service == "s3" and kind == "OnSuccess"
        if service not in _DESTINATIONS or bucket or name.endswith(".fifo"):
            return _invalid(
                guessed(f"The provided destination {arn} cannot be {kind}", Guess.WORDS)
            )
    return None


def _mapping(given: Mapping[str, Any]) -> Refusal | None:
    filters = (given.get("FilterCriteria") or {}).get("Filters") or ()
    if len(filters) > _FILTERS:
        return _invalid(guessed(f"A mapping has {_FILTERS} filters at most.", Guess.WORDS))
    for each in filters:
        if pattern_problem(str(each.get("Pattern", "{}"))) is not None:
            return _invalid("Invalid filter pattern definition. ")
    return None


def _new_mapping(given: Mapping[str, Any]) -> Refusal | None:
    source, name = str(given.get("EventSourceArn", "")), _name(given)
    known = lookups.mapping_of(source, str(given["FunctionName"]))
    if known is None:
        return _mapping(given)
    words = f'The event source arn (" {source} ") and function (" {name} ") provided mapping'
    if ":sqs:" in source:
        words = f'An event source mapping with SQS arn (" {source} ") and function (" {name} ")'
    words += f" already exists. Please update or delete the existing mapping with UUID {known}"
    return Refusal("ResourceConflictException", words, 409)


RULES = {
    "CreateAlias": _alias,
    "CreateEventSourceMapping": _new_mapping,
    "DeleteFunction": _delete,
    "GetPolicy": _policy,
    "PublishVersion": _publish,
    "PutFunctionEventInvokeConfig": _invoke_config,
    "UpdateAlias": _alias,
    "UpdateEventSourceMapping": _mapping,
    "UpdateFunctionEventInvokeConfig": _invoke_config,
}
