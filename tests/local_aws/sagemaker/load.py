"""Constant load on an endpoint, from several real clients."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

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
