"""What an examination says of one thing that a deployment needs."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from operations.errors import OperationError

__all__ = ["Check", "Outcome", "looked_at"]


class Outcome(StrEnum):
    """What comes of a thing."""

    OK = "ok"
    # The deployment makes it, or nothing is known to be wrong: worth a look.
    NOTE = "note"
    # AWS would refuse the deployment, or what it is for.
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of an examination.

    Attributes:
        subject: The thing.
        outcome: What comes of it.
        found: What there is, in words that may follow a comma.
        needed: What there must be, in words after "needs".
        why: What needs it; empty where that is plain.
        advice: What to do; empty if there is nothing to do.
    """

    subject: str
    outcome: Outcome
    found: str
    needed: str
    why: str = ""
    advice: str = ""

    def line(self) -> str:
        """As people read it who have to do something about it."""
        why = f" ({self.why})" if self.why else ""
        return f"{self.subject}: needs {self.needed}{why}, {self.found}; {self.advice}"

    def document(self) -> dict[str, Any]:
        """As programs read it."""
        return asdict(self)


def looked_at(subject: str, needed: str, look: Callable[[], Iterable[Check]]) -> list[Check]:
    """The checks of a look; where AWS refuses to tell, one that says so.

    Args:
        subject: What is looked at.
        needed: What it must be.
        look: Gives the checks.
    """
    # One by one: what was seen before AWS refused to tell more counts.
    found: list[Check] = []
    try:
        for each in look():
            found += [each]
    except (BotoCoreError, ClientError, OperationError) as error:
        then = "give the right to read it" if _is_denied(error) else "try again"
        unknown = Check(
            subject=subject,
            outcome=Outcome.UNKNOWN,
            found="AWS did not tell",
            needed=needed,
            advice=f"{error}; {then}",
        )
        found.append(unknown)
    return found


def _is_denied(error: Exception) -> bool:
    code: str = getattr(error, "response", {}).get("Error", {}).get("Code", "")
    return "AccessDenied" in code or "Unauthorized" in code
