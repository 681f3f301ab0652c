"""Events as a producer sends them, and the records that Lambda and Firehose make of them."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

ARRIVED = datetime(2018, 8, 9, 12, tzinfo=UTC)
STREAM_ARN = "arn:aws:kinesis:us-east-1:000000000000:stream/events"


def transaction(**changes: Any) -> dict[str, Any]:
    return {
        "type": "transaction",
        "transaction_id": 1,
        "event_time": "2018-08-01T10:00:00Z",
        "customer_id": 2,
        "terminal_id": 3,
        "amount": "12.30",
    } | changes


def report(**changes: Any) -> dict[str, Any]:
    return {
        "type": "fraud_report",
        "transaction_id": 1,
        "event_time": "2018-08-01T10:00:00Z",
        "customer_id": 2,
        "terminal_id": 3,
        "report_time": "2018-08-08T10:00:00Z",
    } | changes


def without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}


def encoded(document: Any) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def lambda_event(*payloads: Any, arrived: datetime = ARRIVED) -> dict[str, Any]:
    """What Lambda hands a consumer: one record a payload, sequence numbers from 0."""
    return {
        "Records": [
            {
                "eventSource": "aws:kinesis",
                "eventID": f"shardId-000000000000:{number}",
                "eventSourceARN": STREAM_ARN,
                "kinesis": {
                    "sequenceNumber": str(number),
                    "partitionKey": "2",
                    "approximateArrivalTimestamp": arrived.timestamp(),
                    "data": base64.b64encode(encoded(payload)).decode(),
                },
            }
            for number, payload in enumerate(payloads)
        ]
    }


def firehose_event(*payloads: Any, arrived: datetime = ARRIVED) -> dict[str, Any]:
    """What Firehose hands its transformation."""
    return {
        "invocationId": "invocation",
        "deliveryStreamArn": "arn:aws:firehose:us-east-1:000000000000:deliverystream/landing",
        "sourceKinesisStreamArn": STREAM_ARN,
        "region": "us-east-1",
        "records": [
            {
                "recordId": f"record-{number}",
                "approximateArrivalTimestamp": int(arrived.timestamp() * 1000),
                "data": base64.b64encode(encoded(payload)).decode(),
            }
            for number, payload in enumerate(payloads)
        ],
    }
