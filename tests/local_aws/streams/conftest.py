"""A stream, a function that consumes it as its records say, and mappings between them."""

import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws.events.test_delivery import role
from tests.local_aws.test_image_functions import FOLDER, IMAGE, image_config

READ = (
    *("kinesis:DescribeStream", "kinesis:DescribeStreamSummary"),
    *("kinesis:GetRecords", "kinesis:GetShardIterator"),
)
Client = Callable[[str], Any]


class Pipeline:
    """A stream and its consumer.

    Args:
        client: Clients of the embedded AWS.
        journal: The file that the function writes.
        shards: The stream's.
        actions: What the function's role may do beside reading the stream.
        timeout: The function's, in seconds.
    """

    def __init__(
        self,
        client: Client,
        journal: Path,
        shards: int = 1,
        actions: Iterable[str] = (),
        timeout: int = 3,
    ) -> None:
        self._kinesis, self._lambda = client("kinesis"), client("lambda")
        self.name = f"test-{uuid.uuid4().hex[:8]}"
        self.journal = journal
        self._kinesis.create_stream(StreamName=self.name, ShardCount=shards)
        described = self._kinesis.describe_stream(StreamName=self.name)
        self.stream_arn = described["StreamDescription"]["StreamARN"]
        self.role = role(
            client("iam"), "lambda.amazonaws.com", *READ, "kinesis:ListShards", *actions
        )
        self._lambda.create_function(
            FunctionName=self.name,
            PackageType="Image",
            Code={"ImageUri": IMAGE},
            ImageConfig=image_config("functions.consume"),
            Role=self.role,
            Timeout=timeout,
            Environment={"Variables": {"JOURNAL": str(journal), "PYTHONPATH": FOLDER}},
        )

    def put(self, *records: dict[str, Any], key: str | None = None) -> None:
        """Put records; each one's partition key is its `key`, or the same for all."""
        for start in range(0, len(records), 500):
            answer = self._kinesis.put_records(
                StreamName=self.name,
                Records=[
                    {
                        "PartitionKey": str(record.get("key", key or "one")),
                        "Data": json.dumps(record).encode(),
                    }
                    for record in records[start : start + 500]
                ],
            )
            assert answer["FailedRecordCount"] == 0

    def map(self, **settings: Any) -> str:
        """Make a mapping; its identifier."""
        wanted = {"StartingPosition": "TRIM_HORIZON", **settings}
        mapping = self._lambda.create_event_source_mapping(
            EventSourceArn=self.stream_arn, FunctionName=self.name, **wanted
        )
        return str(mapping["UUID"])

    def heal(self) -> None:
        """Have the function fail no more."""
        Path(f"{self.journal}.healed").touch()

    def invocations(self) -> list[dict[str, Any]]:
        """What the function was invoked with so far."""
        if not self.journal.exists():
            return []
        return [json.loads(line) for line in self.journal.read_text().splitlines()]

    def batches(self) -> list[list[int]]:
        """The `id` of the records of each invocation."""
        return [[record["id"] for record in call["records"]] for call in self.invocations()]

    def seen(self) -> list[int]:
        """The `id` of all records, in the order in which they were invoked with."""
        return [number for batch in self.batches() for number in batch]

    def delete(self) -> None:
        """Delete the mappings, the function and the stream."""
        mappings = self._lambda.list_event_source_mappings(FunctionName=self.name)
        for mapping in mappings["EventSourceMappings"]:
            self._lambda.delete_event_source_mapping(UUID=mapping["UUID"])
        self._lambda.delete_function(FunctionName=self.name)
        self._kinesis.delete_stream(StreamName=self.name)


@pytest.fixture
def pipeline(client: Client, tmp_path: Path) -> Iterator[Callable[..., Pipeline]]:
    """pipeline(shards=1, actions=()): a stream and its consumer, deleted after the test."""
    made: list[Pipeline] = []

    def make(**options: Any) -> Pipeline:
        made.append(Pipeline(client, tmp_path / f"journal-{len(made)}", **options))
        return made[-1]

    yield make
    for each in made:
        each.delete()


Make = Callable[..., Pipeline]
Eventually = Callable[[Callable[[], Any]], Any]


def numbered(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": number, **more} for number in numbers]
