"""Which reading of each open question this process plays.

The launcher begins with what the state folder keeps. Code that plays a reading other than the
assumed one asks `plays`; all else is the assumed one.
"""

from collections.abc import Mapping

from local_aws.behaviours.questions import questions

_told: dict[str, str] = {}


def begin(behaviour: Mapping[str, str]) -> None:
    """Play these readings from now on, and of all other questions the assumed ones."""
    _told.clear()
    _told.update(behaviour)


def plays(question: str, *readings: str) -> bool:
    """Whether the reading of a question is one of these."""
    return _told.get(question, questions()[question].assumed) in readings


def is_settled(guess: str) -> bool:
    """Whether an account has answered the question that a refusal depends on."""
    return any(questions()[name].guess == guess for name in _told)
