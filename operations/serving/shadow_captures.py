"""The responses of champion and challenger, read from what the endpoint captured of both."""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

from operations.target import Target
from pipeline_code.captures.exchanges import Exchange, exchanges_of
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.outputs import Output

__all__ = ["CaptureInterval", "CapturedResponse", "CapturedResponses"]


@dataclass(frozen=True, slots=True)
class CaptureInterval:
    """Inference times from `start` on, before `end`."""

    start: datetime
    end: datetime

    @classmethod
    def until(cls, end: datetime, hours: float) -> Self:
        """So many hours before a moment."""
        return cls(end - timedelta(hours=hours), end)

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        return self.start <= moment < self.end

    def hours(self) -> Iterator[datetime]:
        """The beginning of each hour that has a part of it, in UTC."""
        hour = self.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        while hour < self.end:
            yield hour
            hour += timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedResponse:
    """One captured response about one transaction or one feature row.

    Attributes:
        inference_id: Of the request, given by whoever asked.
        place: Of the response, among those of the request.
        transaction_id: As text; empty for a feature row that names none.
        score: Between 0 and 1.
        decision: `approve`, `review` or `decline`; None without thresholds.
        features: A digest of the features that were scored; None if the response has none.
    """

    inference_id: str
    place: int
    transaction_id: str
    score: float
    decision: str | None
    features: bytes | None


@dataclass(slots=True)
class CapturedResponses:
    """The responses of one package's version that one variant gave, hour by hour.

    Args:
        target: Where.
        variant: The endpoint's variant.
        package: ARN of the package; what other versions answered is left out.
        window: Inference times that count.

    Attributes:
        left_out: Why exchanges and answers do not count, and how many.
    """

    target: Target
    variant: str
    package: str
    window: CaptureInterval
    left_out: Counter[str] = field(default_factory=Counter)

    def read(self) -> Iterator[CapturedResponse]:
        """Every response that counts; one file at a time is on the disk.

        Raises:
            BadInput: A captured line is none, or a JSON answer has no score.
        """
        s3, bucket = self.target.client("s3"), self.target.output(Output.CAPTURES_BUCKET)
        endpoint = self.target.output(Output.ENDPOINT)
        with tempfile.TemporaryDirectory(prefix="captures-") as temporary:
            file = Path(temporary) / "capture.jsonl"
            for hour in self.window.hours():
                prefix = f"{endpoint}/{self.variant}/{hour:%Y/%m/%d/%H}/"
                pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
                for found in (item for page in pages for item in page.get("Contents", ())):
                    s3.download_file(bucket, found["Key"], str(file))
                    for exchange in exchanges_of(file, f"s3://{bucket}/{found['Key']}"):
                        yield from self._answers(exchange)

    def _answers(self, exchange: Exchange) -> Iterator[CapturedResponse]:
        if not self.window.holds(exchange.time()):
            return
        if exchange.is_probe():
            self.left_out["probes"] += 1
            return
        if not exchange.is_json():
            self.left_out["in another form than JSON"] += 1
            return
        inference_id = exchange.document["eventMetadata"].get("inferenceId")
        if not inference_id:
            self.left_out["without an inference id"] += 1
            return
        for place, answer in enumerate(exchange.answers()):
            if _field(exchange, answer, "model_version") != self.package:
                self.left_out["of other versions"] += 1
                continue
            yield CapturedResponse(
                inference_id=str(inference_id),
                place=place,
                transaction_id=str(answer.get("transaction_id", "")),
                score=float(_field(exchange, answer, "score")),
                decision=answer.get("decision"),
                features=_digest(answer.get("features")),
            )


def _field(exchange: Exchange, answer: Any, name: str) -> Any:
    if not isinstance(answer, dict) or name not in answer:
        raise BadInput(f"{exchange.place}: an answer must have {name}, got {str(answer)[:80]!r}")
    return answer[name]


def _digest(features: Mapping[str, Any] | None) -> bytes | None:
    if features is None:
        return None
    text = json.dumps(features, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).digest()
