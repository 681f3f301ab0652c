"""How long a run looks for something, and what it makes of nothing."""

import time
from collections.abc import Iterator

import pytest

from local_aws.server import EmbeddedAws
from operations.errors import OperationError
from operations.smoke import asking
from operations.smoke.probes.probe import Probe, Seen, refusal
from operations.smoke.run import NotSeenError, Run, StoppedError, began, new_name
from operations.target import Target


def run(aws: EmbeddedAws, seconds: float) -> Run:
    target = Target("local", aws.session(), {})
    return Run(target=target, name=new_name(), image=None, deadline=time.monotonic() + seconds)


def test_nothing_is_an_answer_if_there_was_time_for_something(aws: EmbeddedAws) -> None:
    looks = iter([False, False, True])
    assert run(aws, 60).seen(lambda: next(looks), 30)
    assert not run(aws, 60).seen(lambda: False, 0)
    with pytest.raises(NotSeenError, match="the half hour was over"):
        run(aws, 0).seen(lambda: False, 60)


def test_what_must_come_is_waited_for_until_the_deadline(aws: EmbeddedAws) -> None:
    looks = iter([None, "found"])
    assert run(aws, 60).eventually(lambda: next(looks), "it") == "found"
    with pytest.raises(NotSeenError, match="it: not seen in time"):
        run(aws, 0).eventually(lambda: None, "it")


def test_a_run_that_is_stopped_makes_nothing_more(aws: EmbeddedAws) -> None:
    stopped = run(aws, 60)
    stopped.stopping.set()
    with pytest.raises(StoppedError):
        stopped.client("s3")
    with pytest.raises(StoppedError):
        stopped.seen(lambda: False, 30)


def test_a_refusal_for_something_else_is_no_answer(aws: EmbeddedAws) -> None:
    sqs = aws.session().client("sqs")

    def ask() -> None:
        sqs.get_queue_attributes(QueueUrl="http://127.0.0.1/000000000000/absent")

    assert "NonExistentQueue" in str(refusal(ask, "nonexistent"))
    with pytest.raises(NotSeenError, match=r"refused for something else: .*NonExistentQueue"):
        refusal(ask, "role")


def test_a_name_says_when_its_run_began() -> None:
    assert abs(began(f"{new_name()}-endpoint") - time.time()) < 60
    with pytest.raises(OperationError, match="must be a name of a run"):
        began("fraudloop-smoke-training")


def _one_of_two(_run: Run) -> Iterator[Seen]:
    yield Seen(question="bus-role", reading="needed")
    raise NotSeenError("a quota")


def test_what_a_probe_does_not_see_stays_open_with_the_reason(
    aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe = Probe(ask=_one_of_two, questions=("bus-role", "json-get"), minutes={})
    monkeypatch.setattr(asking, "_prepare", lambda _run: None)
    seen = asking.answers(Target("local", aws.session(), {}), [probe], None)
    assert seen["bus-role"].reading == "needed"
    assert (seen["json-get"].reading, seen["json-get"].detail) == (None, "a quota")
