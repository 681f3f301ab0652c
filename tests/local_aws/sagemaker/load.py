"""Constant load on an endpoint, from several real clients."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.local_aws.sagemaker.serving import Serving


@contextmanager
def load(
    serving: Serving, endpoint: str, *, body: bytes = b"hello", clients: int = 3
) -> Iterator[Counter[str]]:
    """Requests all the time; counts who answered, failures as `failed: ...`."""
    answers: Counter[str] = Counter()
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers[serving.ask(endpoint, body)["name"]] += 1
            except ClientError as error:
                answers[f"failed: {error}"] += 1

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@dataclass
class Requests:
    """What became of requests that were sent once each."""

    answered: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def names(self) -> set[str]:
        """Who answered."""
        return set(self.answered.values())


@contextmanager
def single_requests(
    serving: Serving, runtime: Any, endpoint: str, *, body: bytes = b"hello", clients: int = 3
) -> Iterator[Requests]:
    """Requests all the time, each with an id of its own.

    Args:
        serving: For its way to ask.
        runtime: A client that does not retry, so that each request is sent once.
        endpoint: Whom to ask.
        body: What is asked.
        clients: How many ask at once.
    """
    requests, stop = Requests(), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            number = uuid.uuid4().hex
            try:
                answer = serving.ask(endpoint, body, runtime=runtime, InferenceId=number)
            except ClientError as error:
                requests.failed[number] = error.response["Error"]["Code"]
            except BotoCoreError as error:
                requests.failed[number] = type(error).__name__
            else:
                requests.answered[number] = answer["name"]

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield requests
    finally:
        stop.set()
        for thread in threads:
            thread.join()
