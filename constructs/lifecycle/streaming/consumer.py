"""A function that consumes a stream batch by batch, and loses none of its records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.functions.dead_letters import DeadLetters
from lifecycle.image.container_image import ContainerImage
from lifecycle.image.image_function import ImageFunction
from lifecycle.streaming.event_stream import EventStream

__all__ = ["ConsumerConfig", "StreamConsumer"]

# Long enough for the slowest thing that happens once: compiling the kernel.
TIMEOUT = Duration.minutes(2)
LARGEST_BATCH = 10_000
MOST_CONCURRENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerConfig:
    """How consumers read their streams, and when operators are alarmed that they do not.

    Attributes:
        batch_size: A batch holds at most so many records.
        retries: A batch that failed is delivered again so often.
        max_record_age_hours: A record that is older is not delivered again.
        concurrent_batches: Batches of a shard that are handled at a time; an entity's events stay
            in order all the same.
        late_seconds: A consumer that is so far behind its stream is an alarm.
    """

    batch_size: int = 500
    retries: int = 10
    max_record_age_hours: int = 24
    concurrent_batches: int = 1
    late_seconds: int = 300

    def __post_init__(self) -> None:
        for name, largest in (
            ("batch_size", LARGEST_BATCH),
            ("retries", 10_000),
            ("max_record_age_hours", 7 * 24),
            ("concurrent_batches", MOST_CONCURRENT),
        ):
            value = getattr(self, name)
            if not 1 <= value <= largest:
                raise ValueError(
                    f"{name} must be between 1 and {largest}, got {value}; Lambda has these limits"
                )
        if self.late_seconds < 1:
            raise ValueError(
                f"late_seconds must be at least 1, got {self.late_seconds}; give what callers "
                "can wait for"
            )


class StreamConsumer(Construct):
    """Runs a handler of the project's image for every batch of a stream.

    Guarantees:
        Every record is delivered at least once, those of an entity in order, from the oldest that
        the stream has.
        A batch that fails is halved, and its failed records are delivered again, for so long as
        the configuration says; then an encrypted queue keeps where they are in the stream for two
        weeks, and the others go on.
        Failed records, and a consumer that falls behind, are alarms.

    Args:
        stream: What is consumed.
        handler: Folder under `pipeline_code/lambdas` that the image holds.
        description: What the function is for.
        image: The project's image.
        encryption_key: Key of the queue and of the log.
        environment: The handler's settings.
        config: How the stream is read.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stream: EventStream,
        handler: str,
        description: str,
        image: ContainerImage,
        encryption_key: kms.IKey,
        environment: Mapping[str, str],
        config: ConsumerConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._config = config
        self.failures = DeadLetters(self, "Failures", encryption_key=encryption_key)
        runner = ImageFunction(
            self,
            "Handler",
            handler=handler,
            description=description,
            image=image,
            encryption_key=encryption_key,
            timeout=TIMEOUT,
            environment=environment,
        )
        self.role = runner.role
        self.function = runner.function
        stream.grant_consume(runner.role)
        # Firehose does not ask for it, Lambda does ("Process Kinesis records with Lambda").
        stream.stream.grant(runner.role, "kinesis:DescribeStreamSummary")
        self._define_source(stream)
        self.alarms = (self._define_failure_alarm(handler), self._define_lateness_alarm(handler))

    def _define_source(self, stream: EventStream) -> None:
        self.failures.allow_writing(self.role)
        source = lambda_.CfnEventSourceMapping(
            self,
            "Source",
            function_name=self.function.function_name,
            event_source_arn=stream.stream.stream_arn,
            # From the oldest: a consumer that is defined anew must not skip what waits for it.
            starting_position="TRIM_HORIZON",
            batch_size=self._config.batch_size,
            bisect_batch_on_function_error=True,
            function_response_types=["ReportBatchItemFailures"],
            maximum_record_age_in_seconds=Duration.hours(
                self._config.max_record_age_hours
            ).to_seconds(),
            maximum_retry_attempts=self._config.retries,
            parallelization_factor=self._config.concurrent_batches,
            destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(
                on_failure=lambda_.CfnEventSourceMapping.OnFailureProperty(
                    destination=self.failures.queue_arn
                )
            ),
        )
        # Lambda refuses a source and a destination that the role may not yet use.
        source.node.add_dependency(self.role)

    def _define_failure_alarm(self, handler: str) -> cloudwatch.Alarm:
        return alarm_above(
            self,
            "Failed",
            self.failures.waiting(),
            description=f"Records that {handler} could not handle wait in its queue of failures; "
            "their messages say where they are in the stream",
        )

    def _define_lateness_alarm(self, handler: str) -> cloudwatch.Alarm:
        metric = self.function.metric(
            "IteratorAge", statistic="Maximum", period=Duration.minutes(1)
        )
        return alarm_above(
            self,
            "Late",
            metric,
            threshold=self._config.late_seconds * 1000,
            description=f"{handler} is more than {self._config.late_seconds} seconds behind its "
            "stream: the endpoint scores with states that lack the newest events",
        )
