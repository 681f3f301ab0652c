"""EventBridge: rules, their targets and entries (EventBridge API Reference, of each operation)."""

import json
import re
from collections.abc import Mapping
from typing import Any

from local_aws.adapter import lookups
from local_aws.adapter.operations import Refusal
from local_aws.rules.schedules import is_cron

_TARGETS = 5  # of a rule (EventBridge User Guide, quotas)
_ENTRIES_BYTES = 256 * 1024  # of a PutEvents request; the stricter of the sizes that were published
_RATE = re.compile(r"rate\((\d+) (minute|hour|day)(s?)\)")


def _invalid(words: str) -> Refusal:
    return Refusal("ValidationException", words, 400)


def _bus(given: Mapping[str, Any]) -> str:
    return str(given.get("EventBusName") or "default").rpartition("/")[2]


def _rule_there(given: Mapping[str, Any]) -> Refusal | None:
    name, bus = str(given.get("Name") or given.get("Rule")), _bus(given)
    if lookups.rule_exists(name, bus):
        return None
    # moto #3387 and terraform-provider-aws #18178 quote it.
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
    # "A value of 1 takes the singular, others the plural" (User Guide, rate expressions).
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


def _put_events(given: Mapping[str, Any]) -> Refusal | None:
    if sum(len(json.dumps(entry).encode()) for entry in given["Entries"]) > _ENTRIES_BYTES:
        return _invalid("Total size of the entries in the request is over the limit.")
    return None


RULES = {
    "DeleteRule": _delete_rule,
    "DisableRule": _rule_there,
    "EnableRule": _rule_there,
    "PutEvents": _put_events,
    "PutRule": _put_rule,
    "PutTargets": _put_targets,
    "RemoveTargets": _rule_there,
}
