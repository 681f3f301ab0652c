"""Captured requests whose responses are audited: what was asked, when, and with which features."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline_code.captures.exchanges import Exchange, exchanges_of
from pipeline_code.captures.interval import Interval
from pipeline_code.captures.rows import asked
from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.schema import SCHEMA_VERSION, SCHEMA_VERSIONS
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, TERMINAL, features_of
from pipeline_code.features.events import Transaction, epoch_microseconds
from pipeline_code.features.store.records import Key

__all__ = ["AuditedRequest", "Sample", "read_sample"]

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AuditedRequest:
    """One request and its response.

    Attributes:
        request: The raw transaction that was asked about.
        answered: The features of the response, in the order of FEATURE_NAMES.
        degraded: Whether the response says that a state was not read.
        time: When it was answered, by the endpoint's clock, in microseconds.
    """

    request: Transaction
    answered: Vector
    degraded: bool
    time: int

    @property
    def event_time(self) -> int:
        """As of when it was asked, in microseconds."""
        return epoch_microseconds(self.request.event_time)

    @property
    def keys(self) -> tuple[Key, Key]:
        """Its customer and its terminal."""
        return Key(CUSTOMER, self.request.customer_id), Key(TERMINAL, self.request.terminal_id)


@dataclass(slots=True)
class Sample:
    """Captured requests, no more than were wanted.

    Attributes:
        rows: The requests.
        captured: How many there were to choose from.
        other_schema: Answers of another version of the features, as while a model is replaced.
        probes: Exchanges that are no traffic.
    """

    rows: list[AuditedRequest] = field(default_factory=list)
    captured: int = 0
    other_schema: int = 0
    probes: int = 0


def read_sample(
    folder: Path, interval: Interval, size: int, *, model_version: str | None = None
) -> Sample:
    """Some of the raw transactions that were asked about in the interval.

    Args:
        folder: Captured files, JSON Lines.
        interval: Inference times.
        size: At most so many; which ones depends on their ids alone.
        model_version: A package whose features are of this version. While another version is alive
            that has features of the same names, answers of other packages may be of that one.

    Raises:
        BadInput: A line is no capture, or its request is none that the endpoint takes.
    """
    sample = Sample()
    only = model_version if _is_ambiguous() else None
    for file in sorted(folder.rglob("*.jsonl")):
        name = file.relative_to(folder).as_posix()
        for exchange in exchanges_of(file, name):
            if not interval.holds(exchange.time()) or not exchange.is_json():
                continue
            if exchange.is_probe():
                sample.probes += 1
                continue
            for audited in _audited(exchange, only):
                sample.captured += 1
                if audited is None:
                    sample.other_schema += 1
                else:
                    sample.rows.append(audited)
        sample.rows = _drawn(sample.rows, size)
    return sample


def _is_ambiguous() -> bool:
    """Whether names of features do not say which version they are of: one was changed, say."""
    names = set(FEATURE_NAMES)
    others = (features_of(version) for version in SCHEMA_VERSIONS if version != SCHEMA_VERSION)
    return any({feature.name for feature in features} == names for features in others)


def _audited(exchange: Exchange, model_version: str | None) -> Iterator[AuditedRequest | None]:
    """The exchange's requests; None for one whose response is of another version of the features.

    Nothing for feature rows: what was asked about those says itself what was answered.
    """
    answers, vectors = exchange.answers(), exchange.features()
    known = [
        set(features) == set(FEATURE_NAMES) and model_version in (None, answer.get("model_version"))
        for features, answer in zip(vectors, answers, strict=True)
    ]
    if not any(known):
        yield from (None for _ in known)
        return
    for request, answer, features, is_known in zip(
        asked(exchange, len(answers)), answers, vectors, known, strict=False
    ):
        if not is_known:
            yield None
            continue
        try:
            vector = np.array([features[name] for name in FEATURE_NAMES], np.float64)
        except (TypeError, ValueError) as error:
            raise BadInput(f"{exchange.place}: must hold numbers as features: {error}") from error
        yield AuditedRequest(
            request,
            vector,
            degraded=answer.get("degraded") is True,
            time=epoch_microseconds(exchange.time()),
        )


def _drawn(rows: Iterable[AuditedRequest], size: int) -> list[AuditedRequest]:
    return sorted(rows, key=_chance)[:size]


def _chance(row: AuditedRequest) -> tuple[bytes, int]:
    return hashlib.sha256(str(row.request.transaction_id).encode()).digest(), row.time
