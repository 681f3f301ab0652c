"""The open questions of AWS's behaviour, and files that have answers to them."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from local_aws.errors import BehaviourError

_TABLE = Path(__file__).parent / "questions.toml"
# The member of a file that has them: a file of `fraudloop smoke` says more.
MEMBER = "behaviour"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One of them.

    Attributes:
        name: As files of answers have it, such as `json-get`.
        question: What is not known.
        readings: What it may be, and what follows; the first one is assumed.
        source: Where AWS was looked for.
        rests: What of the project hangs on it.
        tests: Node ids of tests that hold a reading.
        guess: Its name in `guesses.py`; None if no refusal tells of it.
        unasked: Why an account is not asked; None if it is.
    """

    name: str
    question: str
    readings: Mapping[str, str]
    source: str
    rests: str
    tests: tuple[str, ...]
    guess: str | None = None
    unasked: str | None = None

    @property
    def assumed(self) -> str:
        """The reading that is played unless told otherwise."""
        return next(iter(self.readings))


@cache
def questions() -> Mapping[str, Question]:
    """All of them by name, in the table's order."""
    table: dict[str, dict[str, Any]] = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return {
        name: Question(name=name, **{**members, "tests": tuple(members["tests"])})
        for name, members in table.items()
    }


def read(path: Path) -> dict[str, str]:
    """The readings that a file has; questions that it does not answer are left out.

    Args:
        path: JSON as `fraudloop smoke --json` writes it: an object whose `behaviour` has the
            reading of each question.

    Raises:
        BehaviourError: If it cannot be read, or has a question or a reading that there is not.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BehaviourError(
            f"the behaviour must be a JSON file, got {path}: {error}; "
            "`fraudloop smoke --json FILE` writes one"
        ) from error
    found = document.get(MEMBER) if isinstance(document, dict) else None
    if not isinstance(found, dict):
        raise BehaviourError(
            f"the behaviour must be an object with the member {MEMBER!r}, got {path} without it; "
            "`fraudloop smoke --json FILE` writes one"
        )
    check(found)
    return found


def write(path: Path, behaviour: Mapping[str, str]) -> None:
    """Keep readings as `read` reads them."""
    path.write_text(json.dumps({MEMBER: behaviour}, indent=2), encoding="utf-8")


def check(behaviour: Mapping[str, Any]) -> None:
    """Refuse questions and readings that there are not.

    Raises:
        BehaviourError: Naming those that there are.
    """
    for name, reading in behaviour.items():
        known = questions().get(name)
        if known is None:
            raise BehaviourError(
                f"{MEMBER} must have questions of {', '.join(questions())}, got {name}"
            )
        if reading not in known.readings:
            raise BehaviourError(f"{name} must be {' or '.join(known.readings)}, got {reading}")
