"""State that is written to disk at once, without a copy of all of it.

ministack copies what it saves, so that it may be written later. Here it is written by the thread
that asks for it, and the largest of what is saved, all metrics, stacks, tables and logs, take ten
times as long to copy as to write, while requests wait.
"""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ministack.services import cloudformation, cloudwatch, cloudwatch_logs, glue

__all__ = ["lent"]

_this_thread = threading.local()


@contextmanager
def lent() -> Iterator[None]:
    """What this thread asks those services for meanwhile is theirs: to be read, and soon."""
    _this_thread.borrows = True
    try:
        yield
    finally:
        _this_thread.borrows = False


class _Copy:
    """The module `copy`, as those services use it."""

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    @staticmethod
    def deepcopy(value: Any) -> Any:
        return value if getattr(_this_thread, "borrows", False) else copy.deepcopy(value)


for _service in (cloudformation, cloudwatch, cloudwatch_logs, glue):
    _service.copy = _Copy()
