"""Records of captured exchanges one by one, and their columns: any form that a capture may have."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline_code.captures.chunks import PREDICTIONS, Chunk, Tally
from pipeline_code.captures.exchanges import JSON_TYPES, Exchange
from pipeline_code.captures.interval import Interval
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.features.events import Transaction, epoch_microseconds
from pipeline_code.serve.refusals import RequestError
from pipeline_code.serve.requests import parse_body
from pipeline_code.serve.rows import FeatureRows

__all__ = [
    "LABEL",
    "MERGED_PREDICTIONS",
    "NO_REASON",
    "RecordFilter",
    "Rows",
    "asked",
    "in_order",
    "label_of",
    "reasons_of",
]

# What merged ground truth says, beside the predictions.
LABEL = pa.field("label", pa.int8())
MERGED_PREDICTIONS = PREDICTIONS.append(LABEL)
# Why a response that calls itself degraded is, if it does not say.
NO_REASON = "not said"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Which records are wanted, and what of them.

    Attributes:
        interval: Inference times.
        model_version: The version that answered; None is any.
        predictions: Whether to tell the predictions too.
        labels: Whether to tell merged ground truth with them.
    """

    interval: Interval
    model_version: str | None = None
    predictions: bool = False
    labels: bool = False

    @property
    def schema(self) -> pa.Schema | None:
        """The schema of the predictions, if they are wanted."""
        if not self.predictions:
            return None
        return MERGED_PREDICTIONS if self.labels else PREDICTIONS


@dataclass(slots=True)
class Rows:
    """Records that are collected before they become columns.

    Args:
        wanted: Which.
        tally: What to count in.
    """

    wanted: RecordFilter
    tally: Tally
    features: list[Mapping[str, Any]] = field(default_factory=list)
    predictions: list[Mapping[str, Any]] = field(default_factory=list)

    def add(self, exchange: Exchange) -> int:
        """Takes the records of an exchange, if it is wanted, and says how many they are.

        Raises:
            BadInput: It lacks what a capture has.
        """
        if not self.wanted.interval.holds(exchange.time()):
            self.tally.outside += 1
        elif exchange.is_probe():
            self.tally.probes += 1
        elif not exchange.is_json():
            self.tally.unmonitored += 1
        else:
            return self._add_answers(exchange)
        return 0

    def chunk(self) -> Chunk:
        """All records so far."""
        names = in_order(name for features in self.features for name in features)
        places = {name: place for place, name in enumerate(names)}
        values = np.full((len(places), len(self.features)), np.nan)
        wrong, given = (np.zeros(len(places), np.int64) for _ in range(2))
        for record, features in enumerate(self.features):
            for name, value in features.items():
                if value is None:
                    continue
                place, number = places[name], _number(value)
                given[place] += 1
                wrong[place] += number is None
                values[place, record] = np.nan if number is None else number
        schema = self.wanted.schema
        return Chunk(
            names=names,
            values=values,
            missing=len(self.features) - given,
            wrong=wrong,
            predictions=None
            if schema is None
            else pa.Table.from_pylist(self.predictions, schema=schema),
        )

    def _add_answers(self, exchange: Exchange) -> int:
        answers = exchange.answers()
        features = [exchange.features_of(answer) for answer in answers]
        told: Iterator[Mapping[str, Any]] = iter(())
        if self.wanted.predictions:
            told = _predictions(exchange, answers, labels=self.wanted.labels)
        count = 0
        for answer, vector in zip(answers, features, strict=True):
            prediction = next(told, None)
            version = self.wanted.model_version
            if version is not None and answer.get("model_version") != version:
                self.tally.other_versions += 1
                continue
            if answer.get("degraded") is True:
                self.tally.degraded[reasons_of(exchange, answer)] += 1
            self.features.append(vector)
            if prediction is not None:
                self.predictions.append(prediction)
            count += 1
        self.tally.records += count
        return count


def _number(value: Any) -> float | None:
    """None for what is no finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond what a double holds
        return None
    return number if math.isfinite(number) else None


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """The names, each once: features as they are declared, then what else there is."""
    declared = {name: place for place, name in enumerate(FEATURE_NAMES)}
    return tuple(sorted({*names}, key=lambda name: (declared.get(name, len(declared)), name)))


def reasons_of(exchange: Exchange, answer: Mapping[str, Any]) -> str:
    """Why a response is degraded."""
    reasons = answer.get("degraded_reasons", [])
    if not isinstance(reasons, list) or not all(isinstance(reason, str) for reason in reasons):
        raise exchange.refused("degraded_reasons must be texts", reasons)
    return ", ".join(reasons) if reasons else NO_REASON


def _predictions(
    exchange: Exchange, answers: Sequence[Mapping[str, Any]], *, labels: bool
) -> Iterator[Mapping[str, Any]]:
    """A row of `PREDICTIONS` a response."""
    requests = asked(exchange, len(answers))
    common = {"inference_time": epoch_microseconds(exchange.time())}
    if labels:
        common["label"] = label_of(exchange)
    for place, answer in enumerate(answers):
        request = requests[place] if requests else None
        id_ = _field(exchange, answer, "transaction_id", int)
        score = _field(exchange, answer, "score", int | float)
        if score is None:
            raise exchange.refused("endpointOutput must have a number score", answer)
        yield {
            **common,
            "label_id": _label_id(exchange, id_, alone=len(answers) == 1),
            "transaction_id": id_,
            "event_time": None if request is None else epoch_microseconds(request.event_time),
            "customer_id": None if request is None else request.customer_id,
            "terminal_id": None if request is None else request.terminal_id,
            "score": float(score),
            "decision": _field(exchange, answer, "decision", str),
            "degraded": _field(exchange, answer, "degraded", bool),
            "model_version": _field(exchange, answer, "model_version", str),
        }


def label_of(exchange: Exchange) -> int:
    """What merged ground truth says of an exchange."""
    label = exchange.label()
    if label is None:
        raise exchange.refused("must have groundTruthData; give merged captures", None)
    return label


def _label_id(exchange: Exchange, transaction_id: int | None, *, alone: bool) -> str | None:
    inference_id = exchange.inference_id()
    if inference_id is None or alone:
        return inference_id
    return None if transaction_id is None else f"{inference_id}/{transaction_id}"


def _field(exchange: Exchange, answer: Mapping[str, Any], name: str, kind: Any) -> Any:
    value = answer.get(name)
    if value is None:
        return None
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise exchange.refused(f"endpointOutput must have another kind of {name}", value)
    return value


def asked(exchange: Exchange, answers: int) -> Sequence[Transaction]:
    """The raw transactions of the request, none if it was one of feature rows."""
    media_type, body = exchange.request()
    if media_type not in JSON_TYPES:
        return ()
    try:
        requested = parse_body(media_type, body).what
    except RequestError as error:
        raise BadInput(f"{exchange.place}: must be a request that was taken: {error}") from error
    if isinstance(requested, FeatureRows):
        return ()
    if len(requested) != answers:
        raise BadInput(
            f"{exchange.place}: must have an answer to each of {len(requested)} transactions, "
            f"got {answers}"
        )
    return requested
