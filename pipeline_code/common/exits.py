"""The end of an entry point that cannot do its work."""

import sys

from pipeline_code.common.paths import failure_file, ml_root

__all__ = ["BadInput", "report_failure"]

# SageMaker keeps this much of ExitMessage and FailureReason.
MESSAGE_LIMIT = 1024


class BadInput(Exception):  # noqa: N818 - it is what the caller did, not what broke here
    """The input breaks a stated rule; the message says which, where, and what to do.

    The dispatcher shows the message without a traceback, because the fault is not in the code.
    """


def report_failure(entry: str, reason: str) -> None:
    """Writes the reason to stderr and, in a job, to the file that SageMaker shows to users."""
    print(f"{entry} failed: {reason}", file=sys.stderr)
    # On a laptop (`simulate` by hand) there is no such root, and none is to appear.
    if not ml_root().is_dir():
        return
    file = failure_file(entry)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(shortened(reason), encoding="utf-8")


def shortened(reason: str) -> str:
    """The reason within SageMaker's limit, which counts bytes."""
    encoded = reason.encode()
    if len(encoded) <= MESSAGE_LIMIT:
        return reason
    return encoded[: MESSAGE_LIMIT - 3].decode(errors="ignore") + "..."
