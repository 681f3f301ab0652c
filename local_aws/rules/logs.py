"""CloudWatch Logs and the Glue catalog: batches of events, partitions of tables."""

import time
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from local_aws.adapter import glue, lookups
from local_aws.adapter.operations import Refusal
from local_aws.guesses import Guess, guessed

_EVENTS = 10_000
_DAY_MILLISECONDS = 86_400_000


def _put(given: Mapping[str, Any]) -> Refusal | None:
    """ "The batch of events must satisfy the following constraints" (PutLogEvents)."""
    times = [int(event["timestamp"]) for event in given["logEvents"]]
    words = None
    if any(before > after for before, after in pairwise(times)):
        words = "Log events in a single PutLogEvents request must be in chronological order."
    elif times and max(times) - min(times) > _DAY_MILLISECONDS:
        words = (
            "The batch of log events in a single PutLogEvents request cannot span more than 24 "
            "hours."
        )
    elif times and not _oldest() <= min(times) <= max(times) <= _newest():
        # AWS takes the others, and tells of these in rejectedLogEventsInfo.
        words = (
            "Events of more than 14 days ago, or more than 2 hours ahead, are refused with their "
            "batch on the embedded AWS."
        )
    elif len(times) > _EVENTS:
        words = guessed(f"A batch may have {_EVENTS} log events.", Guess.WORDS)
    return None if words is None else Refusal("InvalidParameterException", words, 400)


def _oldest() -> float:
    return time.time() * 1000 - 14 * _DAY_MILLISECONDS


def _newest() -> float:
    return time.time() * 1000 + _DAY_MILLISECONDS / 12


def _table_there(given: Mapping[str, Any]) -> Refusal | None:
    if glue.get_table(str(given["DatabaseName"]), str(given["TableName"])) is not None:
        return None
    return Refusal("EntityNotFoundException", f"Table {given['TableName']} not found.", 400)


def _filter(given: Mapping[str, Any]) -> Refusal | None:
    """A pattern of JSON is in braces, one of columns in brackets (User Guide, "Filter pattern
    syntax for metric filters"); what is in them is not looked at.
    """
    pattern = str(given["filterPattern"]).strip()
    for first, last in ("{}", "[]"):
        if pattern.startswith(first) != pattern.endswith(last) and pattern[:1] in "{[":
            return Refusal("InvalidParameterException", "Invalid metric filter pattern", 400)
    return None


def _partition(given: Mapping[str, Any]) -> Refusal | None:
    refused = _table_there(given)
    keys = lookups.partition_keys(str(given["DatabaseName"]), str(given["TableName"]))
    if refused is None and len(given["PartitionInput"].get("Values") or ()) != keys:
        words = "The number of partition keys do not match the number of partition values"
        return Refusal("InvalidInputException", words, 400)
    return refused


def _lower(given: Mapping[str, Any]) -> Refusal | None:
    """ "This is folded to lowercase when it is stored" (Glue API, of names); not here."""
    name = str((given.get("TableInput") or given["DatabaseInput"])["Name"])
    if name == name.lower():
        return None
    words = f"The embedded AWS does not fold names to lower case; write {name.lower()}"
    return Refusal("InvalidInputException", words, 400)


def _streams(given: Mapping[str, Any]) -> Refusal | None:
    """ "If orderBy is LastEventTime, you cannot specify" a prefix (DescribeLogStreams)."""
    if given.get("orderBy") != "LastEventTime" or "logStreamNamePrefix" not in given:
        return None
    words = "Cannot order by LastEventTime with a logStreamNamePrefix."
    return Refusal("InvalidParameterException", words, 400)


RULES = {"DescribeLogStreams": _streams, "PutLogEvents": _put, "PutMetricFilter": _filter}
CATALOG_RULES = {
    "BatchCreatePartition": _table_there,
    "BatchGetPartition": _table_there,
    "CreateDatabase": _lower,
    "CreatePartition": _partition,
    "CreateTable": _lower,
    "GetPartition": _table_there,
    "GetPartitions": _table_there,
}
