"""The register of probes, and how an answer of AWS's becomes a reading."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from operations.smoke.run import NotSeenError

if TYPE_CHECKING:
    from operations.smoke.run import Run

__all__ = ["PROBES", "Probe", "Seen", "as_role", "asks", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen of a question.

    Attributes:
        question: Its name.
        reading: The reading that it is; None if it stays open.
        detail: AWS's words, or why it stays open.
    """

    question: str
    reading: str | None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One of them.

    Attributes:
        ask: Asks, and yields what it has seen.
        questions: The names of those that it answers.
        minutes: Of instances, by type with what they do: `hosting ml.t2.medium`.
    """

    ask: Callable[[Run], Iterator[Seen]]
    questions: tuple[str, ...]
    minutes: dict[str, float]


PROBES: list[Probe] = []
# Sessions are not made for threads.
_making = threading.Lock()


def asks(
    *questions: str, minutes: dict[str, float] | None = None
) -> Callable[[Callable[[Run], Iterator[Seen]]], Callable[[Run], Iterator[Seen]]]:
    """Registers a probe with the questions that it answers."""

    def register(ask: Callable[[Run], Iterator[Seen]]) -> Callable[[Run], Iterator[Seen]]:
        PROBES.append(Probe(ask=ask, questions=questions, minutes=minutes or {}))
        return ask

    return register


def refusal(call: Callable[[], Any], *words: str) -> str | None:
    """AWS's words if it refuses a call for what is asked about; None if it takes it.

    Args:
        call: Asks AWS.
        words: One of them says that it is refused for that; in any case of letters.

    Raises:
        NotSeenError: If it is refused for something else.
    """
    try:
        call()
    except ClientError as error:
        text = str(error)
        if words and not any(word.lower() in text.lower() for word in words):
            raise NotSeenError(f"refused for something else: {text}") from error
        return text
    return None


def as_role(run: Run, role: str, service: str) -> Any:
    """A client that acts as a role of the run's stack, once it can be assumed."""

    def assumed() -> dict[str, str] | None:
        try:
            answer = run.client("sts").assume_role(
                RoleArn=run.outputs[role], RoleSessionName="smoke"
            )
        except ClientError:
            return None  # a new role takes seconds to be known everywhere
        credentials: dict[str, str] = answer["Credentials"]
        return credentials

    credentials = run.eventually(assumed, f"role {role}", seconds=60)
    with _making:
        return run.target.session.client(
            service,
            aws_access_key_id=credentials["AccessKeyId"],
            aws_secret_access_key=credentials["SecretAccessKey"],
            aws_session_token=credentials["SessionToken"],
        )
