"""The errors of operations; their messages say what was wrong and what to do."""


class OperationError(Exception):
    """A verb could not be carried out; the message says what was wrong and what to do.

    Attributes:
        exit_code: What the command exits with.
    """

    exit_code = 1


class StoppedWaitingError(OperationError):
    """An operator stopped the waiting; the message says what goes on without it."""

    exit_code = 130  # 128 and SIGINT, as shells have it
