"""What a run found: the document that `fraudloop up --aws-behaviour` takes, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local_aws.behaviours.questions import MEMBER, Question, questions
from operations.smoke.probes.probe import Seen

__all__ = ["DIFFERS", "OPEN", "differences", "document", "verdict"]

# What the command exits with: something is not as it was assumed, or could not be seen.
DIFFERS, OPEN = 3, 4


def document(seen: Mapping[str, Seen], **place: Any) -> dict[str, Any]:
    """What was expected and seen, and the readings as the embedded AWS takes them.

    Args:
        seen: By question.
        place: Where and when, of which revision.
    """
    asked = [(question, seen[name]) for name, question in questions().items() if name in seen]
    return {
        **place,
        MEMBER: {each.question: each.reading for _question, each in asked if each.reading},
        "questions": [_row(question, each) for question, each in asked],
    }


def _row(question: Question, seen: Seen) -> dict[str, Any]:
    return {
        "name": question.name,
        "question": question.question,
        "expected": question.assumed,
        "seen": seen.reading,
        "detail": seen.detail,
        "rests": question.rests,
        "guess": question.guess,
        "tests": list(question.tests),
    }


def differences(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The questions whose assumed reading is not what was seen."""
    return [each for each in found["questions"] if each["seen"] not in (None, each["expected"])]


def verdict(found: Mapping[str, Any]) -> int:
    """What the command exits with."""
    if differences(found):
        return DIFFERS
    return OPEN if any(each["seen"] is None for each in found["questions"]) else 0
