"""Requests at a constant rate while something is done to the endpoint."""

import itertools
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import BotoCoreError

from operations.errors import OperationError
from operations.serving.scoring import Scorer, ScoringResult
from operations.target import Target
from pipeline_code.contracts.outputs import Output

__all__ = ["SentRequest", "Traffic", "captured"]

# A response that takes long must not make the requests after it wait.
_THREADS = 8


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request and what became of it.

    Attributes:
        inference_id: Its own, so that the captures tell how often it was answered.
        seconds: From the call to its end.
        answer: The server's; None if there was none.
        reason: Why not; None if there was one.
    """

    inference_id: str
    seconds: float
    answer: dict[str, Any] | None
    reason: str | None


class Traffic:
    """Asks the endpoint over and over, so many times a second, however long a response takes.

    with Traffic(target, requests) as traffic:
        ...
    traffic.scored.failures

    Args:
        target: Where.
        requests: Raw transactions, asked about in turn.
        per_second: How many begin each second.
    """

    def __init__(
        self, target: Target, requests: Sequence[dict[str, Any]], *, per_second: float = 20.0
    ) -> None:
        self._scorer = Scorer(target)
        self._requests = itertools.cycle(requests)
        self._pause = 1.0 / per_second
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="traffic")
        self._thread = threading.Thread(target=self._pace, daemon=True, name="traffic")
        self._adding = threading.Lock()
        self.asked: list[SentRequest] = []
        self.scored = ScoringResult()
        self.began = datetime.now(UTC)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._pool.shutdown()

    def _pace(self) -> None:
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            self._pool.submit(self._ask, next(self._requests))
            due += self._pause

    def _ask(self, request: dict[str, Any]) -> None:
        id_, begun = f"traffic-{uuid.uuid4()}", time.monotonic()
        answer, reason = None, None
        try:
            answer = self._scorer.ask(request, inference_id=id_)
        except (OperationError, BotoCoreError) as error:
            reason = str(error)
        seconds = time.monotonic() - begun
        with self._adding:
            self.asked.append(SentRequest(id_, seconds, answer, reason))
            if answer is None:
                self.scored.failures.append((request["transaction_id"], str(reason)))
            else:
                self.scored.add(answer)


def captured(target: Target, traffic: Traffic) -> Counter[str]:
    """How often the endpoint's captures hold each answered request of finished traffic.

    Waits until each is there: captures are written a little later.

    Raises:
        OperationError: If some are not captured within a minute.
    """
    answered = {each.inference_id for each in traffic.asked if each.answer is not None}
    deadline = time.monotonic() + 60.0
    while True:
        counts = _counted(target, traffic.began) & Counter(dict.fromkeys(answered, 2))
        missing = answered - counts.keys()
        if not missing:
            return counts
        if time.monotonic() > deadline:
            raise OperationError(
                f"every answer must be captured within a minute, got {len(missing)} of "
                f"{len(answered)} missing, {min(missing)} among them"
            )
        time.sleep(1.0)


def _counted(target: Target, since: datetime) -> Counter[str]:
    s3, bucket = target.client("s3"), target.output(Output.CAPTURES_BUCKET)
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix=f"{target.output(Output.ENDPOINT)}/primary/"
    )
    keys = [
        item["Key"]
        for page in pages
        for item in page.get("Contents", ())
        if item["LastModified"] >= since - timedelta(seconds=1)
    ]
    return Counter(
        json.loads(line)["eventMetadata"].get("inferenceId", "")
        for key in keys
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines()
    )
