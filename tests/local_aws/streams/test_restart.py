"""What a stop and a kill of the server leave of streams: everything."""

import functools
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.streams.conftest import Pipeline

Eventually = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def own_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    """A server that the test may stop and kill."""
    monkeypatch.setenv("FRAUDLOOP_CHECKPOINT_SECONDS", "0.2")
    with EmbeddedAws(tmp_path / "state", free_port()) as aws:
        yield aws


def make(aws: EmbeddedAws, journal: Path) -> Pipeline:
    client = functools.partial(aws.session().client, config=Config(retries={"max_attempts": 0}))
    client("ecr").create_repository(repositoryName="fraudloop-local")
    return Pipeline(functools.cache(client), journal, shards=2)


def saved(aws: EmbeddedAws, mapping: str) -> bool:
    """Whether the mapping itself is in a checkpoint of the server's state."""
    file = aws.state_dir / "state" / "lambda.json"
    return file.exists() and mapping in file.read_text()


def kill(aws: EmbeddedAws) -> None:
    server = psutil.Process(aws.connection()["pid"])
    left = server.children(recursive=True)
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    for process in left:
        process.kill()


def test_a_kill_amid_the_stream_loses_nothing_that_was_taken(
    own_aws: EmbeddedAws, tmp_path: Path, eventually: Eventually
) -> None:
    one = make(own_aws, tmp_path / "journal")
    mapping = one.map(BatchSize=20)
    eventually(lambda: saved(own_aws, mapping))
    taken: list[int] = []

    def produce() -> None:
        for start in range(0, 100_000, 10):
            batch = [{"id": i, "key": f"k{i % 5}"} for i in range(start, start + 10)]
            try:
                one.put(*batch)
            except (ClientError, BotoCoreError):
                return
            taken.extend(range(start, start + 10))

    producer = threading.Thread(target=produce)
    producer.start()
    eventually(lambda: len(one.seen()) > 200)
    kill(own_aws)
    producer.join(30)
    own_aws.start()
    eventually(lambda: set(taken) <= set(one.seen()))
    for key in range(5):
        first_seen = list(dict.fromkeys(n for n in one.seen() if n % 5 == key))
        assert first_seen == sorted(first_seen)
    again = len(one.seen()) - len(set(one.seen()))
    assert again <= 2 * 20  # a batch of each shard at most


def test_an_orderly_stop_finishes_what_runs_and_repeats_nothing(
    own_aws: EmbeddedAws, tmp_path: Path, eventually: Eventually
) -> None:
    one = make(own_aws, tmp_path / "journal")
    one.put(*({"id": i, "key": f"k{i}", "sleep": 0.2} for i in range(20)))
    one.map(BatchSize=2, MaximumRetryAttempts=0)
    eventually(lambda: len(one.seen()) >= 4)
    own_aws.stop()
    assert len(one.seen()) < 20
    own_aws.start()
    eventually(lambda: len(one.seen()) == 20)
    assert sorted(one.seen()) == list(range(20))
