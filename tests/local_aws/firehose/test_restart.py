"""What a stop and a kill of the server leave of delivery streams."""

import functools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from local_aws.server import EmbeddedAws, free_port
from tests.local_aws.firehose.conftest import Landing

Eventually = Callable[[Callable[[], Any]], Any]
WAITS = {"SizeInMBs": 1, "IntervalInSeconds": 900}


@pytest.fixture
def own_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedAws]:
    """A server that the test may stop and kill."""
    monkeypatch.setenv("FRAUDLOOP_CHECKPOINT_SECONDS", "0.2")
    with EmbeddedAws(tmp_path / "state", free_port()) as aws:
        yield aws


def test_neither_a_kill_nor_a_stop_loses_what_is_buffered(
    own_aws: EmbeddedAws, eventually: Eventually
) -> None:
    client = functools.cache(own_aws.session().client)
    one = Landing(client, "kinesis:*")
    client("kinesis").create_stream(StreamName="events", ShardCount=2)
    arn = client("kinesis").describe_stream(StreamName="events")["StreamDescription"]["StreamARN"]
    direct = one.create(Prefix="direct/", BufferingHints=WAITS)
    sourced = one.create(source=arn, Prefix="sourced/", BufferingHints=WAITS)

    def put(*numbers: int) -> None:
        one.put(direct, *(b"%d " % number for number in numbers))
        for number in numbers:
            client("kinesis").put_record(
                StreamName="events", Data=b"%d " % number, PartitionKey=str(number)
            )

    def delivered(prefix: str) -> list[int]:
        text = b"".join(one.objects(prefix).values()).decode()
        return sorted(int(number) for number in text.split())

    put(1, 2)
    state = own_aws.state_dir / "state" / "firehose.json"
    eventually(lambda: state.exists() and sourced in state.read_text())
    server = psutil.Process(own_aws.connection()["pid"])
    server.send_signal(signal.SIGKILL)
    server.wait(10)
    own_aws.start()
    assert one.objects() == {}
    put(3)
    own_aws.stop()
    own_aws.start()
    assert delivered("direct/") == delivered("sourced/") == [1, 2, 3]
    put(4)
    one.delete(direct)
    one.delete(sourced)
    assert delivered("direct/") == delivered("sourced/") == [1, 2, 3, 4]
