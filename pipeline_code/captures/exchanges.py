"""Lines of an endpoint's captures: SageMaker's JSON Lines, one exchange a line.

A line that cannot be read is never taken for none: it is refused, named with its file.
"""

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from pipeline_code.common.exits import BadInput
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.contracts.serving import JSON, JSON_LINES

__all__ = ["Exchange", "TruncatedLineError", "exchange_of", "exchanges_of"]

# Forms in which a response can carry features.
JSON_TYPES = (JSON, JSON_LINES)
LABELS: Mapping[str, int] = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}


def exchanges_of(file: Path, name: str) -> Iterator["Exchange"]:
    """The exchanges of a file, which messages call `name`.

    Raises:
        BadInput: A line is no capture.
    """
    try:
        # Not splitlines: JSON text may hold other characters that it takes for ends of lines.
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise BadInput(f"{name}: file must be UTF-8 text: {error}") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield exchange_of(line, f"{name}, line {number}")


def exchange_of(line: str, place: str) -> "Exchange":
    """The exchange of a line, which messages call `place`.

    Raises:
        TruncatedLineError: The line is no JSON, as if somebody were still writing it.
        BadInput: It is no capture.
    """
    document = _parsed(line, place)
    if not isinstance(document, dict):
        raise BadInput(f"{place}: must be a JSON object, got {line[:80]!r}")
    return Exchange(place, document)


class TruncatedLineError(BadInput):
    """A line is no JSON."""


def _parsed(text: str, place: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:
        pass
    try:
        # It takes what the stricter one does not, as NaN, which is then no number for us.
        return json.loads(text)
    except ValueError as error:
        raise TruncatedLineError(f"{place}: must be JSON, got {text[:80]!r}: {error}") from error


@dataclass(frozen=True, slots=True)
class Exchange:
    """One line: a request and its response."""

    place: str
    document: dict[str, Any]

    def time(self) -> datetime:
        """When the endpoint answered."""
        text = self._field("eventMetadata", "inferenceTime", str)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            raise self.refused("inferenceTime must be an ISO-8601 time", text) from error
        if moment.tzinfo is None:
            raise self.refused("inferenceTime must have a time zone", text)
        return moment

    def inference_id(self) -> str | None:
        """What whoever asked called the request, if they did."""
        metadata = self.document.get("eventMetadata")
        name = metadata.get("inferenceId") if isinstance(metadata, dict) else None
        return name if isinstance(name, str) and name else None

    def is_probe(self) -> bool:
        """Whether the request was no traffic but a question whether the endpoint works."""
        return (self.inference_id() or "").startswith(PROBE_INFERENCE_PREFIX)

    def label(self) -> int | None:
        """What merged ground truth says: 1 is a fraud, 0 none; None if nothing was merged."""
        if "groundTruthData" not in self.document:
            return None
        data = self._field("groundTruthData", "data", str).strip()
        if data not in LABELS:
            raise self.refused("groundTruthData.data must be 0 or 1", data)
        return LABELS[data]

    def is_json(self) -> bool:
        """Whether the response is JSON or JSON Lines; only those can carry features."""
        return self._media_type("endpointOutput") in JSON_TYPES

    def features(self) -> list[Mapping[str, Any]]:
        """The feature vectors of the response: of one object, of an array, or of one a line."""
        return [self.features_of(answer) for answer in self.answers()]

    def request(self) -> tuple[str, bytes]:
        """The media type and the body of what was asked; it may ask about several transactions."""
        return self._media_type("endpointInput"), self._data("endpointInput").encode()

    def answers(self) -> list[Any]:
        """What was answered: one object, those of an array, or one a line."""
        text = self._data("endpointOutput")
        place = f"{self.place}: endpointOutput"
        try:
            document = _parsed(text, place)
        except TruncatedLineError:
            lines = [line for line in text.split("\n") if line.strip()]
            if len(lines) == 1:
                raise
            return [_parsed(line, place) for line in lines]
        return document if isinstance(document, list) else [document]

    def features_of(self, answer: Any) -> Mapping[str, Any]:
        """The feature vector of one response."""
        features = answer.get("features") if isinstance(answer, dict) else None
        if not isinstance(features, dict):
            raise self.refused('endpointOutput must have an object "features"', answer)
        return features

    def _data(self, side: str) -> str:
        captured = self._field("captureData", side, dict)
        data, encoding = captured.get("data"), captured.get("encoding")
        if not isinstance(data, str) or not data.strip():
            raise self.refused(f"{side}.data must be text", data)
        if encoding != "BASE64":
            return data
        try:
            return base64.b64decode(data, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise self.refused(f"{side}.data must be base64 of UTF-8", data) from error

    def _media_type(self, side: str) -> str:
        """Empty if the capture does not tell, and the body was not taken for JSON either."""
        captured: dict[str, Any] = self._field("captureData", side, dict)
        kind = captured.get("observedContentType")
        if isinstance(kind, str):
            return kind.split(";")[0].strip().lower()
        return JSON if captured.get("encoding") == "JSON" else ""

    def _field(self, outer: str, inner: str, kind: type) -> Any:
        holder = self.document.get(outer)
        value = holder.get(inner) if isinstance(holder, dict) else None
        if not isinstance(value, kind):
            raise self.refused(f"must have {outer}.{inner}; capture input and output", value)
        return value

    def refused(self, rule: str, got: Any) -> BadInput:
        """What to raise about it."""
        return BadInput(f"{self.place}: {rule}, got {str(got)[:80]!r}")
