"""The findings of one run of a monitor: the files that its job left in S3."""

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.monitoring import MonitorKind
from pipeline_code.monitor.analysis import MISSING_DATA

__all__ = ["Finding", "FindingOutcome", "finding_of", "reason_of"]

VIOLATIONS, ANALYSIS, REPORT = "constraint_violations.json", "analysis.json", "report.html"
VIOLATED = "CompletedWithViolations"


class FindingOutcome(StrEnum):
    """What a finding means, in words."""

    PASSED = "nothing is wrong"
    VIOLATED = "violations found"
    UNKNOWN = "too little data to tell"


@dataclass(frozen=True)
class Finding:
    """One monitor run.

    Attributes:
        kind: What was looked for.
        arn: The job.
        status: `Completed` or `CompletedWithViolations`.
        violations: Entries of `constraint_violations.json`.
        report: S3 prefix of the run's files.
        analysis: `analysis.json`: figures, limits, maturity; empty if an older analyzer ran.
    """

    kind: MonitorKind
    arn: str
    status: str
    violations: list[dict[str, Any]]
    report: str
    analysis: dict[str, Any]

    @property
    def outcome(self) -> FindingOutcome:
        """What it means."""
        if self.broken:
            return FindingOutcome.VIOLATED
        return FindingOutcome.UNKNOWN if self.violations else FindingOutcome.PASSED

    @property
    def broken(self) -> list[dict[str, Any]]:
        """The violations by data that is there."""
        return [each for each in self.violations if each["constraint_check_type"] != MISSING_DATA]

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "arn": self.arn,
            "status": self.status,
            "outcome": self.outcome.value,
            "violations": self.violations,
            "report": self.report,
            "analysis": self.analysis,
        }

    def download(self, target: Target, file: Path) -> None:
        """Copy the run's page to a file.

        Raises:
            OperationError: If the run left none.
        """
        page = _read(target, self.report, REPORT)
        if page is None:
            raise OperationError(f"run must have left {REPORT}, got none below {self.report}")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(page)


def finding_of(target: Target, kind: MonitorKind, job: dict[str, Any]) -> Finding:
    """What a finished job found; `job` is its description.

    Raises:
        OperationError: If the job failed, with the analyzer's own reason, or left no verdict.
    """
    name = job["ProcessingJobName"]
    if job["ProcessingJobStatus"] != "Completed":
        raise OperationError(
            f"{kind} run {name} failed: {reason_of(job)}; all it said: `fraudloop logs {name}`"
        )
    report = job["ProcessingOutputConfig"]["Outputs"][0]["S3Output"]["S3Uri"].rstrip("/")
    found = _read(target, report, VIOLATIONS)
    if found is None:
        # Not "no violations": it is what a run that did not end well looks like.
        raise OperationError(f"{kind} run {name} must have left {VIOLATIONS}, got none in {report}")
    violations = json.loads(found)["violations"]
    return Finding(
        kind=kind,
        arn=job["ProcessingJobArn"],
        status=VIOLATED if violations else "Completed",
        violations=violations,
        report=report,
        analysis=json.loads(_read(target, report, ANALYSIS) or "{}"),
    )


def reason_of(job: dict[str, Any]) -> str:
    """Why a job did not complete, in its own words if it left any."""
    reason = job.get("ExitMessage") or job.get("FailureReason") or job["ProcessingJobStatus"]
    return str(reason)


def _read(target: Target, prefix: str, name: str) -> bytes | None:
    bucket, _, key = prefix.removeprefix("s3://").partition("/")
    s3 = target.client("s3")
    try:
        body: bytes = s3.get_object(Bucket=bucket, Key=f"{key}/{name}")["Body"].read()
    except s3.exceptions.NoSuchKey:
        return None
    return body
