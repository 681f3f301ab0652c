"""Deletion of all that runs of the smoke test have made, and of nothing else.

What is there is found in the account by its name, so that a run that was killed, on whatever
machine, is cleaned up after by the next one. Most of what a run makes is in stacks of its own,
which CloudFormation takes apart; the rest is of the kinds of `operations.smoke.kinds`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from operations import progress
from operations.errors import OperationError
from operations.smoke.kinds import KINDS, WAITED, Kind
from operations.smoke.run import PREFIX
from operations.waiting import looks

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["SECONDS", "clean", "leftovers"]

# For all of it; an endpoint that is being made can be deleted once it has been made.
SECONDS = 900.0
_GONE = ("NotFound", "does not exist", "Could not find", "NoSuchEntity", "NoSuchBucket")
# With the time in it: an environment that is called `smoke` has names with the prefix, too.
_OWN = re.compile(rf"{PREFIX}[0-9a-f]{{8}}(?![0-9a-zA-Z])")


def clean(target: Target) -> list[str]:
    """Delete all that runs have made, and wait until it is gone.

    Returns:
        What was there: `kind name`.

    Raises:
        OperationError: If something could not be deleted, naming it and why.
    """
    found: dict[str, None] = {}
    reasons: dict[str, str] = {}
    for _turn in looks(SECONDS):
        left = leftovers(target)
        found |= dict.fromkeys(left)
        if not left:
            return list(found)
        progress.update("clean-up", f"{len(left)} left, such as {left[0]}", passing=True)
        _delete_once(target, reasons)
    why = "; ".join(f"{each}: {reasons.get(each, 'still there')}" for each in left)
    raise OperationError(
        f"nothing of {PREFIX}* must be left in account {target.account}, got "
        f"{why}; repeat with `fraudloop smoke --clean`"
    )


def leftovers(target: Target) -> list[str]:
    """What runs have left in the account: `kind name`."""
    return [f"{kind.name} {name}" for kind in KINDS for name in _named(target, kind)]


def _named(target: Target, kind: Kind) -> list[str]:
    """The only names that are ever deleted."""
    return [name for name in kind.listed(target) if _OWN.match(name.removeprefix(kind.before))]


def _delete_once(target: Target, reasons: dict[str, str]) -> None:
    """Delete what can be deleted now: a kind is waited for before what it hangs on goes."""
    for kind in KINDS:
        names = _named(target, kind)
        for name in names:
            try:
                kind.delete(target, name)
            except ClientError as error:
                if "AccessDenied" in error.response["Error"]["Code"]:
                    raise  # no waiting helps
                if not any(word in str(error) for word in _GONE):
                    reasons[f"{kind.name} {name}"] = str(error)
        if names and kind.name in WAITED:
            return
