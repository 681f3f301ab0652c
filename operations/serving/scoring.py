"""Asking the endpoint, one raw transaction at a time or a whole stream of them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError
from operations.target import Target
from pipeline_code.contracts.outputs import Output
from pipeline_code.contracts.serving import JSON

_REQUESTS_AT_ONCE = 4


@dataclass
class ScoringResult:
    """What became of a number of requests.

    Attributes:
        scores: (transaction id, score between 0 and 1) of every answered request.
        model_versions: Responses by the model package that gave them.
        failures: (transaction id, reason) of every request that got no score.
    """

    scores: list[tuple[int, float]] = field(default_factory=list)
    model_versions: dict[str, int] = field(default_factory=dict)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def add(self, answer: dict[str, Any]) -> None:
        self.scores.append((answer["transaction_id"], answer["score"]))
        version = str(answer["model_version"])
        self.model_versions[version] = self.model_versions.get(version, 0) + 1

    def merge(self, other: "ScoringResult") -> None:
        self.scores += other.scores
        self.failures += other.failures
        for version, count in other.model_versions.items():
            self.model_versions[version] = self.model_versions.get(version, 0) + count

    def as_dict(self, names: Mapping[int, str] | None = None) -> dict[str, Any]:
        """All of it for a document; `names` are what transactions are called elsewhere."""
        names = {} if names is None else names

        def named(id_: int) -> dict[str, Any]:
            own = {"own_id": names[id_]} if id_ in names else {}
            return {"transaction_id": id_, **own}

        return {
            "scored": len(self.scores),
            "failed": len(self.failures),
            "model_versions": self.model_versions,
            "scores": [{**named(id_), "score": score} for id_, score in self.scores],
            "failures": [{**named(id_), "reason": why} for id_, why in self.failures],
        }


class Scorer:
    """Asks one environment's endpoint; safe to use from several threads."""

    def __init__(self, target: Target) -> None:
        self._runtime = target.client("sagemaker-runtime")
        self._endpoint = target.output(Output.ENDPOINT)

    def ask(
        self,
        request: dict[str, Any],
        *,
        inference_id: str | None = None,
        custom_attributes: str | None = None,
    ) -> dict[str, Any]:
        """The endpoint's response to one raw transaction.

        Args:
            inference_id: What labels are joined on. If omitted, the transaction's id.
            custom_attributes: What else the server shall do (docs/serving.md). If omitted, nothing.

        Raises:
            OperationError: With the model server's own reason, if it refuses the request.
        """
        optional = {} if custom_attributes is None else {"CustomAttributes": custom_attributes}
        try:
            response = self._runtime.invoke_endpoint(
                EndpointName=self._endpoint,
                ContentType=JSON,
                InferenceId=inference_id or str(request.get("transaction_id", "none")),
                Body=json.dumps(request).encode(),
                **optional,
            )
        except ClientError as error:
            raise OperationError(
                f"endpoint {self._endpoint} refused the request: {error}"
            ) from error
        answer: dict[str, Any] = json.load(response["Body"])
        return answer

    def ask_all(self, requests: Iterable[dict[str, Any]]) -> ScoringResult:
        """Ask for many, a few at once; a request that fails is counted, never raised."""
        result = ScoringResult()
        with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
            for request, outcome in pool.map(self._try, requests):
                if isinstance(outcome, str):
                    result.failures.append((request["transaction_id"], outcome))
                else:
                    result.add(outcome)
        return result

    def _try(self, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | str]:
        try:
            return request, self.ask(request)
        except (OperationError, BotoCoreError) as error:
            return request, str(error)


def parse_request(text: str) -> dict[str, Any]:
    """One request from JSON text; what it holds is the model server's to judge.

    Raises:
        OperationError: If the text is no JSON object.
    """
    try:
        request = json.loads(text)
    except json.JSONDecodeError as error:
        raise OperationError(
            f"--transaction must be a JSON object, got {text!r}: {error}"
        ) from error
    if not isinstance(request, dict):
        raise OperationError(f"--transaction must be a JSON object, got {text!r}")
    return request


def requests_of(transactions: pa.Table) -> Iterator[dict[str, Any]]:
    """The endpoint's request for each row of raw transactions (amounts in minor units)."""
    for row in transactions.to_pylist():
        yield {
            "transaction_id": row["transaction_id"],
            "event_time": _iso(row["event_time"]),
            "customer_id": row["customer_id"],
            "terminal_id": row["terminal_id"],
            "amount": str(Decimal(row["amount_minor"]).scaleb(-2)),
        }


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
