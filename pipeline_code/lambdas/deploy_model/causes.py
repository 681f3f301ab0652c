"""Why a deployment was rolled back: by the package's doing, or for a reason that passes."""

from datetime import timedelta
from enum import StrEnum
from typing import Final

__all__ = ["Cause", "passes", "pause"]

# Of reasons for which nothing is wrong with the package: the endpoint or the stack was being
# changed by somebody else, or AWS had not the instances.
PASSING = (
    "Cannot update in-progress endpoint",
    "InsufficientInstanceCapacity",
    "Unable to provision requested ML compute capacity",
    "ResourceLimitExceeded",
    "service limit",
    "Rate exceeded",
    "ThrottlingException",
)
LONGEST: Final = timedelta(hours=6)
# Who cancels wants it to stop, and has a day to reject the package.
AFTER_CANCEL: Final = timedelta(days=1)


class Cause(StrEnum):
    """What a deployment failed for."""

    PACKAGE = "package"
    AWS = "aws"
    OLD_FLEET = "old-fleet"
    CANCELLED = "cancelled"


def passes(reason: str) -> bool:
    """Whether a reason, in AWS's words, is one that passes by itself."""
    return any(word in reason for word in PASSING)


def pause(cause: Cause, attempts: int, first: timedelta) -> timedelta:
    """How long a deployment waits until it is tried again: twice as long each time.

    Args:
        cause: What it failed for.
        attempts: How often it has failed for such causes, at least once.
        first: The pause after the first time.
    """
    if cause is Cause.CANCELLED:
        return AFTER_CANCEL
    # No more doublings than the longest pause has; a float would overflow.
    doublings = min(attempts - 1, 20)
    return min(first * (1 << doublings), LONGEST)
