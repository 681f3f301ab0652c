"""The thresholds of decisions, with which the model package was approved."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from pipeline_code.common.exits import BadInput
from pipeline_code.contracts.serving import Decision

__all__ = ["NO_THRESHOLD", "Thresholds"]

NO_THRESHOLD = "none"
REVIEW, DECLINE = "REVIEW_THRESHOLD", "DECLINE_THRESHOLD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The least scores of two decisions; None where the model package has none.

    Thresholds(review=0.3, decline=0.9).decide(0.5)  # "review"
    """

    review: float | None = None
    decline: float | None = None

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Reads REVIEW_THRESHOLD and DECLINE_THRESHOLD: a number between 0 and 1, or `none`.

        Raises:
            BadInput: One is missing or something else, or more would be declined than reviewed.
        """
        review, decline = (_threshold(environment, name) for name in (REVIEW, DECLINE))
        if review is not None and decline is not None and decline < review:
            raise BadInput(f"{DECLINE} must be at least {REVIEW} {review}, got {decline}")
        return cls(review=review, decline=decline)

    def decide(self, score: float) -> Decision | None:
        """The decision; None if there is no threshold at all."""
        if self.decline is not None and score >= self.decline:
            return Decision.DECLINE
        if self.review is not None and score >= self.review:
            return Decision.REVIEW
        return None if self.review is None and self.decline is None else Decision.APPROVE


def _threshold(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name)
    if text is None:
        # Without one, no response would hold a decision, and no alarm would say so.
        raise BadInput(
            f"{name} must be given, got nothing; the model package's is missing, or {NO_THRESHOLD}"
        )
    if text == NO_THRESHOLD:
        return None
    try:
        value = float(text)
    except ValueError as error:
        raise BadInput(f"{name} must be a number or {NO_THRESHOLD}, got {text!r}") from error
    if not 0.0 <= value <= 1.0:
        raise BadInput(f"{name} must be between 0 and 1, got {text}")
    return value
