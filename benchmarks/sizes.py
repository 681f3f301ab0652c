"""The bytes of what a transaction leaves behind: in the stream, the store, captures, lake and logs.

    python -m benchmarks.sizes --json -

`docs/capacity.md` reckons with these figures, which `operations/documentation/capacity.toml` keeps.
They follow from the code and from simulated transactions; nothing is timed.

JSON, in bytes: `event`, a transaction as a producer puts it; `customer_record` and
`terminal_record`, of an entity with two and with twenty transactions a day; `capture`, a line of
what the endpoint captures of a request for one; `lake_row`, of Parquet that is not compressed, as
the stream lands it; `metric_line`, of a worker that is asked more than 100 times a second.
"""

import argparse
import io
import json
from datetime import UTC, date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measuring import add_json, show
from benchmarks.online import History
from pipeline_code.contracts.serving import JSON, Decision
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES, TERMINAL, Entity
from pipeline_code.features.store.records import Key, Writer, next_time, to_record
from pipeline_code.serve.metrics import Meter, MetricsConfig
from pipeline_code.serve.rendering import render
from pipeline_code.serve.scoring import ScoringResponse
from pipeline_code.simulate.simulation import simulate
from pipeline_code.simulate.world import SimulationConfig

DAYS = 60
ENDPOINT = "fraudloop-prod-fraud"
VERSION = f"arn:aws:sagemaker:us-east-1:000000000000:model-package/{ENDPOINT}/42"
MOMENT = datetime(2025, 3, 12, 10, 0, 0, 123_000, UTC).isoformat()
ID = 1_234_567
REQUEST = {
    "transaction_id": ID * 1_000,
    "event_time": MOMENT,
    "customer_id": ID,
    "terminal_id": ID,
    "amount": "99.50",
}


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_json(parser)
    arguments = parser.parse_args()
    event = {"type": "transaction", **REQUEST, "currency": "EUR"}
    figures = {
        "event": len(json.dumps(event)),
        "customer_record": _record(CUSTOMER, daily=2),
        "terminal_record": _record(TERMINAL, daily=20),
        "capture": _capture(),
        "lake_row": _lake_row(),
        "metric_line": _metric_line(),
    }
    show(figures, arguments.json)


def _record(entity: Entity, *, daily: int) -> int:
    """Names and values, as Feature Store counts a record's size."""
    state = History.drawn(daily * DAYS).state(entity)
    record = to_record(
        Key(entity, ID), state, state.encode(), next_time(state, None, Writer.CONSUMER)
    )
    return sum(len(value["FeatureName"]) + len(value["ValueAsString"]) for value in record)


def _response() -> ScoringResponse:
    values = np.random.default_rng(7).random((1, len(FEATURE_NAMES)), np.float32) * 1_000
    return ScoringResponse(
        ids=[ID * 1_000],
        scores=[0.012345678901234567],
        decisions=[Decision.APPROVE],
        values=values,
        degraded=[[]],
        reason_codes=None,
        model_version=VERSION,
    )


def _capture() -> int:
    def side(mode: str, body: bytes) -> dict[str, str]:
        text = body.decode()
        return {"observedContentType": JSON, "mode": mode, "data": text, "encoding": "JSON"}

    document = {
        "captureData": {
            "endpointInput": side("INPUT", json.dumps(REQUEST).encode()),
            "endpointOutput": side("OUTPUT", render(_response(), JSON, single=True)),
        },
        "eventMetadata": {"eventId": "0" * 36, "inferenceTime": "2025-03-12T10:00:00Z"},
        "eventVersion": "0",
    }
    return len(json.dumps(document)) + 1


def _lake_row() -> int:
    config = SimulationConfig(start=date(2025, 3, 1), days=10, customers=2_000, terminals=400)
    rows: pa.Table = simulate(config).transactions
    file = io.BytesIO()
    pq.write_table(rows, file, compression="none")
    return round(len(file.getvalue()) / len(rows))


def _metric_line() -> int:
    lines: list[str] = []
    meter = Meter(
        MetricsConfig(namespace="fraudloop/prod", endpoint_name=ENDPOINT, model_version=VERSION),
        lines.append,
    )
    for number in range(200):
        meter.answered(_response(), read_seconds=number / 7e5, seconds=number / 3e5)
    meter.flush()
    return len(lines[0]) + 1


if __name__ == "__main__":
    main()
