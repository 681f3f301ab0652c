"""The scoring of checked requests: features, model, decision, and reason codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.contracts.serving import Decision, Reason
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, TERMINAL
from pipeline_code.features.events import Transaction
from pipeline_code.features.online import vector
from pipeline_code.features.state import EntityState
from pipeline_code.features.store.records import Key
from pipeline_code.serve.rows import FeatureRows
from pipeline_code.serve.thresholds import Thresholds
from pipeline_code.train.model import Model

__all__ = ["Found", "Scoring", "ScoringResponse", "keys_of"]

# The state of an entity, or why there is none.
Found = EntityState | Reason
ReasonCodes = list[dict[str, Any]]
Values = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoringResponse:
    """What became of one request.

    Attributes:
        ids: Whose transactions'; None where the caller did not say.
        scores: The model's.
        decisions: By the thresholds; None without any.
        values: The feature vectors that were scored.
        degraded: Why a vector is not what it ought to be; None if the caller gave the vectors.
        reason_codes: What each score is made of; None if that was not asked.
        model_version: Which model.
        feature_seconds: What the vectors took, without reading states.
        model_seconds: What scoring them took.
    """

    ids: Sequence[int | None]
    scores: list[float]
    decisions: list[Decision | None]
    values: Values
    degraded: list[list[Reason]] | None
    reason_codes: list[ReasonCodes] | None
    model_version: str
    feature_seconds: float = 0.0
    model_seconds: float = 0.0

    def documents(self) -> list[dict[str, Any]]:
        """Each response as a JSON object."""
        rows = self.values.tolist()
        documents = []
        for index, score in enumerate(self.scores):
            id_ = self.ids[index]
            document: dict[str, Any] = {} if id_ is None else {"transaction_id": id_}
            document["score"] = score
            document["decision"] = self.decisions[index]
            document["model_version"] = self.model_version
            if self.degraded is not None:
                document["degraded"] = bool(self.degraded[index])
                document["degraded_reasons"] = self.degraded[index]
            document["features"] = dict(zip(FEATURE_NAMES, rows[index], strict=True))
            if self.reason_codes is not None:
                document["reason_codes"] = self.reason_codes[index]
            documents.append(document)
        return documents


class Scoring:
    """Scores transactions and feature rows with one model; safe to use from several threads.

    Guarantees:
        A transaction's score is that of its feature vector as a feature row, to the last bit.
        A response never fails for lack of state. What is unknown counts as nothing known, the same
        as for the first transaction of a new customer, and the response says `degraded` and why.
    """

    def __init__(self, model: Model, model_version: str, thresholds: Thresholds) -> None:
        self._model = model
        self._model_version = model_version
        self._thresholds = thresholds

    def self_test(self) -> None:
        """Raises RuntimeError unless the model gives a row of zeros a probability."""
        score = self._scores(np.zeros((1, len(FEATURE_NAMES)), np.float32))[0]
        if not 0.0 <= score <= 1.0:
            raise RuntimeError(f"the model must score a row between 0 and 1, got {score}")

    def score_rows(self, rows: FeatureRows, reason_codes: int = 0) -> ScoringResponse:
        """Responses to feature rows, with so many reason codes each."""
        return self._answers(rows.ids, rows.values, None, reason_codes, perf_counter())

    def score_transactions(
        self,
        transactions: Sequence[Transaction],
        found: Mapping[Key, Found],
        reason_codes: int = 0,
    ) -> ScoringResponse:
        """Responses to raw transactions.

        Args:
            transactions: What is asked.
            found: The state of each of their customers and terminals, or why there is none.
            reason_codes: How many for each.
        """
        started = perf_counter()
        rows: list[list[float]] = []
        degraded: list[list[Reason]] = []
        for transaction in transactions:
            customer, terminal = (found[key] for key in keys_of(transaction))
            reasons = [each for each in (customer, terminal) if isinstance(each, Reason)]
            degraded.append(list(dict.fromkeys(reasons)))
            rows.append(vector(_state(customer), _state(terminal), transaction))
        ids = [transaction.transaction_id for transaction in transactions]
        return self._answers(ids, np.array(rows, np.float32), degraded, reason_codes, started)

    def _answers(
        self,
        ids: Sequence[int | None],
        values: Values,
        degraded: list[list[Reason]] | None,
        reason_codes: int,
        started: float,
    ) -> ScoringResponse:
        prepared = perf_counter()
        scores = self._scores(values)
        codes = self._reason_codes(values, reason_codes) if reason_codes else None
        scored = perf_counter()
        return ScoringResponse(
            ids=ids,
            scores=scores,
            decisions=[self._thresholds.decide(score) for score in scores],
            values=values,
            degraded=degraded,
            reason_codes=codes,
            model_version=self._model_version,
            feature_seconds=prepared - started,
            model_seconds=scored - prepared,
        )

    def _scores(self, values: Values) -> list[float]:
        scores: list[float] = self._model.predict(values).tolist()
        return scores

    def _reason_codes(self, values: Values, count: int) -> list[ReasonCodes]:
        """The features that moved each score most, up or down, the largest first."""
        contributions = self._model.contributions(values)[:, :-1]
        # Stable, so that of equal ones the first feature comes first.
        order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :count]
        return [
            [
                {"feature": FEATURE_NAMES[index], "contribution": float(added[index])}
                for index in indices.tolist()
            ]
            for added, indices in zip(contributions, order, strict=True)
        ]


def keys_of(transaction: Transaction) -> tuple[Key, Key]:
    """Whose states a transaction's features are made of."""
    return Key(CUSTOMER, transaction.customer_id), Key(TERMINAL, transaction.terminal_id)


def _state(found: Found) -> EntityState | None:
    return None if isinstance(found, Reason) else found
