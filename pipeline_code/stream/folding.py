"""The work of a stream's consumers: parse, quarantine, fold, and put onto the next stream."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import process_partial_response
from botocore.config import Config

from pipeline_code.common.pace import Pace
from pipeline_code.contracts.metrics import MetricName
from pipeline_code.features.definitions import CUSTOMER, Entity
from pipeline_code.features.store.records import Key
from pipeline_code.features.store.traffic import StoreTraffic
from pipeline_code.features.store.updating import FoldResult, fold_into_store
from pipeline_code.stream.batches import WholeBatchProcessor
from pipeline_code.stream.events import Event, tables
from pipeline_code.stream.producing import Entry, put_all
from pipeline_code.stream.quarantine import quarantine
from pipeline_code.stream.records import Record, sort
from pipeline_code.stream.settings import FoldSettings

__all__ = ["Clients", "Consumer", "connected", "consume"]

LOGGER = logging.getLogger(__name__)
LOGGED_REASONS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """The clients that a consumer uses: of sagemaker-featurestore-runtime, s3 and kinesis.

    Attributes:
        traffic: Watches the first one.
    """

    store: Any
    s3: Any
    kinesis: Any
    traffic: StoreTraffic


@cache
def connected(reads_per_second: float | None) -> Clients:
    """The clients of this process; made once, so that invocations share their connections.

    Args:
        reads_per_second: The pace of BatchGetRecord; None for none. What may be read in a second
            may be read at once, so that a batch that comes in time does not wait.
    """
    config = Config(retries={"mode": "standard", "max_attempts": 5}, tcp_keepalive=True)
    store = boto3.client("sagemaker-featurestore-runtime", config=config)
    pace = None
    if reads_per_second is not None:
        pace = Pace(reads_per_second, burst=max(reads_per_second, 1))
    return Clients(
        store=store,
        traffic=StoreTraffic(store, pace),
        s3=boto3.client("s3", config=config),
        kinesis=boto3.client("kinesis", config=config),
    )


def consume(
    event: dict[str, Any], entity: Entity, settings: FoldSettings, clients: Clients
) -> dict[str, Any]:
    """Handles one invocation by a Kinesis stream; the response names the records to deliver again.

    Raises:
        ClientError: The quarantine or the next stream failed; the whole batch has to come again.
    """
    metrics = Metrics()
    consumer = Consumer(entity, settings, clients, metrics)
    answer = process_partial_response(event, consumer.work, WholeBatchProcessor())
    metrics.flush_metrics()
    return dict(answer)


class Consumer:
    """Folds a stream's events into the states of one kind of entity.

    Args:
        entity: Whose states; the stream is partitioned by its id.
        settings: Where the states are, where refused records are stored, where events go on to.
        clients: The services.
        metrics: Counts what became of the records; without personal data, as the log is.
    """

    def __init__(
        self, entity: Entity, settings: FoldSettings, clients: Clients, metrics: Metrics
    ) -> None:
        self._entity = entity
        self._settings = settings
        self._clients = clients
        self._metrics = metrics

    def work(self, records: Sequence[Record]) -> Mapping[Record, str]:
        """Handles a batch; returns the records that have to be delivered again, with the reason."""
        parsed = sort(records)
        quarantine(self._clients.s3, self._settings.quarantine_bucket, parsed.refused)
        failed = self._fold(parsed.events)
        # What failed comes again, and goes on then: else each try would put it onto the stream.
        failed |= self._put_on({r: e for r, e in parsed.events.items() if r not in failed})
        self._report(len(records), len(parsed.refused), failed)
        return failed

    def _fold(self, events: Mapping[Record, Event]) -> dict[Record, str]:
        transactions, reports = tables(events.values())
        folded = FoldResult()
        # Of what one version could not take, the other may take again: each event counts once.
        for groups in self._settings.groups:
            folded += fold_into_store(
                self._clients.store, groups, transactions, reports, entities=(self._entity,)
            )
        # What is logged names no customer.
        reasons = {
            key: f"not folded: {reason.replace(str(key), key.entity.name)}"
            for key, reason in folded.failed.items()
        }
        keys = {record: self._key(event) for record, event in events.items()}
        return {record: reasons[key] for record, key in keys.items() if key in reasons}

    def _put_on(self, events: Mapping[Record, Event]) -> dict[Record, str]:
        stream = self._settings.terminal_stream
        if stream is None:
            return {}
        entries = [Entry(str(event.terminal_id), record.data) for record, event in events.items()]
        refused = put_all(self._clients.kinesis, stream, entries)
        sources = list(events)
        return {sources[index]: f"not put on: {reason}" for index, reason in refused.items()}

    def _key(self, event: Event) -> Key:
        id_ = event.customer_id if self._entity == CUSTOMER else event.terminal_id
        return Key(self._entity, id_)

    def _report(self, count: int, refused: int, failed: Mapping[Record, str]) -> None:
        self._metrics.add_metric(MetricName.CONSUMED_RECORDS, MetricUnit.Count, count)
        self._metrics.add_metric(MetricName.QUARANTINED_RECORDS, MetricUnit.Count, refused)
        self._metrics.add_metric(MetricName.FAILED_RECORDS, MetricUnit.Count, len(failed))
        throttled = self._clients.traffic.take_throttled()
        self._metrics.add_metric(MetricName.STORE_THROTTLES, MetricUnit.Count, throttled)
        if refused:
            LOGGER.warning("records quarantined", extra={"count": refused})
        for reason, times in Counter(failed.values()).most_common(LOGGED_REASONS):
            extra = {"count": times, "reason": reason}
            LOGGER.error("records have to be delivered again", extra=extra)
