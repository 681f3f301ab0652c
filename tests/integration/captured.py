"""Traffic as the endpoint would have captured it: made from the lake, put where captures land."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lifecycle.endpoint.config import VARIANT_NAME
from operations.models import registry
from operations.target import Target
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.train.model import Model

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Week:
    """A week of the lake whose frauds have been reported since, and what came before it."""

    transactions: pa.Table
    reports: pa.Table
    start: datetime

    @classmethod
    def of(cls, transactions: pa.Table, reports: pa.Table) -> "Week":
        """The last week but one: everything in it is old enough to be judged."""
        newest: datetime = pc.max(transactions["event_time"]).as_py()
        end = newest.replace(hour=0, minute=0, second=0, microsecond=0) - WEEK + timedelta(days=1)
        past = pc.less(transactions["event_time"], pa.scalar(end, pa.timestamp("us", "UTC")))
        return cls(transactions.filter(past), reports, end - WEEK)

    @property
    def inside(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which transactions are of the week."""
        since = pa.scalar(self.start, pa.timestamp("us", "UTC"))
        found = pc.greater_equal(self.transactions["event_time"], since)
        return np.array(found.to_numpy(), np.bool_)

    def changed(self, column: str, values: np.ndarray[Any, Any]) -> "Week":
        """The same with other values in a column of the transactions."""
        place = self.transactions.schema.get_field_index(column)
        kind = self.transactions.schema.field(column)
        changed = self.transactions.set_column(place, kind, pa.array(values, kind.type))
        return Week(changed, self.reports, self.start)

    def features(self) -> pa.Table:
        """The feature rows of the week, as of each transaction."""
        return compute(self.transactions, self.reports, wanted=self.inside)


@dataclass
class Exchanges:
    """Answers of the deployed model to feature rows; gone again at the end of the context."""

    target: Target
    model: Model
    package: Mapping[str, Any]
    keys: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, target: Target, model: Model) -> "Exchanges":
        return cls(target, model, registry.find(target, "deployed"))

    def capture(
        self, rows: pa.Table, *, null: Mapping[str, int] | None = None, cut_off: bool = False
    ) -> datetime:
        """Put them where the endpoint's captures of this moment are.

        Args:
            rows: Feature rows with what identifies them.
            null: Features that are null in every so-manieth answer.
            cut_off: Whether the last line is half of one.

        Returns:
            The moment.
        """
        moment, null = datetime.now(UTC), null or {}
        matrix = np.column_stack([rows[name].to_numpy() for name in FEATURE_NAMES])
        scores = self.model.predict(matrix).tolist()
        lines = []
        for number, (row, score) in enumerate(zip(rows.to_pylist(), scores, strict=True)):
            features = {
                name: None if name in null and number % null[name] == 0 else row[name]
                for name in FEATURE_NAMES
            }
            lines.append(self._line(row, features, score, moment))
        text = "\n".join(lines)
        key = (
            f"{self.target.output('EndpointName')}/{VARIANT_NAME}/{moment:%Y/%m/%d/%H}/"
            f"{moment:%M-%S}-000-{uuid4()}.jsonl"
        )
        self.target.client("s3").put_object(
            Bucket=self.target.output("CapturesBucketName"),
            Key=key,
            Body=(text[: -len(lines[-1]) // 2] if cut_off else f"{text}\n").encode(),
        )
        self.keys.append(key)
        return moment

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        bucket = self.target.output("CapturesBucketName")
        for key in self.keys:
            self.target.client("s3").delete_object(Bucket=bucket, Key=key)

    def _line(
        self, row: Mapping[str, Any], features: Mapping[str, Any], score: float, moment: datetime
    ) -> str:
        threshold = float(self.package["CustomerMetadataProperties"]["review_threshold"])
        ids = {name: row[name] for name in ("customer_id", "terminal_id")}
        asked = {
            "transaction_id": row["transaction_id"],
            "event_time": row["event_time"].isoformat(),
            **ids,
            "amount": f"{row['amount_minor'] / 100:.2f}",
        }
        answered = {
            "transaction_id": row["transaction_id"],
            "score": score,
            "decision": "review" if score >= threshold else "approve",
            "model_version": self.package["ModelPackageArn"],
            "degraded": False,
            "degraded_reasons": [],
            "features": features,
        }
        return json.dumps(
            {
                "captureData": {
                    "endpointInput": _side("INPUT", asked),
                    "endpointOutput": _side("OUTPUT", answered),
                },
                "eventMetadata": {
                    "eventId": str(uuid4()),
                    "inferenceId": str(row["transaction_id"]),
                    "inferenceTime": moment.isoformat(),
                },
                "eventVersion": "0",
            }
        )


def _side(mode: str, document: Mapping[str, Any]) -> dict[str, str]:
    return {
        "observedContentType": "application/json",
        "mode": mode,
        "data": json.dumps(document, separators=(",", ":")),
        "encoding": "JSON",
    }
