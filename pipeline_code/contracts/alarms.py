"""The alarms that roll a new version back: their names, and whose doing they may be."""

from enum import StrEnum

__all__ = ["OF_BOTH_FLEETS", "VersionAlarm", "alarm_name"]


class VersionAlarm(StrEnum):
    """What may be wrong with a version that is being deployed."""

    ERRORS = "Errors"
    LATENCY = "Latency"
    FAILED_ANSWERS = "FailedAnswers"
    SLOWER = "Slower"
    FLAGGED = "Flagged"
    SHIFTED = "Shifted"
    HIGH_SCORES = "HighScores"
    LOW_SCORES = "LowScores"


# On SageMaker's metrics, which are of old and new fleet together: the old one alone can set them
# off. All others are on what the server says of one version.
OF_BOTH_FLEETS = (VersionAlarm.ERRORS, VersionAlarm.LATENCY)


def alarm_name(stack_name: str, kind: str, version: str) -> str:
    """The name of a version's alarm: each has its own, whose state begins new."""
    return f"{stack_name}-{kind}-{version}"
