"""What would grow without an end has one."""

import time
from collections.abc import Callable
from typing import Any

from local_aws.adapter.bounds import MOST_EVENTS, MOST_VERSIONS

Client = Callable[[str], Any]


def test_a_stream_keeps_its_newest_events(client: Client) -> None:
    logs, names = client("logs"), {"logGroupName": "/bounds", "logStreamName": "one"}
    logs.create_log_group(logGroupName="/bounds")
    logs.create_log_stream(**names)
    now = int(time.time() * 1000)
    for start in (0, MOST_EVENTS):
        numbers = range(start, start + MOST_EVENTS)
        events = [{"timestamp": now + n, "message": str(n)} for n in numbers]
        logs.put_log_events(**names, logEvents=events)
    oldest = logs.get_log_events(**names, startFromHead=True, limit=1)["events"][0]
    newest = logs.get_log_events(**names, limit=1)["events"][0]
    assert (oldest["message"], newest["message"]) == (str(MOST_EVENTS), str(2 * MOST_EVENTS - 1))


def test_a_parameter_keeps_a_hundred_versions(client: Client) -> None:
    ssm = client("ssm")
    for number in range(MOST_VERSIONS + 2):
        ssm.put_parameter(Name="/bounds", Value=str(number), Type="String", Overwrite=True)
    pages = ssm.get_paginator("get_parameter_history").paginate(Name="/bounds")
    versions = [entry["Version"] for page in pages for entry in page["Parameters"]]
    assert versions == list(range(3, MOST_VERSIONS + 3))
