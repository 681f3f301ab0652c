"""Attributes of messages, as SQS and SNS hold them (SQS Developer Guide, "Message metadata")."""

import re
from collections.abc import Mapping
from typing import Any

from local_aws.guesses import Guess, guessed

_NAME = re.compile(r"(?!(?i:aws|amazon)\.)[A-Za-z0-9_-]([A-Za-z0-9_.-]{0,254}[A-Za-z0-9_-])?")
_PREFIXES = ("Binary", "Number", "String")
OF_QUEUES = 10


def problem(attributes: Mapping[str, Any], *, most: int | None = None) -> str | None:
    """What is wrong with a message's attributes, in AWS's words (moto has them), or None.

    Args:
        attributes: By their names.
        most: How many there may be.
    """
    if most is not None and len(attributes) > most:
        words = f"Number of message attributes [{len(attributes)}]"
        return f"{words} exceeds the allowed maximum [{most}]."
    for name, attribute in attributes.items():
        kind = str(attribute.get("DataType") or "")
        if _NAME.fullmatch(name) is None or ".." in name:
            return guessed(f"Message (user) attribute name '{name}' is invalid.", Guess.WORDS)
        if kind.partition(".")[0] not in _PREFIXES:
            return (
                f"The message attribute '{name}' has an invalid message attribute type, the set "
                "of supported type prefixes is Binary, Number, and String."
            )
        member = "BinaryValue" if kind.startswith("Binary") else "StringValue"
        value = attribute.get(member)
        if not value:
            return (
                f"The message attribute '{name}' must contain non-empty message attribute value "
                f"for message attribute type '{kind}'."
            )
        if kind.startswith("Number") and not _is_number(str(value)):
            return f"Can't cast the value of message (user) attribute '{name}' to a number."
    return None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None
