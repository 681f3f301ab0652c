"""Reads what an endpoint captured: SageMaker's JSON Lines, one exchange a line.

A file that cannot be read is never taken for one without drift: it stops the analysis, named with
its line.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pipeline_code.common.exits import BadInput

__all__ = ["Captures", "Interval", "read_captures"]

JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True)
class Interval:
    """Inference times from `start` on, before `end`; None is unbounded."""

    start: datetime | None = None
    end: datetime | None = None

    def holds(self, moment: datetime) -> bool:
        """Whether the moment is inside."""
        after = self.start is None or moment >= self.start
        return after and (self.end is None or moment < self.end)


@dataclass(frozen=True, slots=True)
class Captures:
    """Feature vectors that the endpoint answered with.

    Attributes:
        features: One mapping a record.
        files: How many files were read.
        outside: Exchanges outside the interval; SageMaker may download more than it asks about.
        unmonitored: Exchanges in another form than JSON, as a batch of CSV rows, without features.
    """

    features: list[Mapping[str, Any]]
    files: int = 0
    outside: int = 0
    unmonitored: int = 0


def read_captures(folder: Path, interval: Interval) -> Captures:
    """All records below the folder in the order of file names.

    Raises:
        BadInput: A line is no capture, or a JSON answer has no features.
    """
    features: list[Mapping[str, Any]] = []
    files = outside = unmonitored = 0
    for file in sorted(folder.rglob("*.jsonl")):
        files += 1
        for exchange in _exchanges(file, file.relative_to(folder).as_posix()):
            if not interval.holds(exchange.time()):
                outside += 1
            elif not exchange.is_json():
                unmonitored += 1
            else:
                features += exchange.features()
    return Captures(features, files, outside, unmonitored)


def _exchanges(file: Path, name: str) -> Iterator["_Exchange"]:
    try:
        # Not splitlines: JSON text may hold other characters that it takes for ends of lines.
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: file must be UTF-8 text: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            place = f"{name}, line {number}"
            document = _parsed(line, place)
            if not isinstance(document, dict):
                raise BadInput(f"{place}: must be a JSON object, got {line[:80]!r}")
            yield _Exchange(place, document)


def _parsed(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(f"{place}: must be JSON, got {text[:80]!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Exchange:
    """One line: a request and its answer."""

    place: str
    document: dict[str, Any]

    def time(self) -> datetime:
        """When the endpoint answered."""
        text = self._field("eventMetadata", "inferenceTime", str)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self._refused("inferenceTime must be an ISO-8601 time", text) from error
        if moment.tzinfo is None:
            raise self._refused("inferenceTime must have a time zone", text)
        return moment

    def is_json(self) -> bool:
        """Whether the answer is JSON; only that can carry features."""
        output = self._output()
        kind = output.get("observedContentType")
        if isinstance(kind, str):
            return kind.split(";")[0].strip().lower() == JSON_TYPE
        return output.get("encoding") == "JSON"

    def features(self) -> list[Mapping[str, Any]]:
        """The feature vectors of the answer: of one object, of an array, or of one a line."""
        return [self._features_of(answer) for answer in self._answers()]

    def _answers(self) -> list[Any]:
        text = self._data()
        try:
            document = json.loads(text)
        except ValueError:
            lines = [line for line in text.split("\n") if line.strip()]
            return [_parsed(line, f"{self.place}: endpointOutput") for line in lines]
        return document if isinstance(document, list) else [document]

    def _features_of(self, answer: Any) -> Mapping[str, Any]:
        features = answer.get("features") if isinstance(answer, dict) else None
        if not isinstance(features, dict):
            raise self._refused('endpointOutput must have an object "features"', answer)
        return features

    def _data(self) -> str:
        output = self._output()
        data, encoding = output.get("data"), output.get("encoding")
        if not isinstance(data, str) or not data.strip():
            raise self._refused("endpointOutput.data must be text", data)
        if encoding != "BASE64":
            return data
        try:
            return base64.b64decode(data, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self._refused("endpointOutput.data must be base64 of UTF-8", data) from error

    def _output(self) -> dict[str, Any]:
        output: dict[str, Any] = self._field("captureData", "endpointOutput", dict)
        return output

    def _field(self, outer: str, inner: str, kind: type) -> Any:
        holder = self.document.get(outer)
        value = holder.get(inner) if isinstance(holder, dict) else None
        if not isinstance(value, kind):
            raise self._refused(f"must have {outer}.{inner}; capture the endpoint's output", value)
        return value

    def _refused(self, rule: str, got: Any) -> BadInput:
        return BadInput(f"{self.place}: {rule}, got {str(got)[:80]!r}")
