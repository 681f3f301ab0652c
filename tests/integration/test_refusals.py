"""Bad input against a live environment: refused with its reason, and nothing is harmed."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.promotion import await_rejection, register_broken
from operations.errors import OperationError
from operations.models import approvals, registry
from operations.serving.scoring import Scorer
from pipeline_code.common.schema import TRANSACTIONS

pytestmark = pytest.mark.end_to_end

DAY = datetime(2025, 2, 3, tzinfo=UTC)


@pytest.fixture
def landed(played: Any, tmp_path: Path) -> Iterator[str]:
    """A file in the lake with one id twice, taken out again afterwards; yields its key."""
    one = {
        "transaction_id": 9_000_000_000_001,
        "event_time": DAY,
        "customer_id": 1,
        "terminal_id": 1,
        "amount_minor": 1000,
    }
    file = tmp_path / "bad.parquet"
    rows = [one, one | {"amount_minor": 7}]
    pq.write_table(pa.Table.from_pylist(rows, schema=TRANSACTIONS), file)
    key = f"transactions/event_date={DAY:%Y-%m-%d}/bad.parquet"
    s3, bucket = played.target.client("s3"), played.target.output("RawBucketName")
    s3.upload_file(str(file), bucket, key)
    yield key
    s3.delete_object(Bucket=bucket, Key=key)


# What else is malformed, the tests of the check itself go through.
def test_a_malformed_file_stops_the_pipeline_at_the_check(
    played: Any, fraudloop: Any, landed: str
) -> None:
    before = [item["ModelPackageArn"] for item in registry.packages(played.target)]
    done = fraudloop("train", "--json", "-", "--state", str(played.state))
    execution = json.loads(done.stdout)
    assert (done.returncode, execution["status"]) == (1, "Failed")
    failed = [step for step in execution["steps"] if step["status"] == "Failed"]
    reasons = {step["name"]: step["detail"] for step in failed}
    assert list(reasons) == ["CheckData"]
    assert landed in reasons["CheckData"]
    # And what its log ends with, and where the rest of it is.
    job = re.search(r"last lines of CheckData, all with `fraudloop logs (\S+) --state", done.stderr)
    assert job is not None
    log = fraudloop("logs", job[1], "--state", str(played.state)).stdout.splitlines()
    assert log[-1].partition(" ")[2] in done.stderr
    # The rule, the file and the row; no transaction, since logs are read by more people than data.
    assert "duplicate_transaction" in reasons["CheckData"]
    assert "9000000000001" not in reasons["CheckData"]
    assert [item["ModelPackageArn"] for item in registry.packages(played.target)] == before


GOOD_REQUEST = {
    "transaction_id": 1,
    "event_time": "2025-03-20T12:00:00Z",
    "customer_id": 1,
    "terminal_id": 1,
    "amount": "12.50",
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"amount": "-1.00"}, "amount"),
        ({"amount": "1.234"}, "amount"),
        ({"customer_id": "seven"}, "customer_id"),
        ({"event_time": "yesterday"}, "event_time"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_malformed_request_gets_its_reason_and_the_endpoint_lives_on(
    played: Any, change: dict[str, Any], expected: str
) -> None:
    scorer = Scorer(played.target)
    with pytest.raises(OperationError, match=expected) as refusal:
        scorer.ask(GOOD_REQUEST | change)
    assert "400" in str(refusal.value)
    assert 0 <= scorer.ask(GOOD_REQUEST)["score"] <= 1


def test_a_decided_or_unknown_package_cannot_be_approved(played: Any, fraudloop: Any) -> None:
    approved = played.result["model_versions"][0]
    done = fraudloop("approve", approved, "--state", str(played.state))
    assert done.returncode == 1
    assert "Approved" in done.stderr
    done = fraudloop("approve", "99", "--state", str(played.state))
    assert done.returncode == 1
    assert "got '99'" in done.stderr


def test_an_approved_version_whose_archive_was_overwritten_never_answers(played: Any) -> None:
    target = played.target
    sagemaker, s3 = target.client("sagemaker"), target.client("s3")
    before = registry.deployed_package(target)

    def place(package: str) -> dict[str, str]:
        described = sagemaker.describe_model_package(ModelPackageName=package)
        (container,) = described["InferenceSpecification"]["Containers"]
        location = urlsplit(container["ModelDataUrl"])
        return {"Bucket": location.netloc, "Key": location.path.lstrip("/")}

    attacked = register_broken(target, before)
    # By another whole model, which this environment even deploys: only the digest tells them apart.
    s3.copy_object(CopySource=place(before), **place(attacked))
    approvals.approve(target, attacked, reason="test: of the files that were judged")
    await_rejection(target, attacked, before)
    package = sagemaker.describe_model_package(ModelPackageName=attacked)
    assert "its deployment was rolled back" in package["ApprovalDescription"]
    assert "must have the digest" in package["ApprovalDescription"]
    assert Scorer(target).ask(GOOD_REQUEST)["model_version"] == before


def test_a_second_up_on_a_taken_port_says_who_has_it(
    played: Any, fraudloop: Any, tmp_path: Path
) -> None:
    connection = json.loads((played.state / "embedded.json").read_text())
    done = fraudloop("up", "--port", str(connection["port"]), "--state", str(tmp_path / "other"))
    assert done.returncode == 1
    assert str(connection["pid"]) in done.stderr
