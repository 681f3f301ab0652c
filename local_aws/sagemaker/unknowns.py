"""The unknowns of AWS: which of two behaviours is played, by the server's environment.

A project has to work with either, since nothing here can find out which one is real.
"""

import os

_CHOICES = {
    # An alarm that is in ALARM before an update begins.
    "FRAUDLOOP_ALARMS_BEFORE": ("roll-back", "ignore"),
    # An endpoint whose update was rolled back: terraform-provider-aws #46663, #48997 and #39099
    # have it InService on its old configuration, with or without a FailureReason.
    "FRAUDLOOP_ROLL_BACKS": ("told", "silent"),
    # The variables of a model beside those of its package.
    "FRAUDLOOP_PACKAGE_VARIABLES": ("replace", "merge"),
}


def check() -> None:
    """Refuse a choice that there is not.

    Raises:
        ValueError: Naming the variable.
    """
    for name in _CHOICES:
        _chosen(name)


def ignores_old_alarms() -> bool:
    """Whether an alarm counts only once it has been in another state than ALARM."""
    return _chosen("FRAUDLOOP_ALARMS_BEFORE") == "ignore"


def rolls_back_silently() -> bool:
    """Whether a rolled back endpoint says nothing, and CloudFormation takes it for updated."""
    return _chosen("FRAUDLOOP_ROLL_BACKS") == "silent"


def merges_variables() -> bool:
    """Whether a model's variables are added to its package's."""
    return _chosen("FRAUDLOOP_PACKAGE_VARIABLES") == "merge"


def _chosen(name: str) -> str:
    choices = _CHOICES[name]
    value = os.environ.get(name, choices[0])
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(choices)}, got {value}")
    return value
