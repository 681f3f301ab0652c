"""How a verb ends that cannot do what it should: in a line, which says what to do."""

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from operations.cli.parts.place import placed
from operations.console import errors, readable
from operations.errors import OperationError

__all__ = ["check_inputs", "check_result_file", "in_a_line"]

# What AWS's services call credentials that have expired, or that they do not know.
_SIGNED_OUT = (
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "UnrecognizedClientException",
)
# Options and arguments of verbs that name what they read.
_INPUTS = ("path", "data", "mapping")


@contextmanager
def in_a_line(options: Mapping[str, Any]) -> Iterator[None]:
    """Ends a failure in a line on stderr; a traceback goes into a file, and only of a bug.

    Args:
        options: The verb's; the commands that the line advises get those that say where.
    """
    try:
        yield
    # The command's own ends, and a reader that has seen enough, as of `| head`.
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except Exception as error:
        # AWS's own messages stay whole: what is not allowed to whom is said in ARNs.
        said = readable(str(error)) if isinstance(error, OperationError) else str(error)
        text = f"{said}{_advice(error)}" if _is_expected(error) else _of_bug(error)
        # Not wrapped: an address or a command must be found, and copied, in one piece.
        errors().print(
            f"fraudloop: {placed(text, options)}",
            style="red",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        raise typer.Exit(getattr(error, "exit_code", 1)) from error


def check_inputs(options: Mapping[str, Any]) -> None:
    """Refuse a file or folder of the verb's options that is not there, or may not be read.

    Raises:
        OperationError: With its path.
    """
    for name in _INPUTS:
        path = options.get(name)
        if isinstance(path, Path) and not os.access(path, os.R_OK):
            rule = "be readable" if path.exists() else "exist"
            raise OperationError(f"file must {rule}, got {path}")


def check_result_file(path: str | None) -> None:
    """Refuse a `--json` that could not be written once the verb has done its work.

    Raises:
        OperationError: If it is a folder, or may not be written.
    """
    if path is None or path == "-":
        return
    file = Path(path)
    rule = f"--json must be a file that can be written, got {path}"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OperationError(f"{rule}: {error}") from error
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise OperationError(rule)


def _is_expected(error: Exception) -> bool:
    from botocore.exceptions import BotoCoreError, ClientError

    from local_aws.server import EmbeddedAwsError
    from pipeline_code.common.exits import BadInput

    expected = (OperationError, EmbeddedAwsError, BadInput, ClientError, BotoCoreError)
    return isinstance(error, expected)


def _advice(error: Exception) -> str:
    """What to do about what AWS said, where it does not say so itself."""
    code = getattr(error, "response", {}).get("Error", {}).get("Code")
    if code not in _SIGNED_OUT:
        return ""
    return "; sign in again, as with `aws sso login`, or give the --profile that is meant"


def _of_bug(error: Exception) -> str:
    import shlex
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="fraudloop-", suffix=".log", delete=False, encoding="utf-8"
    ) as log:
        log.write(f"{shlex.join(sys.argv)}\n\n{''.join(traceback.format_exception(error))}")
    return (
        f"a bug, and not a fault of yours: {type(error).__name__}: {error}; please report it with "
        f"{log.name}, which has the traceback"
    )
