"""The traffic of a client of the online store: at what pace it reads, and what was throttled."""

from threading import Lock
from typing import Any

from botocore.retries.standard import RetryContext, ThrottledRetryableChecker

from pipeline_code.common.pace import Pace

__all__ = ["StoreTraffic"]

_SERVICE = "sagemaker-featurestore-runtime"


class StoreTraffic:
    """Watches each try of a client's calls, botocore's own retries among them.

    StoreTraffic(client, Pace(100))

    Of BatchGetRecord an account has 500 calls a second, which folds, materialization and the server
    share; of every other call 10,000. What writes reads first, a hundred records a call, and writes
    25 a call: a pace for reads is one for writes as well.

    Args:
        client: A boto3 client of sagemaker-featurestore-runtime.
        pace: Of BatchGetRecord; none if omitted.
    """

    def __init__(self, client: Any, pace: Pace | None = None) -> None:
        self._pace = pace
        self._lock = Lock()
        self._throttled = 0
        self._is_throttling = ThrottledRetryableChecker().is_retryable
        events = client.meta.events
        # Both are told of each try; what the first returned would be taken for the response.
        events.register(f"before-send.{_SERVICE}.BatchGetRecord", self._before)
        events.register(f"response-received.{_SERVICE}", self._after)

    def take_throttled(self) -> int:
        """How many tries were throttled since this was asked last."""
        with self._lock:
            taken, self._throttled = self._throttled, 0
        return taken

    def _before(self, **_: Any) -> None:
        if self._pace is not None:
            self._pace.wait()

    def _after(self, parsed_response: dict[str, Any] | None, **_: Any) -> None:
        context = RetryContext(attempt_number=1, parsed_response=parsed_response)
        if self._is_throttling(context):
            with self._lock:
                self._throttled += 1
