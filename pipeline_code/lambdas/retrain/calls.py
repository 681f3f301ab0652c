"""The configuration of the function's calls to services."""

from typing import Final

from botocore.config import Config

__all__ = ["CONFIG"]

# A call that hangs must not use up the invocation: the event comes again.
CONFIG: Final = Config(
    connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3}
)
