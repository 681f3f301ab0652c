"""From a request to its score: features, model, answer."""

import logging
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError

from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction
from pipeline_code.features.online import vector
from pipeline_code.features.state import EntityState, StateError
from pipeline_code.features.store import FeatureGroups, StoreError, read_states
from pipeline_code.train.model import Model

LOGGER = logging.getLogger(__name__)

States = tuple[EntityState | None, EntityState | None]


class StateReader(Protocol):
    """Where the states of a request's customer and terminal come from."""

    def __call__(self, transaction: Transaction) -> States:
        """Customer and terminal state; None for an entity of which nothing is known."""


class StoredStates:
    """States from the online feature store, both in one call."""

    def __init__(self, client: Any, groups: FeatureGroups) -> None:
        self._client = client
        self._groups = groups

    def __call__(self, transaction: Transaction) -> States:
        return read_states(
            self._client,
            self._groups,
            customer_id=transaction.customer_id,
            terminal_id=transaction.terminal_id,
        )


class Scoring:
    """Scores transactions and feature rows with one model; safe to use from several threads.

    Guarantees:
        A transaction's score is that of its feature vector as a CSV row, to the last bit.
        The answer never fails for lack of state. What is unknown counts as nothing known, the same
        as for the first transaction of a new customer, and the answer says `degraded`.
    """

    def __init__(self, model: Model, model_version: str, states: StateReader | None) -> None:
        self._model = model
        self._model_version = model_version
        self._states = states

    def self_test(self) -> None:
        """Raises RuntimeError unless the model gives a row of zeros a probability."""
        score = self.score_rows(np.zeros((1, len(FEATURE_NAMES))))[0]
        if not 0.0 <= score <= 1.0:
            raise RuntimeError(f"the model must score a row between 0 and 1, got {score}")

    def score_rows(self, rows: npt.NDArray[np.float64]) -> list[float]:
        """One score per feature row."""
        scores: list[float] = self._model.predict(rows).tolist()
        return scores

    def score_transaction(self, transaction: Transaction) -> dict[str, Any]:
        """The answer to one raw transaction, the feature vector that it was scored by included."""
        customer, terminal = self._read(transaction)
        features = vector(customer, terminal, transaction)
        return {
            "transaction_id": transaction.transaction_id,
            "score": self.score_rows(np.array([features]))[0],
            "model_version": self._model_version,
            "degraded": customer is None or terminal is None,
            "features": dict(zip(FEATURE_NAMES, features, strict=True)),
        }

    def _read(self, transaction: Transaction) -> States:
        if self._states is None:
            return None, None
        try:
            return self._states(transaction)
        except (BotoCoreError, ClientError, StoreError, StateError) as error:
            # The text of the error may name a customer, so only its kind is logged.
            LOGGER.warning("states not read", extra={"reason": _kind(error)})
            return None, None


def _kind(error: Exception) -> str:
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "ClientError"))
    return type(error).__name__
