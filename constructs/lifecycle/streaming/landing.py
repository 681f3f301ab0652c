"""The stream's way into the lake: Firehose writes one data set's rows as Parquet, by day."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import ArnFormat, Duration, RemovalPolicy, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.access.key_use import allow_through
from lifecycle.access.service_trust import for_no_other_account
from lifecycle.access.wildcards import acknowledge_resource
from lifecycle.alarms.metric_alarm import alarm_above
from lifecycle.image.container_image import ContainerImage
from lifecycle.image.image_function import ImageFunction
from lifecycle.streaming.delivery import StreamDelivery
from lifecycle.streaming.event_stream import EventStream

__all__ = ["LandingConfig", "StreamLanding"]

ERROR_PREFIX = "quarantine/firehose"
# Firehose waits for a response of its transformation for five minutes at most.
TIMEOUT = Duration.minutes(1)
LONGEST_BUFFER_SECONDS = 900
SMALLEST_BUFFER_MIB = 64
LARGEST_BUFFER_MIB = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class LandingConfig:
    """When rows are written to the lake.

    Attributes:
        buffer_seconds: A file is written after so many seconds; longer makes fewer, larger files.
        buffer_mib: Or when it would hold so much.
        late_minutes: Rows that are so old and not written yet are an alarm.
    """

    buffer_seconds: int = 300
    buffer_mib: int = LARGEST_BUFFER_MIB
    late_minutes: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.buffer_seconds <= LONGEST_BUFFER_SECONDS:
            raise ValueError(
                f"buffer_seconds must be between 1 and {LONGEST_BUFFER_SECONDS}, got "
                f"{self.buffer_seconds}; with partitions Firehose neither hurries nor waits more"
            )
        if not SMALLEST_BUFFER_MIB <= self.buffer_mib <= LARGEST_BUFFER_MIB:
            raise ValueError(
                f"buffer_mib must be between {SMALLEST_BUFFER_MIB} and {LARGEST_BUFFER_MIB}, got "
                f"{self.buffer_mib}; Firehose takes nothing else for Parquet"
            )
        if self.late_minutes * 60 <= self.buffer_seconds:
            raise ValueError(
                f"late_minutes must be more than the buffer's {self.buffer_seconds} seconds, got "
                f"{self.late_minutes}; rows are always so old when they are written"
            )


class StreamLanding(Construct):
    """Lands the rows that a stream's events hold in one data set of the lake.

    Guarantees:
        Rows are Parquet by the Glue table's schema, in the folder of their own day, encrypted.
        Every row lands at least once; the lake's readers drop exact repetitions.
        A record that breaks a rule, or that Firehose cannot convert, is kept below
        quarantine/firehose/ with its errors. Rows that come late are an alarm.

    Args:
        stream: Whose events land.
        table_name: The data set's Glue table; its folder in the lake has the same name.
        partition: The table's partition, the day of each row.
        database_name: The Glue database.
        bucket: The lake's bucket of raw data.
        image: The project's image, which the transformation runs.
        encryption_key: Key of the rows, the stream and the logs.
        config: When rows are written.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stream: EventStream,
        table_name: str,
        partition: str,
        database_name: str,
        bucket: s3.IBucket,
        image: ContainerImage,
        encryption_key: kms.IKey,
        config: LandingConfig,
    ) -> None:
        super().__init__(scope, construct_id)
        self._table_name = table_name
        self._database_name = database_name
        self._bucket = bucket
        self._key = encryption_key
        self._config = config
        self.transformation = ImageFunction(
            self,
            "Transformation",
            handler="land_events",
            description=f"Makes rows of {table_name} of the stream's events",
            image=image,
            encryption_key=encryption_key,
            timeout=TIMEOUT,
            environment={"DATASET": table_name},
        )
        self.role = self._define_role(stream)
        self.delivery = self._define_delivery(stream, partition)
        self.alarm = self._define_alarm()

    def _define_delivery(self, stream: EventStream, partition: str) -> StreamDelivery:
        table_name = self._table_name
        log_group, log_stream = self._define_log()
        self._allow_log(log_group, log_stream)
        return StreamDelivery(
            self,
            "Delivery",
            stream=stream,
            bucket=self._bucket,
            prefix=f"{table_name}/{partition}=!{{partitionKeyFromLambda:{partition}}}/",
            error_prefix=f"{ERROR_PREFIX}/{table_name}/!{{firehose:error-output-type}}/",
            database_name=self._database_name,
            table_name=table_name,
            transformation=self.transformation.function,
            role=self.role,
            encryption_key=self._key,
            log_stream=(log_group.log_group_name, log_stream.log_stream_name),
            buffer_seconds=self._config.buffer_seconds,
            buffer_mib=self._config.buffer_mib,
        )

    def _define_log(self) -> tuple[logs.LogGroup, logs.LogStream]:
        group = logs.LogGroup(
            self,
            "Log",
            encryption_key=self._key,
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.DESTROY,
        )
        stream = logs.LogStream(
            self, "LogStream", log_group=group, removal_policy=RemovalPolicy.DESTROY
        )
        return group, stream

    def _define_role(self, stream: EventStream) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            description=f"Lets Firehose land {self._table_name} in the lake",
            assumed_by=for_no_other_account(self, "firehose.amazonaws.com"),
        )
        stream.grant_consume(role)
        self._allow_writing(role)
        self._allow_table(role)
        function = self.transformation.function
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["lambda:GetFunctionConfiguration", "lambda:InvokeFunction"],
                resources=[f"{function.function_arn}:$LATEST"],
            )
        )
        return role

    def _allow_table(self, role: iam.Role) -> None:
        stack = Stack.of(self)
        database, table = self._database_name, f"{self._database_name}/{self._table_name}"
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"],
                resources=[
                    stack.format_arn(service="glue", resource="catalog"),
                    stack.format_arn(service="glue", resource="database", resource_name=database),
                    stack.format_arn(service="glue", resource="table", resource_name=table),
                ],
            )
        )

    def _allow_log(self, group: logs.LogGroup, stream: logs.LogStream) -> None:
        log = Stack.of(self).format_arn(
            service="logs",
            resource="log-group",
            resource_name=f"{group.log_group_name}:log-stream:{stream.log_stream_name}",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        self.role.add_to_policy(iam.PolicyStatement(actions=["logs:PutLogEvents"], resources=[log]))

    def _allow_writing(self, role: iam.Role) -> None:
        prefixes = [f"{self._table_name}/", f"{ERROR_PREFIX}/{self._table_name}/"]
        objects = [self._bucket.arn_for_objects(f"{prefix}*") for prefix in prefixes]
        role.add_to_policy(
            iam.PolicyStatement(
                # Firehose's guide wants all three ("Grant Firehose access to an Amazon S3
                # destination"), and does not say when it reads.
                actions=["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"],
                resources=objects,
            )
        )
        for resource in objects:
            acknowledge_resource(role, resource, "Firehose names objects by day and time")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "s3:GetBucketLocation",
                    "s3:ListBucket",
                    "s3:ListBucketMultipartUploads",
                ],
                resources=[self._bucket.bucket_arn],
            )
        )
        allow_through(role, self._key, "s3", "kms:Decrypt", "kms:GenerateDataKey")

    def _define_alarm(self) -> cloudwatch.Alarm:
        metric = cloudwatch.Metric(
            namespace="AWS/Firehose",
            metric_name="DeliveryToS3.DataFreshness",
            dimensions_map={"DeliveryStreamName": self.delivery.stream_name},
            statistic="Maximum",
            period=Duration.minutes(5),
        )
        return alarm_above(
            self,
            "Late",
            metric,
            description=f"Rows of {self._table_name} wait for the lake for more than "
            f"{self._config.late_minutes} minutes; the delivery's log says why",
            threshold=self._config.late_minutes * 60,
        )
