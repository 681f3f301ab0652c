"""What EventBridge and Scheduler reach: encrypted queues, buses, queues of dead letters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from operations.smoke.probes.probe import Seen, asks, refusal
from operations.smoke.run import NotSeenError

if TYPE_CHECKING:
    from operations.smoke.run import Run

_SECONDS = 90.0


@asks("queue-key-source", "queue-key-context")
def encrypted_queues(run: Run) -> Iterator[Seen]:
    """Events for a queue without a key, which shows that the rule works, and for two with one."""
    if not _arrives(run, "PlainQueue"):
        raise NotSeenError("an event does not reach a queue without a key either")
    reached = _arrives(run, "Queue")
    yield Seen(question="queue-key-context", reading="reaches" if reached else "lost")
    named = _arrives(run, "AccountQueue")
    yield Seen(question="queue-key-source", reading="named" if named else "unnamed")


def _arrives(run: Run, queue: str) -> bool:
    def look() -> bool:
        run.client("events").put_events(
            Entries=[{"Source": run.name, "DetailType": "smoke", "Detail": "{}"}]
        )
        return _received(run, queue)

    return run.seen(look, _SECONDS)


def _received(run: Run, queue: str) -> bool:
    answer = run.client("sqs").receive_message(QueueUrl=run.outputs[queue], WaitTimeSeconds=1)
    return bool(answer.get("Messages"))


@asks("bus-role")
def buses(run: Run) -> Iterator[Seen]:
    """A target that is a bus of the account, without a role."""
    target = {"Id": "bus", "Arn": run.outputs["Bus"]}
    rule = run.outputs["BusRule"].rpartition("/")[2]

    def put() -> None:
        answer = run.client("events").put_targets(Rule=rule, Targets=[target])
        if answer["FailedEntryCount"]:
            raise NotSeenError(f"the target failed: {answer['FailedEntries'][0]}")

    why = refusal(put, "role")
    reading = "not-needed" if why is None else "needed"
    yield Seen(question="bus-role", reading=reading, detail=why or "")


@asks("schedule-letters")
def schedules(run: Run) -> Iterator[Seen]:
    """A schedule whose target is not there, with the role's leave alone; then with the queue's."""
    _schedule(run, "letter")
    if run.seen(lambda: _received(run, "Letters"), 2 * _SECONDS):
        yield Seen(question="schedule-letters", reading="role")
        return
    sqs, url = run.client("sqs"), run.outputs["Letters"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "scheduler.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": _queue_arn(run, "Letters"),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    _schedule(run, "second-letter")
    if not run.seen(lambda: _received(run, "Letters"), 2 * _SECONDS):
        raise NotSeenError("no dead letter came, with the queue's leave neither")
    yield Seen(question="schedule-letters", reading="policy")


def _schedule(run: Run, name: str) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=60 * run.pace + 1)
    nowhere = f"{_queue_arn(run, 'Letters').rpartition(':')[0]}:{run.named('nowhere')}"
    run.client("scheduler").create_schedule(
        Name=run.named(name),
        ScheduleExpression=f"at({moment:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": nowhere,
            "RoleArn": run.outputs["ScheduleRole"],
            "Input": "{}",
            "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60},
            "DeadLetterConfig": {"Arn": _queue_arn(run, "Letters")},
        },
    )


def _queue_arn(run: Run, queue: str) -> str:
    found = run.client("sqs").get_queue_attributes(
        QueueUrl=run.outputs[queue], AttributeNames=["QueueArn"]
    )
    return str(found["Attributes"]["QueueArn"])
