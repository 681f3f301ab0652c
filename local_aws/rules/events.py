"""EventBridge: rules, their targets and entries (EventBridge API Reference, of each operation).

The words are recorded responses (localstack/localstack, tests/aws/services/events, snapshots), but
for those of patterns and ARNs, which are moto's.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed
from local_aws.quotas import limits
from local_aws.quotas.rates import Bucket
from local_aws.rules.schedules import is_cron

_TARGETS = 5  # of a rule (EventBridge User Guide, "Amazon EventBridge quotas")
_ENTRIES_BYTES = 256 * 1024  # of a PutEvents request; the stricter of the sizes that were published
_TIME_BYTES = 14
_INPUTS = ("Input", "InputPath", "InputTransformer")
_ENVELOPE = ("id", "account", "source", "time", "region", "resources", "detail-type")
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationException", words, 400)


def _bus(given: Mapping[str, Any]) -> str:
    return str(given.get("EventBusName") or "default").rpartition("/")[2]


def _rule_there(given: Mapping[str, Any]) -> Refusal | None:
    name, bus = str(given.get("Name") or given.get("Rule")), _bus(given)
    if lookups.rule_exists(name, bus):
        return None
    words = f"Rule {name} does not exist on EventBus {bus}."
    return Refusal("ResourceNotFoundException", words, 400)


def _delete_rule(given: Mapping[str, Any]) -> Refusal | None:
    """ "Before you can delete the rule, you must remove all targets" (DeleteRule)."""
    if lookups.rule_targets(str(given["Name"]), _bus(given)):
        return _invalid("Rule can't be deleted since it has targets.")
    return None


def _put_rule(given: Mapping[str, Any]) -> Refusal | None:
    schedule = given.get("ScheduleExpression")
    if not schedule and not given.get("EventPattern"):
        return _invalid("Parameter(s) EventPattern or ScheduleExpression must be specified.")
    if schedule and _bus(given) != "default":
        return _invalid("ScheduleExpression is supported only on the default event bus.")
    rate = _RATE.fullmatch(schedule or "")
    # "If the value is equal to 1, then the unit must be singular" (User Guide, "Rate expressions").
    if (
        schedule
        and schedule.startswith("rate")
        and (rate is None or int(rate[1]) == 0 or (int(rate[1]) == 1) == bool(rate[3]))
    ):
        return _invalid("Parameter ScheduleExpression is not valid.")
    if schedule and schedule.startswith("cron") and not is_cron(schedule):
        return _invalid("Parameter ScheduleExpression is not valid.")
    return None


def _put_targets(given: Mapping[str, Any]) -> Refusal | None:
    refused = _rule_there(given)
    if refused is not None:
        return refused
    targets = given["Targets"]
    for target in targets:
        if not str(target["Arn"]).startswith("arn:"):
            words = "Provided Arn is not in correct format."
            return _invalid(f"Parameter {target['Arn']} is not valid. Reason: {words}")
    known = lookups.rule_targets(str(given["Rule"]), _bus(given))
    if len({*known, *(target["Id"] for target in targets)}) > _TARGETS:
        words = "The requested resource exceeds the maximum number allowed."
        return Refusal("LimitExceededException", words, 400)
    return None


def input_problem(target: Mapping[str, Any]) -> str | None:
    """What of a target's input is none, or None (API Reference, Target and InputTransformer)."""
    name, given = target["Id"], [each for each in _INPUTS if target.get(each)]
    if len(given) > 1:
        return guessed(
            f"Only one of {', '.join(_INPUTS)} may be given for target {name}.", Guess.UNSEEN
        )
    transformer = target.get("InputTransformer") or {}
    paths = transformer.get("InputPathsMap") or {}
    for path in (target.get("InputPath"), *paths.values()):
        if path and not str(path).startswith("$"):
            words = f"Invalid InputPath {path} for target {name}: it begins with $."
            return guessed(words, Guess.UNSEEN)
    placeholders = {*re.findall(r"<([\w.-]+)>", str(transformer.get("InputTemplate", "")))}
    unknown = sorted(each for each in placeholders - {*paths} if not each.startswith("aws.events."))
    if unknown:
        return f"InputTemplate for target {name} contains undefined placeholder {unknown[0]}."
    try:
        json.loads(target.get("Input") or "null")
    except ValueError:
        return f"JSON syntax error in input for target {name}."
    return None


def _bus_name(given: Mapping[str, Any]) -> Refusal | None:
    """ "Custom event bus names can't contain the / character" (CreateEventBus)."""
    if "/" in str(given["Name"]) and "EventSourceName" not in given:
        return _invalid("Event bus name must not contain '/'.")
    return None


def _bus_there(given: Mapping[str, Any]) -> Refusal | None:
    if lookups.bus_exists(_bus(given)):
        return None
    words = f"Event bus {_bus(given)} does not exist."
    return Refusal("ResourceNotFoundException", words, 400)


def _put_events(given: Mapping[str, Any]) -> Refusal | None:
    """ "14 bytes for Time" and the others' UTF-8 (User Guide, "Calculating PutEvents event entry
    size").
    """
    total = 0
    for entry in given["Entries"]:
        texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")]
        total += sum(len(text.encode()) for text in (*texts, *(entry.get("Resources") or ())))
        total += _TIME_BYTES if "Time" in entry else 0
    if total > _ENTRIES_BYTES:
        return _invalid("Total size of the entries in the request is over the limit.")
    return None if _puts().take() else Refusal("ThrottlingException", "Rate exceeded", 400)


@cache
def _puts() -> Bucket:
    """Requests a second, of the account. AWS documents throttling of an entry, too."""
    most = limits.limit("events", "PutEvents throttle limit in transactions per second")
    return Bucket(most or 0.0)


def entry_refusal(entry: Mapping[str, Any]) -> tuple[str, str] | None:
    """The error of an entry that PutEvents does not take, or None.

    localstack #10675 and #11990 have the answers of AWS ("Required: Source, DetailType, Detail").
    """
    for name in ("Source", "DetailType", "Detail"):
        if not entry.get(name):
            reason = f"{name} is a required argument."
            return "InvalidArgument", f"Parameter {name} is not valid. Reason: {reason}"
    try:
        detail = json.loads(entry["Detail"])
    except ValueError:
        detail = None
    return None if isinstance(detail, dict) else ("MalformedDetail", "Detail is malformed.")


def _delete_bus(given: Mapping[str, Any]) -> Refusal | None:
    name = str(given["Name"])
    if name == "default":
        return _invalid("Cannot delete event bus default.")
    if lookups.bus_rules(name):
        return _invalid("Event bus can't be deleted since it has rules.")
    return None


def _test_pattern(given: Mapping[str, Any]) -> Refusal | None:
    """ "the following fields are mandatory: id, account, source, time, region, resources,
    detail-type" (API Reference, TestEventPattern).
    """
    try:
        event = json.loads(given["Event"])
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return _invalid(guessed("Parameter Event is not valid.", Guess.UNSEEN))
    missing = [name for name in _ENVELOPE if name not in event]
    if missing:
        return _invalid(guessed(f"Parameter Event lacks {', '.join(missing)}.", Guess.UNSEEN))
    return None


RULES = {
    "CreateEventBus": _bus_name,
    "DeleteEventBus": _delete_bus,
    "DeleteRule": _delete_rule,
    "DescribeRule": _rule_there,
    "DisableRule": _rule_there,
    "EnableRule": _rule_there,
    "ListRules": _bus_there,
    "ListTargetsByRule": _rule_there,
    "PutEvents": _put_events,
    "PutRule": _put_rule,
    "PutTargets": _put_targets,
    "RemoveTargets": _rule_there,
    "TestEventPattern": _test_pattern,
}
