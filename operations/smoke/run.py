"""One run of the smoke test: its name, its deadline, and what its probes ask AWS with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from operations.errors import OperationError

if TYPE_CHECKING:
    from operations.target import Target

__all__ = ["PREFIX", "TAG", "NotSeenError", "Run", "StoppedError", "began", "new_name"]

# All that a run makes is called so, and nothing else may be.
PREFIX = "fraudloop-smoke-"
TAG = "fraudloop:smoke"
_POLL_SECONDS = 5.0
Found = TypeVar("Found")


class StoppedError(Exception):
    """The run was stopped: nothing more is to be made."""


class NotSeenError(OperationError):
    """A question stays open; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """What probes share.

    Attributes:
        target: The account.
        name: Begins all names; when the run began can be read from it.
        image: The environment's image; None if it is not deployed.
        deadline: When asking ends, by `time.monotonic`.
        pace: What a second of waiting for what may never come takes: 1 in an account.
        outputs: Of the run's own stack.
        stopping: Set when the run is to end.
    """

    target: Target
    name: str
    image: str | None
    deadline: float
    pace: float = 1.0
    outputs: dict[str, str] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def client(self, service: str) -> Any:
        """A client of the account.

        Raises:
            StoppedError: If the run is to end.
        """
        if self.stopping.is_set():
            raise StoppedError
        return self.target.client(service)

    def named(self, what: str) -> str:
        """The name of something that the run makes."""
        return f"{self.name}-{what}"

    @property
    def account(self) -> str:
        """The account's number."""
        return self.target.account

    @property
    def region(self) -> str:
        """The Region."""
        return str(self.target.session.region_name)

    @property
    def bucket(self) -> str:
        """The run's bucket."""
        return self.outputs["Bucket"]

    @property
    def serving_image(self) -> str:
        """The image of models and jobs.

        Raises:
            NotSeenError: If the environment has none.
        """
        if self.image is None:
            raise NotSeenError("deploy the image first: `fraudloop deploy`")
        return self.image

    def tags(self) -> list[dict[str, str]]:
        """Tags of what is made, as most services take them."""
        return [{"Key": TAG, "Value": self.name}]

    def eventually(
        self, look: Callable[[], Found | None], what: str, *, seconds: float | None = None
    ) -> Found:
        """What a look finds, once it finds something.

        Args:
            look: Asks; something false is nothing.
            what: What is waited for, for the message.
            seconds: How long at most; until the deadline if omitted.

        Raises:
            NotSeenError: If it was not seen in time.
            StoppedError: If the run is to end.
        """
        for _turn in self._turns(seconds):
            if found := look():
                return found
        raise NotSeenError(f"{what}: not seen in time")

    def seen(self, look: Callable[[], object], seconds: float) -> bool:
        """Whether a look finds something within a time; that it finds nothing is an answer, too.

        Raises:
            NotSeenError: If it has found nothing, and has not had its time.
            StoppedError: If the run is to end.
        """
        if any(look() for _turn in self._turns(seconds * self.pace)):
            return True
        if time.monotonic() >= self.deadline:
            raise NotSeenError("the half hour was over before it could be told")
        return False

    def _turns(self, seconds: float | None) -> Iterator[None]:
        end = self.deadline if seconds is None else min(self.deadline, time.monotonic() + seconds)
        while True:
            yield
            left = end - time.monotonic()
            if left <= 0:
                return
            if self.stopping.wait(min(left, _POLL_SECONDS * self.pace)):
                raise StoppedError


def new_name() -> str:
    """The name of a run that begins now."""
    return f"{PREFIX}{int(time.time()):08x}"


def began(name: str) -> float:
    """When the run began that something is named after, in seconds since 1970.

    Raises:
        OperationError: If it is no name of a run's.
    """
    text = name.removeprefix(PREFIX)[:8]
    try:
        return float(int(text, 16))
    except ValueError as error:
        raise OperationError(
            f"{name} must be a name of a run, got one that begins with {PREFIX} and no time; "
            "delete it, or call it otherwise, by hand"
        ) from error
