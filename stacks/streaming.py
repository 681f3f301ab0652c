"""Stage 2, online: a stream of events keeps the states up to date, and lands in the lake."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct

from lifecycle.alarms import AlarmTopic
from lifecycle.features import FeatureStore
from lifecycle.image import ContainerImage
from lifecycle.lake import Catalog, DataLake
from lifecycle.streaming import EventStream, OnlineFold, StreamLanding
from pipeline_code.contracts.outputs import Output, function_output, queue_output
from pipeline_code.contracts.resources import Stage
from stacks.environments import Environment

__all__ = ["StreamingStack"]


class StreamingStack(cdk.Stack):
    """The streams by customer and by terminal, their consumers, and the landing of both kinds.

    Guarantees:
        It imports nothing of the serving and monitoring stacks: events are taken, kept and landed
        although those could not be deployed. Its alarms therefore have a topic of their own.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        lake: DataLake,
        catalog: Catalog,
        store: FeatureStore,
        image: ContainerImage,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            stack_name=environment.resource_name(Stage.STREAMING),
            description="fraudloop: the stream of events, its consumers and its landing",
            termination_protection=not environment.may_delete_data,
        )
        self._environment = environment
        self.events = self._define_stream("Events", environment.event_stream_name, lake)
        self.terminal_events = self._define_stream(
            "TerminalEvents", environment.terminal_event_stream_name, lake
        )
        fold = OnlineFold(
            self,
            "Fold",
            events=self.events,
            terminal_events=self.terminal_events,
            store=store,
            quarantine_bucket=lake.raw_bucket,
            image=image,
            metric_namespace=environment.metric_namespace,
            encryption_key=lake.encryption_key,
            config=environment.consumers,
        )
        landings = [
            StreamLanding(
                self,
                construct_id,
                stream=self.events,
                table_name=table,
                partition=partition,
                database_name=catalog.database_name,
                bucket=lake.raw_bucket,
                image=image,
                encryption_key=lake.encryption_key,
                config=environment.landing,
            )
            for construct_id, table, partition in (
                ("Transactions", "transactions", "event_date"),
                ("FraudReports", "fraud_reports", "report_date"),
            )
        ]
        self.alarm_topic = AlarmTopic(
            self,
            "AlarmTopic",
            encryption_key=lake.encryption_key,
            email=environment.monitoring.alarm_email,
        )
        self.alarm_topic.notify_of(*fold.alarms, *(landing.alarm for landing in landings))
        self._define_outputs(fold)

    def _define_stream(self, construct_id: str, name: str, lake: DataLake) -> EventStream:
        return EventStream(
            self,
            construct_id,
            stream_name=name,
            encryption_key=lake.encryption_key,
            config=self._environment.stream,
            may_delete_data=self._environment.may_delete_data,
        )

    def _define_outputs(self, fold: OnlineFold) -> None:
        cdk.CfnOutput(self, Output.EVENT_STREAM, value=self.events.stream_name)
        cdk.CfnOutput(self, Output.TERMINAL_EVENT_STREAM, value=self.terminal_events.stream_name)
        cdk.CfnOutput(self, Output.STREAMING_ALARM_TOPIC, value=self.alarm_topic.topic_arn)
        for name, consumer in (("Customer", fold.customers), ("Terminal", fold.terminals)):
            cdk.CfnOutput(self, function_output(name), value=consumer.function.function_name)
            cdk.CfnOutput(self, queue_output(name, "Failures"), value=consumer.failures.queue_url)
