"""The destinations to which Lambda reports records that it gives up."""

import json
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from local_aws.policies.passed_roles import LAMBDA
from local_aws.sagemaker.context import LocalSession
from local_aws.settings import REGION
from local_aws.streams.record import Record

RETRIES_EXHAUSTED = "RetryAttemptsExhausted"
TOO_OLD = "RecordAgeExceeded"

Document = dict[str, Any]


def failure_record(
    *,
    function_arn: str,
    stream_arn: str,
    shard: str,
    records: Sequence[Record],
    condition: str,
    invocations: int,
) -> Document:
    """What a destination is told of discarded records: where they are, not what they hold.

    Args:
        function_arn: What was invoked.
        stream_arn: Where the records are.
        shard: The shard's name.
        records: The records.
        condition: Why they are given up.
        invocations: How often the function was invoked with these records together.
    """
    document: Document = {
        "requestContext": {
            "requestId": str(uuid.uuid4()),
            "functionArn": function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "version": "1.0",
        "timestamp": _iso(time.time()),
        "KinesisBatchInfo": {
            "shardId": shard,
            "startSequenceNumber": records[0].number,
            "endSequenceNumber": records[-1].number,
            "approximateArrivalOfFirstRecord": _iso(records[0].arrival),
            "approximateArrivalOfLastRecord": _iso(records[-1].arrival),
            "batchSize": len(records),
            "streamArn": stream_arn,
        },
    }
    if invocations > 0:
        document["responseContext"] = {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
    return document


class Destinations:
    """Sends with the function's role, so that IAM decides.

    Args:
        endpoint_url: Where the embedded AWS listens.
    """

    def __init__(self, endpoint_url: str) -> None:
        self._endpoint_url = endpoint_url

    def send(
        self, arn: str, role_arn: str, mapping: str, document: Document, event: Document
    ) -> None:
        """Tell a destination of discarded records.

        Args:
            arn: The destination.
            role_arn: The function's role.
            mapping: The mapping's identifier.
            document: What `failure_record` gave.
            event: What the function would be invoked with; only a bucket gets it.

        Raises:
            botocore.exceptions.ClientError: If it does not exist or the role may not.
            RoleNotAssumableError: If there is no such role or it does not trust Lambda.
        """
        service = arn.split(":")[2]
        session = LocalSession(self._endpoint_url, REGION, LAMBDA.assume(role_arn, "awslambda"))
        senders: dict[str, Callable[[], object]] = {
            "sqs": lambda: session.client("sqs").send_message(
                QueueUrl=self._queue_url(arn), MessageBody=json.dumps(document)
            ),
            "sns": lambda: session.client("sns").publish(
                TopicArn=arn, Message=json.dumps(document)
            ),
            "s3": lambda: session.client("s3").put_object(
                Bucket=arn.rpartition(":")[2],
                Key=_key(mapping, document["KinesisBatchInfo"]["shardId"]),
                Body=json.dumps({**document, "payload": json.dumps(event)}).encode(),
                ContentType="application/json",
            ),
        }
        senders[service]()

    def _queue_url(self, arn: str) -> str:
        account, name = arn.split(":")[4:6]
        return f"{self._endpoint_url}/{account}/{name}"


def _key(mapping: str, shard: str) -> str:
    moment = time.strftime("%Y-%m-%dT%H.%M.%S", time.gmtime())
    return f"aws/lambda/{mapping}/{shard}/{moment}-{uuid.uuid4()}"


def _iso(seconds: float) -> str:
    milliseconds = int(seconds * 1000) % 1000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03d}Z"
