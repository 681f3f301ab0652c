"""Handlers of the functions that the tests deploy from the image, which is the working tree."""

import base64
import importlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
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
        "pid": f"{os.getpid()} of {Path('/proc/self/ns/pid').readlink()}",
        "seen": _seen() if event.get("look") else None,
    }


def _seen() -> dict[str, Any]:
    """What of its surroundings a function sees, and where it may write."""

    def outcome(action: Callable[[], object]) -> str:
        try:
            return str(action())
        except Exception as error:
            return f"{type(error).__name__}: {error}"

    return {
        "environment": sorted(os.environ),
        "user": os.getuid(),
        "folder": str(Path.cwd()),
        "task": outcome(Path("written").touch),
        "program": outcome(Path("/usr/written").touch),
        "home": outcome(Path("/var/written").touch),
        "tmp": outcome(Path("/tmp/written").touch),  # noqa: S108
        "space": os.statvfs("/tmp").f_blocks * os.statvfs("/tmp").f_frsize,  # noqa: S108
        "library": outcome(lambda: importlib.import_module("pyarrow").__name__),
        "server": outcome(lambda: importlib.import_module("local_aws.settings").__name__),
    }


def other(_event: dict[str, Any], _context: Any) -> str:
    return "other"


def consume(event: dict[str, Any], _context: Any) -> dict[str, Any] | None:
    """Writes what it was invoked with into the file JOURNAL, then does as the records say."""
    records = [
        {
            "sequence": record["kinesis"]["sequenceNumber"],
            "key": record["kinesis"]["partitionKey"],
            **json.loads(base64.b64decode(record["kinesis"]["data"])),
        }
        for record in event["Records"]
    ]
    line = {"started": time.time(), "shard": event["Records"][0]["eventID"].split(":")[0]}
    with open(os.environ["JOURNAL"], "a") as journal:  # noqa: PTH123
        journal.write(json.dumps({**line, "records": records}) + "\n")
    time.sleep(max(record.get("sleep", 0) for record in records))
    healed = os.path.exists(os.environ["JOURNAL"] + ".healed")  # noqa: PTH110
    if any(record.get("poison") for record in records) and not healed:
        raise ValueError("poison")
    if any(record.get("die") for record in records):
        os._exit(3)
    failed = [record["sequence"] for record in records if record.get("report") and not healed]
    return {"batchItemFailures": [{"itemIdentifier": number} for number in failed]}


def land(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Firehose's transformation: each record says what becomes of it."""
    if os.path.exists(os.environ["JOURNAL"] + ".broken"):  # noqa: PTH110
        raise RuntimeError("broken")
    with open(os.environ["JOURNAL"], "a") as journal:  # noqa: PTH123
        journal.write(json.dumps({"records": len(event["records"])}) + "\n")
    answers = []
    for record in event["records"]:
        row = json.loads(base64.b64decode(record["data"]))
        if row.get("outcome") == "omit":
            continue
        answers.append(
            {
                "recordId": record["recordId"],
                "result": row.pop("outcome", "Ok"),
                "data": base64.b64encode(json.dumps(row).encode()).decode(),
                "metadata": {"partitionKeys": {"day": row["time"][:10]} if "time" in row else {}},
            }
        )
    return {"records": answers}
