"""The retraining function against services that answer, and against some that do not."""

import random
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from retrain import handler as retrain

from local_aws.server import EmbeddedAws
from operations.redrive import redrive
from operations.target import Target
from pipeline_code.contracts.pipelines import fingerprint

from .conftest import Invocation
from .retraining import Faults, Queued, executions, storm, violations

pytestmark = pytest.mark.usefixtures("connected")

HOUR = timedelta(hours=1)
API = ("sagemaker.StartPipelineExecution", "sagemaker.ListPipelineExecutions")
PARAMETERS = ("ssm.GetParameter", "ssm.PutParameter")


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Queued:
    return Queued(monkeypatch)


def chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - it has nothing to hide


def soon() -> datetime:
    """An end that no retraining of this test begins after."""
    return datetime.now(UTC) + HOUR


def asked(kind: str, reason: str = "new fraud") -> dict[str, Any]:
    """A person's event."""
    event = violations(soon())
    detail = {"reason": reason, "by": "arn:aws:iam::000000000000:user/someone"}
    return event | {"source": "fraudloop.operations", "detail-type": kind, "detail": detail}


def passed(end: datetime) -> dict[str, Any]:
    return violations(end) | {"detail-type": "Monitoring Passed"}


def test_drift_starts_the_pipeline_with_its_reason_and_evidence(queued: Queued) -> None:
    event = violations(soon())
    said = queued.handle(event)
    (execution,) = executions(queued.name)
    etag = boto3.client("s3").head_object(Bucket=queued.name, Key="transactions/part.parquet")
    assert execution["parameters"] == {
        "TriggerReason": "drift: data-quality of version 3: 2 violations in amount_minor",
        "TriggerEvidence": event["detail"]["violations_uri"],
        "DataVersion": fingerprint([("transactions/part.parquet", etag["ETag"])]),
    }
    name = execution["PipelineExecutionDisplayName"]
    assert re.fullmatch(r"retrain-\d{8}T\d{6}-[0-9a-f]{12}", name)
    assert said["outcome"] == "started"
    assert said["execution_arn"] == execution["PipelineExecutionArn"]
    assert said["RetrainingsStarted"] == 1
    assert queued.state()["last"]["name"] == name


def test_every_event_is_said_and_counted(queued: Queued) -> None:
    said = queued.handle(violations(soon()), violations(soon()))
    assert said["RetrainingsDeclined"] == 1
    assert (said["outcome"], said["Reason"], said["EndpointName"]) == (
        "declined",
        "cool-down",
        "fraud",
    )
    (directive,) = said["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["EndpointName"], ["EndpointName", "Reason"]]
    assert directive["Namespace"] == queued.name


def test_an_execution_that_was_started_by_hand_is_no_cool_down(queued: Queued) -> None:
    boto3.client("sagemaker").start_pipeline_execution(
        PipelineName=queued.name, ClientRequestToken="0" * 32
    )
    # It ends in a moment.
    assert queued.at_rest(lambda: violations(soon()))["outcome"] == "started"
    assert len(executions(queued.name)) == 2


def test_an_event_that_is_no_event_is_a_dead_letter_and_the_others_go_on(queued: Queued) -> None:
    strange = {"id": "1", "source": "aws.s3", "detail-type": "Object Created"}
    queued.handle(strange, violations(soon()))
    assert len(executions(queued.name)) == 1
    assert queued.dead_letters() == 1
    (first, *_) = failed = queued.outcomes("failed")
    assert len(failed) == 8
    assert "got Object Created of aws.s3" in first["reason"]
    assert first["RetrainingEventsFailed"] == 1


def test_what_there_is_no_time_for_comes_again(queued: Queued) -> None:
    records = [{"messageId": "1", "receiptHandle": "1", "body": "", "attributes": {}}]
    answer = retrain.handler({"Records": records}, Invocation(remaining=[1000]))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}


def test_a_retraining_that_failed_holds_drift_up_for_less_long(queued: Queued) -> None:
    queued.configure(FAILED_COOL_DOWN_SECONDS="0")
    assert queued.handle(violations(soon()))["outcome"] == "started"
    assert queued.handle(violations(soon()))["Reason"] == "cool-down"
    (execution,) = executions(queued.name)
    kind = "SageMaker Model Building Pipeline Execution Status Change"
    event = violations(soon()) | {"source": "aws.sagemaker", "detail-type": kind}
    for arn, failures in (("arn:by-hand", None), (execution["PipelineExecutionArn"], 1)):
        detail = {"pipelineExecutionArn": arn, "currentPipelineExecutionStatus": "Failed"}
        said = queued.handle(event | {"detail": detail})
        assert (said["outcome"], said.get("RetrainingsFailed")) == ("noted", failures)
    assert queued.at_rest(lambda: violations(soon()))["outcome"] == "started"


def test_a_start_whose_answer_was_lost_is_found_and_told(queued: Queued) -> None:
    lost = Faults(chance(1), share=1.0, kinds=["silent"])
    event = violations(soon())
    with lost.of("sagemaker.StartPipelineExecution"):
        queued.handle(event)
    assert (lost.count, queued.dead_letters()) == (1, 0)
    (execution,) = executions(queued.name)
    (started,) = queued.outcomes("started")
    assert started["execution_arn"] == execution["PipelineExecutionArn"]
    assert queued.state()["count"] == 1


def test_a_start_whose_answer_was_lost_and_that_is_not_listed_yet_is_asked_for_again(
    queued: Queued,
) -> None:
    lost = Faults(chance(1), share=1.0, kinds=["silent"], limit=1)
    late = Faults(chance(1), share=1.0, kinds=["blind"])
    with lost.of("sagemaker.StartPipelineExecution"), late.of("sagemaker.ListPipelineExecutions"):
        queued.handle(violations(soon()))
    assert (lost.count, queued.dead_letters()) == (1, 0)
    assert late.count > 0
    (execution,) = executions(queued.name)
    (started,) = queued.outcomes("started")
    assert started["execution_arn"] == execution["PipelineExecutionArn"]


def test_a_start_that_another_event_completed_is_told_to_its_own(queued: Queued) -> None:
    failing = Faults(chance(1), share=1.0, kinds=["before"])
    first, second = violations(soon()), violations(soon())
    with failing.of("sagemaker.StartPipelineExecution"):
        queued.handle(first)
    assert queued.dead_letters() == 1
    assert executions(queued.name) == []
    assert queued.handle(second)["Reason"] == "cool-down"
    (execution,) = executions(queued.name)
    assert execution["parameters"]["TriggerEvidence"] == first["detail"]["violations_uri"]
    assert queued.handle(first)["outcome"] == "started"
    assert queued.handle(first)["Reason"] == "duplicate"
    assert len(executions(queued.name)) == 1


def test_a_start_that_is_refused_leaves_nothing_behind(queued: Queued) -> None:
    refusing = Faults(chance(1), share=1.0, kinds=["refused"])
    with refusing.of("sagemaker.StartPipelineExecution"):
        queued.handle(violations(soon()))
    assert queued.dead_letters() == 1
    assert queued.state()["pending"] is None
    second = violations(soon())
    assert queued.handle(second)["outcome"] == "started"
    (execution,) = executions(queued.name)
    assert execution["parameters"]["TriggerEvidence"] == second["detail"]["violations_uri"]


def test_a_person_is_answered(queued: Queued) -> None:
    queued.handle(violations(soon()))
    said = queued.at_rest(lambda: asked("Retraining Requested"))
    assert said["outcome"] == "started"
    answer = queued.state()["answer"]
    assert answer["event_id"] == said["event_id"]
    assert (answer["outcome"], answer["reason"]) == ("started", "manual: new fraud")
    names = [each["parameters"]["TriggerEvidence"] for each in executions(queued.name)]
    assert "arn:aws:iam::000000000000:user/someone" in names


def test_drift_that_is_not_cured_calls_a_person_until_somebody_resumes(queued: Queued) -> None:
    queued.configure(COOL_DOWN_SECONDS="0", DAILY_BUDGET="99")

    def drift() -> dict[str, Any]:
        return queued.at_rest(lambda: violations(soon()))

    assert [drift()["outcome"] for _ in range(3)] == ["started"] * 3
    said = drift()
    assert (said["Reason"], said["UncuredDrifts"]) == ("uncured", 1)
    assert "`fraudloop retraining resume`" in said["reason"]
    assert "UncuredDrifts" not in queued.handle(passed(datetime.now(UTC) - HOUR))
    assert queued.handle(asked("Retraining Resumed"))["UncuredDrifts"] == 0
    assert [drift()["outcome"] for _ in range(3)] == ["started"] * 3
    assert drift()["Reason"] == "uncured"
    assert queued.handle(passed(soon()))["UncuredDrifts"] == 0
    assert drift()["outcome"] == "started"


@pytest.mark.parametrize(
    ("seed", "size", "operations"),
    [
        (1, 1000, API),
        *((seed, 60, API) for seed in range(2, 4)),
        *((seed, 60, (*API, *PARAMETERS)) for seed in range(5, 7)),
    ],
)
def test_a_storm_with_half_of_the_calls_failing_starts_one_and_loses_none(
    queued: Queued,
    embedded: EmbeddedAws,
    seed: int,
    size: int,
    operations: tuple[str, ...],
) -> None:
    draw = chance(seed)
    queued.send(storm(draw, size))
    faults = Faults(draw)
    with faults.of(*operations):
        queued.run()
    in_dead_letters = queued.dead_letters()
    assert len(queued.outcomes("started", "declined")) + in_dead_letters == size
    target = queued.target(Target("local", embedded.session(), embedded.environment()))
    assert redrive(target)["retraining_events"] == in_dead_letters
    queued.run()
    assert len(queued.outcomes("started", "declined")) == size
    (execution,) = executions(queued.name)
    started = queued.outcomes("started")
    # The one event that it was started for; with a state that could not be kept, so are duplicates.
    assert {each["execution_arn"] for each in started} == {execution["PipelineExecutionArn"]}
    assert len({each["event_id"] for each in started}) == 1
    assert len(started) == 1 or operations != API
    assert started[0]["event_id"] in execution["parameters"]["TriggerEvidence"]
    assert queued.state()["pending"] is None
    assert queued.state()["count"] == 1
