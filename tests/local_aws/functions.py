"""Handlers of the functions that the tests deploy from the image, which is the working tree."""

import os
import time
from typing import Any

import boto3

_invocations = 0


def describe(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """What a handler sees of itself; fails, hangs or dies if it is told to."""
    global _invocations  # noqa: PLW0603 - shows that the process is kept warm
    _invocations += 1
    if event.get("fail"):
        raise ValueError("told to fail")
    if event.get("die"):
        os._exit(3)
    print("described", event.get("id"))
    time.sleep(event.get("sleep", 0))
    return {
        "event": event,
        "function": context.function_name,
        "variable": os.environ.get("VARIABLE"),
        "caller": boto3.client("sts").get_caller_identity()["Arn"],
        "invocations": _invocations,
        "pid": os.getpid(),
    }


def other(_event: dict[str, Any], _context: Any) -> str:
    return "other"
