"""Does the memory of the embedded AWS stay flat? Mixed calls at a steady rate, and what it takes.

    python -m benchmarks.embedded --seconds 3600

Of what a service keeps, the calls write the same few things again and again: what grows is not
their content.
"""

import argparse
import itertools
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil

from benchmarks.measuring import add_json, show
from local_aws.server import EmbeddedAws, free_port

_RATE = 50
_EVERY_SECONDS = 30.0
# What is loaded at the first use of a service counts as its start.
_WARM_SECONDS = 120.0
_MIB = 1 << 20

Call = Callable[[], Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=1200)
    parser.add_argument("--rate", type=float, default=_RATE, help="calls a second")
    add_json(parser)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedAws(Path(folder, "state"), free_port()) as aws,
    ):
        process = psutil.Process(aws.connection()["pid"])
        samples = list(_measured(process, _calls(aws.session()), options.seconds, options.rate))
    begin = min(_WARM_SECONDS, options.seconds / 2)
    warm = [(at, mib) for at, mib in samples if at >= begin]
    growth, hours = warm[-1][1] - warm[0][1], (warm[-1][0] - warm[0][0]) / 3600
    result: dict[str, Any] = {f"MiB after {at:.0f} s": mib for at, mib in samples}
    result |= {"growth_mib": growth, "growth_mib_per_hour": growth / hours}
    show(result, options.json)


def _measured(
    process: psutil.Process, calls: Iterator[Call], seconds: float, rate: float
) -> Iterator[tuple[float, float]]:
    began = due = time.monotonic()
    told = -_EVERY_SECONDS
    while (at := time.monotonic() - began) < seconds:
        next(calls)()
        if at - told >= _EVERY_SECONDS:
            told = at
            yield at, process.memory_info().rss / _MIB
        due += 1 / rate
        time.sleep(max(0.0, due - time.monotonic()))
    yield at, process.memory_info().rss / _MIB


def _calls(session: boto3.Session) -> Iterator[Call]:
    """Calls of the services that the project uses, in turn, for ever."""
    names = ("s3", "ssm", "sqs", "logs", "cloudwatch", "sagemaker", "kinesis", "events", "iam")
    s3, ssm, sqs, logs, cloudwatch, sagemaker, kinesis, events, iam = map(session.client, names)
    s3.create_bucket(Bucket="bench")
    queue = sqs.create_queue(QueueName="bench")["QueueUrl"]
    logs.create_log_group(logGroupName="/bench")
    logs.create_log_stream(logGroupName="/bench", logStreamName="one")
    kinesis.create_stream(StreamName="bench", ShardCount=1)

    def through_the_queue() -> None:
        sqs.send_message(QueueUrl=queue, MessageBody="x")
        for message in sqs.receive_message(QueueUrl=queue).get("Messages", []):
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])

    def some() -> int:
        return random.randrange(20)  # noqa: S311 - which of a few

    def log() -> None:
        event = {"timestamp": int(time.time() * 1000), "message": "a line " * 10}
        logs.put_log_events(logGroupName="/bench", logStreamName="one", logEvents=[event])

    return itertools.cycle(
        (
            lambda: s3.put_object(Bucket="bench", Key=f"k{some()}", Body=bytes(1000)),
            lambda: s3.list_objects_v2(Bucket="bench"),
            lambda: ssm.put_parameter(
                Name=f"/bench/{some()}", Value=str(time.time()), Type="String", Overwrite=True
            ),
            lambda: ssm.get_parameters_by_path(Path="/bench"),
            through_the_queue,
            log,
            lambda: cloudwatch.put_metric_data(
                Namespace="Bench", MetricData=[{"MetricName": "calls", "Value": some()}]
            ),
            sagemaker.list_endpoints,
            lambda: kinesis.put_record(StreamName="bench", Data=bytes(200), PartitionKey="1"),
            lambda: events.put_events(
                Entries=[{"Source": "bench", "DetailType": "tick", "Detail": "{}"}]
            ),
            iam.list_roles,
        )
    )


if __name__ == "__main__":
    main()
