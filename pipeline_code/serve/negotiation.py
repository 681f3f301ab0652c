"""Content negotiation: the forms of body and response, and options, by a request's headers."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from pipeline_code.common.fields import shown
from pipeline_code.contracts.serving import JSON, JSON_LINES, MEDIA_TYPES
from pipeline_code.features.definitions import FEATURE_NAMES
from pipeline_code.serve.refusals import NOT_ACCEPTABLE, UNSUPPORTED, RequestError

__all__ = ["MOST_REASON_CODES", "RequestHeaders", "asking"]

MOST_REASON_CODES = len(FEATURE_NAMES)
REASON_CODES, STATE_CACHE = "reason_codes", "state_cache"
MOST_DIGITS = len(str(MOST_REASON_CODES))
# Callers differ in few combinations of headers, and none of them can make this grow.
REMEMBERED = 256


@dataclass(frozen=True, slots=True)
class RequestHeaders:
    """What the headers say.

    Attributes:
        reads: Media type of the body.
        answers: Media type of the response.
        reason_codes: How many features with the largest contributions the response shall name.
        fresh: Whether states are to be read anew, however lately they were read.
    """

    reads: str
    answers: str
    reason_codes: int = 0
    fresh: bool = False

    @classmethod
    def of(cls, content_type: str, accept: str, attributes: str) -> Self:
        """Reads three headers; each is empty if it was not sent.

        Raises:
            RequestError: One asks for what there is not.
        """
        reads = _media_type(content_type)
        if reads not in MEDIA_TYPES:
            raise RequestError(
                f"content type must be {', '.join(MEDIA_TYPES[:-1])} or {MEDIA_TYPES[-1]}, "
                f"got {shown(reads)}",
                UNSUPPORTED,
            )
        given = dict(_attributes(attributes))
        asked = cls(
            reads,
            _accepted(accept, reads),
            _reason_codes(given.get(REASON_CODES)),
            _is_fresh(given.get(STATE_CACHE)),
        )
        if asked.reason_codes and asked.answers not in (JSON, JSON_LINES):
            raise RequestError(
                f"{REASON_CODES} must be asked with an answer in {JSON} or {JSON_LINES}, "
                f"got {asked.answers}; name one of these in the header accept"
            )
        return asked


@lru_cache(REMEMBERED)
def asking(content_type: str, accept: str, attributes: str) -> RequestHeaders:
    """`RequestHeaders.of`, remembered: most requests carry the same headers."""
    return RequestHeaders.of(content_type, accept, attributes)


def _media_type(text: str) -> str:
    return text.partition(";")[0].strip().lower()


def _accepted(accept: str, same: str) -> str:
    """The media type that the header likes best; the body's own where it likes several as much."""
    if not accept.strip():
        return same
    liked = dict(_ranges(accept))
    weights = {media_type: _weight(media_type, liked) for media_type in MEDIA_TYPES}
    best = max(MEDIA_TYPES, key=lambda media_type: (weights[media_type], media_type == same))
    if weights[best] <= 0:
        raise RequestError(
            f"accept must allow {', '.join(MEDIA_TYPES[:-1])} or {MEDIA_TYPES[-1]}, "
            f"got {shown(accept)}",
            NOT_ACCEPTABLE,
        )
    return best


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for part in accept.split(","):
        name, *parameters = part.split(";")
        weight = 1.0
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            if key.strip().lower() == "q":
                weight = _quality(value.strip())
        yield name.strip().lower(), weight


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) and 0 <= value <= 1 else 0.0


def _weight(media_type: str, liked: dict[str, float]) -> float:
    """The weight of the most specific range that the media type is in."""
    for name in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if name in liked:
            return liked[name]
    return 0.0


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    # Whatever else a caller puts there, such as an id of its own, is none of the server's business.
    for part in text.replace(";", ",").split(","):
        name, _, value = part.partition("=")
        yield name.strip().lower(), value.strip()


def _reason_codes(text: str | None) -> int:
    if text is None:
        return 0
    is_number = text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS
    if not (is_number and 1 <= int(text) <= MOST_REASON_CODES):
        raise RequestError(
            f"{REASON_CODES} must be a whole number between 1 and {MOST_REASON_CODES}, "
            f"got {shown(text)}"
        )
    return int(text)


def _is_fresh(text: str | None) -> bool:
    if text not in (None, "on", "off"):
        raise RequestError(f"{STATE_CACHE} must be on or off, got {shown(str(text))}")
    return text == "off"
