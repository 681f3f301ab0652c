"""Log streams: the last lines of all of them, and what comes while somebody looks."""

import time
from collections.abc import Callable
from uuid import uuid4

import pytest

from operations.log_streams import Log, follow, last_lines
from operations.target import Target

Write = Callable[..., None]


@pytest.fixture
def target(target_with: Callable[..., Target]) -> Target:
    return target_with(EndpointName="any")


@pytest.fixture
def log(target: Target) -> Log:
    name = f"/tests/{uuid4().hex}"
    target.client("logs").create_log_group(logGroupName=name)
    return Log(name, "job-1/")


@pytest.fixture
def write(target: Target, log: Log) -> Write:
    """write("job-1/algo-1", "a line", ...)"""
    logs, made = target.client("logs"), set[str]()

    def lines(stream: str, *messages: str) -> None:
        names = {"logGroupName": log.group, "logStreamName": stream}
        if stream not in made:
            logs.create_log_stream(**names)
            made.add(stream)
        for message in messages:
            event = {"timestamp": int(time.time() * 1000), "message": message}
            logs.put_log_events(**names, logEvents=[event])
            time.sleep(0.002)  # lines of a log are in the order of their milliseconds

    return lines


def test_the_last_lines_are_of_all_instances_and_of_no_other_job(
    target: Target, log: Log, write: Write
) -> None:
    write("job-1/algo-1", "one", "two\n")
    write("job-1/algo-2", "three")
    write("job-1/algo-1", "four")
    write("job-11/algo-1", "another's")
    lines = last_lines(target, log, 3)
    assert [line.message for line in lines] == ["two", "three", "four"]
    assert lines == sorted(lines)


def test_what_has_not_logged_has_no_lines(target: Target, log: Log) -> None:
    assert last_lines(target, log, 3) == []
    assert last_lines(target, Log("/tests/there-is-none"), 3) == []


def test_what_comes_is_followed_until_the_writer_has_ended(
    target: Target, log: Log, write: Write
) -> None:
    write("job-1/algo-1", "one", "two", "three")
    steps = iter(
        [
            lambda: None,
            lambda: write("job-1/algo-1", "four"),
            # An instance that began later is read from its beginning.
            lambda: write("job-1/algo-2", "five", "six", "seven"),
            lambda: None,
            lambda: write("job-1/algo-1", "the last one"),
        ]
    )

    def ended() -> bool:
        step = next(steps, None)
        if step is not None:
            step()
        return step is None

    followed = [line.message for line in follow(target, log, 2, ended)]
    assert followed == ["two", "three", "four", "five", "six", "seven", "the last one"]
