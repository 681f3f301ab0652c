"""The job as SageMaker runs it: captures and a lake in S3, ground truth and metrics out."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest

from local_aws.server import EmbeddedAws
from pipeline_code.__main__ import main
from pipeline_code.captures.chunks import Tally
from pipeline_code.captures.datasets import DatasetFormat
from pipeline_code.captures.ground_truth import with_labels
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.reading import read_chunks
from pipeline_code.common.lake import Landing, write
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.common.schema import CUSTOMERS, FRAUD_REPORTS, TRANSACTIONS

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOW = datetime(2024, 3, 13, 12, tzinfo=UTC)
# When the predictions of these tests were made, on the day of their transactions.
ASKED = NOW - 3 * DAY
NAMESPACE = "test/labels"


class Site:
    """The buckets of one test, and the job that reads them."""

    def __init__(self, session: boto3.Session, root: Path) -> None:
        self.name = f"labels-{uuid.uuid4().hex[:8]}"
        self.session, self.root = session, root
        self.s3 = session.client("s3")
        self.s3.create_bucket(Bucket=self.name)
        self.captures, self.truth = (f"s3://{self.name}/{x}" for x in ("captures/fraud", "truth"))

    def capture(
        self, *ids: int, at: datetime = ASKED, inference_id: str | None = None, **metadata: str
    ) -> None:
        """One exchange about these transactions, answered at a moment."""
        asked = [_transaction(id_, at) for id_ in ids]
        answers = [{"transaction_id": id_, "score": 0.5, "features": {"a": 1}} for id_ in ids]
        single = len(ids) == 1
        line = {
            "captureData": {
                "endpointInput": _side(asked[0] if single else asked),
                "endpointOutput": _side(answers[0] if single else answers),
            },
            "eventMetadata": {
                "inferenceTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                "inferenceId": inference_id or str(ids[0]),
                **metadata,
            },
            "eventVersion": "0",
        }
        key = f"captures/fraud/primary/{at:%Y/%m/%d/%H}/{at:%M-%S-000}-{uuid.uuid4().hex}.jsonl"
        self.s3.put_object(Bucket=self.name, Key=key, Body=json.dumps(line).encode())

    def land(self, *ids: int, at: datetime = ASKED, reported: datetime | None = None) -> None:
        """Transactions of a moment; all of them frauds, if they are reported."""
        rows = [
            {
                "transaction_id": id_,
                "event_time": at,
                "customer_id": 1,
                "terminal_id": 2,
                "amount_minor": 100,
            }
            for id_ in ids
        ]
        reports = [
            {**row, "report_time": reported, "fraud_scenario": 1} for row in rows if reported
        ]
        folder = self.root / uuid.uuid4().hex
        write(
            Landing(
                transactions=pa.Table.from_pylist(rows, schema=TRANSACTIONS),
                fraud_reports=pa.Table.from_pylist(
                    [{name: row[name] for name in FRAUD_REPORTS.names} for row in reports],
                    schema=FRAUD_REPORTS,
                ),
                customers=CUSTOMERS.empty_table(),
            ),
            folder,
        )
        for file in folder.rglob("*.parquet"):
            key = f"lake/{file.relative_to(folder).as_posix()}"
            self.s3.upload_file(str(file), self.name, key)

    def labels(self) -> dict[str, dict[str, str]]:
        """By hour, the label of each prediction."""
        found = {}
        for item in self.objects():
            hour = item["Key"].removeprefix("truth/").removesuffix("/labels.jsonl")
            body = self.s3.get_object(Bucket=self.name, Key=item["Key"])["Body"].read()
            lines = [json.loads(line) for line in body.splitlines()]
            found[hour] = {
                line["eventMetadata"]["eventId"]: line["groundTruthData"]["data"] for line in lines
            }
        return found

    def objects(self) -> list[dict[str, Any]]:
        answer = self.s3.list_objects_v2(Bucket=self.name, Prefix="truth/")
        return list(answer.get("Contents", []))

    def metrics(self) -> dict[tuple[str, ...], float]:
        """The newest figure of each metric, by its name and dimensions."""
        cloudwatch = self.session.client("cloudwatch")
        found = {}
        for metric in cloudwatch.list_metrics(Namespace=NAMESPACE)["Metrics"]:
            values = [dimension["Value"] for dimension in metric["Dimensions"]]
            if self.name not in values:
                continue
            answer = cloudwatch.get_metric_statistics(
                **metric,
                StartTime=datetime.now(UTC) - HOUR,
                EndTime=datetime.now(UTC) + HOUR,
                Period=7200,
                Statistics=["Maximum"],
            )
            found[metric["MetricName"], *values] = answer["Datapoints"][0]["Maximum"]
        return found


def _transaction(id_: int, at: datetime) -> dict[str, Any]:
    return {
        "transaction_id": id_,
        "event_time": at.isoformat(),
        "customer_id": 1,
        "terminal_id": 2,
        "amount": "1.00",
    }


def _side(document: object) -> dict[str, str]:
    data = json.dumps(document)
    return {"observedContentType": "application/json", "data": data, "encoding": "JSON"}


@pytest.fixture(scope="module")
def session(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.session()


@pytest.fixture
def site(
    session: Any, embedded_aws: EmbeddedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Site:
    site = Site(session, tmp_path / "landing")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    for name, value in {
        **embedded_aws.environment(),
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "CAPTURES_URI": site.captures,
        "RAW_URI": f"s3://{site.name}/lake/",
        "GROUND_TRUTH_URI": site.truth,
        "ENDPOINT_NAME": site.name,
        "LABEL_DELAY_DAYS": "2",
        "LOOK_BACK_HOURS": "96",
        "METRIC_NAMESPACE": NAMESPACE,
        "END_TIME": NOW.isoformat(),
    }.items():
        monkeypatch.setenv(name, value)
    return site


@pytest.fixture
def run(site: Site, tmp_path: Path) -> Callable[..., str]:
    """Runs the entry point; answers what SageMaker shows."""

    def labels(exit_code: int = 0) -> str:
        assert main(["labels"]) == exit_code
        return (tmp_path / "output" / "message").read_text()

    return labels


def test_a_prediction_is_judged_by_the_hour_it_was_made_in(
    site: Site, run: Callable[..., str]
) -> None:
    site.capture(1)
    site.capture(2, at=ASKED + 2 * HOUR)
    site.capture(3, 4, at=ASKED + 2 * HOUR, inference_id="both")
    site.capture(5, at=NOW - DAY)
    site.capture(6, inference_id=f"{PROBE_INFERENCE_PREFIX}6")
    site.land(1, reported=ASKED + 2 * DAY)
    site.land(4, at=ASKED + 2 * HOUR, reported=ASKED + DAY)
    # Of the hour before the first that was asked about, and in between.
    site.land(7, at=ASKED - HOUR, reported=ASKED + DAY)
    site.land(8, at=ASKED + HOUR, reported=ASKED + DAY)
    site.land(5, at=NOW - DAY, reported=NOW - HOUR)
    message = run()
    assert site.labels() == {
        "2024/03/10/12": {"1": "1"},
        "2024/03/10/14": {"2": "0", "both/3": "0", "both/4": "1"},
    }
    assert message.startswith(
        "Completed: 4 of 5 predictions judged, 2 of them frauds, as of 2024-03-13T11:00:00Z; "
        "1 wait, 0 without an id, 0 with another's id; 1 reports met no captured prediction; "
        "2 files changed"
    )
    assert site.metrics() == {
        ("LabelMaturity", site.name, "labels"): 0.8,
        ("UnmetReports", site.name): 1.0,
    }


def test_repeating_changes_nothing_and_a_late_report_corrects(
    site: Site, run: Callable[..., str]
) -> None:
    site.capture(1)
    site.capture(2, at=ASKED + HOUR)
    site.land(9, at=NOW - HOUR)
    run()
    before = site.objects()
    assert site.labels() == {"2024/03/10/12": {"1": "0"}, "2024/03/10/13": {"2": "0"}}
    assert "0 files changed" in run()
    assert site.objects() == before
    site.land(1, reported=NOW - HOUR)
    site.land(1, reported=NOW - 2 * HOUR)
    assert "1 files changed" in run()
    assert site.labels() == {"2024/03/10/12": {"1": "1"}, "2024/03/10/13": {"2": "0"}}


def test_a_lake_that_stands_still_judges_nothing(site: Site, run: Callable[..., str]) -> None:
    site.capture(1)
    site.land(1)
    assert "0 of 1 predictions judged, 0 of them frauds, as of 2024-03-10T12:00:00Z" in run()
    assert site.labels() == {}
    # Nothing is known of what has not happened yet, whatever has landed.
    site.land(3, at=NOW + DAY, reported=NOW + 2 * DAY)
    assert "as of 2024-03-10T12:00:00Z" in run()


def test_an_empty_lake_judges_nothing(site: Site, run: Callable[..., str]) -> None:
    site.capture(1)
    assert "as of never: the lake is empty; 1 wait" in run()
    assert site.metrics()["LabelMaturity", site.name, "labels"] == 0


def test_no_captures_are_no_failure_and_keep_what_was_judged(
    site: Site, run: Callable[..., str]
) -> None:
    site.s3.put_object(Bucket=site.name, Key="truth/2024/03/10/12/labels.jsonl", Body=b"")
    site.land(9, at=NOW - HOUR)
    assert run().startswith("Completed: no captured predictions to judge (0 files read")
    assert len(site.objects()) == 1
    assert site.metrics() == {("UnmetReports", site.name): 0.0}


def test_a_broken_capture_fails_and_what_came_before_is_kept(
    site: Site, run: Callable[..., str]
) -> None:
    site.capture(1)
    site.capture(2, at=ASKED + 7 * HOUR)
    site.land(9, at=NOW - HOUR)
    key = f"captures/fraud/primary/{ASKED + 7 * HOUR:%Y/%m/%d/%H}/30-00-000-x.jsonl"
    site.s3.put_object(Bucket=site.name, Key=key, Body=b"{\n")
    assert "30-00-000-x.jsonl" in run(exit_code=1)
    assert site.labels() == {"2024/03/10/12": {"1": "0"}}
    site.s3.delete_object(Bucket=site.name, Key=key)
    assert "1 files changed" in run()
    assert site.labels() == {"2024/03/10/12": {"1": "0"}, "2024/03/10/19": {"2": "0"}}


def test_a_broken_file_of_the_lake_fails(site: Site, run: Callable[..., str]) -> None:
    site.capture(1)
    key = "lake/fraud_reports/report_date=2024-03-12/part.parquet"
    site.s3.put_object(Bucket=site.name, Key=key, Body=b"nothing")
    assert f"{key}: file must be readable Parquet" in run(exit_code=1)


def test_the_monitor_reads_what_the_job_wrote(site: Site, run: Callable[..., str]) -> None:
    site.capture(1)
    site.capture(2, 3, at=ASKED + HOUR, inference_id="both")
    site.capture(4, at=NOW - DAY)
    site.land(3, at=ASKED + HOUR, reported=ASKED + DAY)
    site.land(9, at=NOW - HOUR)
    run()
    interval = Interval(ASKED - DAY, NOW)
    chunks = read_chunks(site.captures, DatasetFormat(), interval, Tally(), with_predictions=True)
    known = {
        id_: label
        for each in with_labels(chunks, site.truth, interval)
        for id_, label in zip(
            each.predictions["transaction_id"].to_pylist(), each.labels.tolist(), strict=True
        )
    }
    assert known == {1: 0, 2: 0, 3: 1, 4: -1}
