"""The two consumers that keep the online store's states up to date."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.features.feature_store import FeatureStore
from lifecycle.image.container_image import ContainerImage
from lifecycle.jobs.job_role import grant_write_objects
from lifecycle.streaming.consumer import ConsumerConfig, StreamConsumer
from lifecycle.streaming.event_stream import EventStream
from pipeline_code.contracts.metrics import FEATURE_JOB, MetricName
from pipeline_code.features.definitions import CUSTOMER, TERMINAL, Entity

__all__ = ["OnlineFold"]

QUARANTINE_PREFIX = "quarantine/stream/"
PERIOD = Duration.minutes(5)


class OnlineFold(Construct):
    """Folds events into customers' states, passes them on by terminal, and folds those.

    Guarantees:
        Each state has one writer at a time: its stream is partitioned by its entity.
        Each consumer may write its own entity's states only.
        A record that breaks a rule is kept below quarantine/stream/ and is an alarm.

    Args:
        events: The stream by customer.
        terminal_events: The stream by terminal.
        store: The states.
        quarantine_bucket: Where records that break a rule are kept.
        image: The project's image.
        metric_namespace: Where the consumers count what they do.
        encryption_key: Key of queues, logs and what is kept.
        config: How the streams are read.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        events: EventStream,
        terminal_events: EventStream,
        store: FeatureStore,
        quarantine_bucket: s3.IBucket,
        image: ContainerImage,
        metric_namespace: str,
        encryption_key: kms.IKey,
        config: ConsumerConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._store = store
        self._bucket = quarantine_bucket
        self._image = image
        self._namespace = metric_namespace
        self._key = encryption_key
        self._config = config
        self.customers = self._define_consumer(
            "Customers",
            stream=events,
            entity=CUSTOMER,
            description="Folds events into customers' states and passes them on by terminal",
            environment={"TERMINAL_STREAM": terminal_events.stream_name},
        )
        terminal_events.grant_put(self.customers.role)
        self.terminals = self._define_consumer(
            "Terminals",
            stream=terminal_events,
            entity=TERMINAL,
            description="Folds events into terminals' states",
            environment={},
        )
        self.alarms: tuple[cloudwatch.Alarm, ...] = (
            *self.customers.alarms,
            *self.terminals.alarms,
            self._define_quarantine_alarm(),
            self._define_throttle_alarm(),
        )

    def _define_consumer(
        self,
        construct_id: str,
        *,
        stream: EventStream,
        entity: Entity,
        description: str,
        environment: Mapping[str, str],
    ) -> StreamConsumer:
        handler = f"fold_{entity.name}s"
        consumer = StreamConsumer(
            self,
            construct_id,
            stream=stream,
            handler=handler,
            description=description,
            image=self._image,
            encryption_key=self._key,
            environment={
                "FEATURE_GROUP_PATTERN": self._store.group_pattern,
                "QUARANTINE_BUCKET": self._bucket.bucket_name,
                "STORE_READS_A_SECOND": str(self._store.reads.fold),
                "POWERTOOLS_METRICS_NAMESPACE": self._namespace,
                "POWERTOOLS_SERVICE_NAME": handler,
                **environment,
            },
            config=self._config,
        )
        self._store.grant_read(consumer.role, entity)
        self._store.grant_write(consumer.role, entity)
        grant_write_objects(consumer.role, self._bucket, self._key, QUARANTINE_PREFIX)
        return consumer

    def _define_quarantine_alarm(self) -> cloudwatch.Alarm:
        # Of the first consumer: what it refuses, the second never sees.
        return alarm_above(
            self,
            "Quarantined",
            self._count(MetricName.QUARANTINED_RECORDS, "fold_customers"),
            description="Records of the stream break a rule; those below quarantine/stream/ "
            "in the raw bucket say which",
        )

    def _define_throttle_alarm(self) -> cloudwatch.Alarm:
        """One for all that writes states: they share what the account may ask for."""
        throttled = {
            service.replace("_", ""): self._count(MetricName.STORE_THROTTLES, service)
            for service in ("fold_customers", "fold_terminals", FEATURE_JOB)
        }
        return alarm_above(
            self,
            "Throttled",
            cloudwatch.MathExpression(
                expression=" + ".join(f"FILL({name}, 0)" for name in throttled),
                using_metrics=throttled,
                period=PERIOD,
            ),
            description="Feature Store throttles the folds, or a training run that brings states "
            "up to date: states lag behind. See docs/capacity.md: ask AWS for more calls, or lower "
            "the environment's feature_store.reads",
        )

    def _count(self, name: str, service: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=self._namespace,
            metric_name=name,
            dimensions_map={"service": service},
            statistic="Sum",
            period=PERIOD,
        )
