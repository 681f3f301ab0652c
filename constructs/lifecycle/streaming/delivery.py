"""One Firehose delivery stream: from a stream, through a function, into a table's folders."""

from __future__ import annotations

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kinesisfirehose as firehose
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from lifecycle.streaming.event_stream import EventStream

__all__ = ["StreamDelivery"]

# What Firehose gives the transformation, and takes of it, at a time.
TRANSFORMED_MIB = 1
TRANSFORMATION_RETRIES = 3

Delivery = firehose.CfnDeliveryStream


class StreamDelivery(Construct):
    """Writes what a function makes of a stream's records as Parquet, by a Glue table's schema.

    Guarantees:
        Files are encrypted under the given key, and named as the lake's readers want them.
        Rows lie in the folders that the function names by partition keys.

    Args:
        stream: The source.
        bucket: Where files are written.
        prefix: Folder of the files, with the function's partition keys.
        error_prefix: Folder of what the function failed, or what cannot be converted.
        database_name: The Glue database.
        table_name: The Glue table whose schema the rows have.
        transformation: The function.
        role: What Firehose acts as; it must be allowed all of this.
        encryption_key: Key of the files.
        log_stream: Names of the log group and log stream for what goes wrong.
        buffer_seconds: A file is written after so many seconds.
        buffer_mib: Or when it would hold so much.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stream: EventStream,
        bucket: s3.IBucket,
        prefix: str,
        error_prefix: str,
        database_name: str,
        table_name: str,
        transformation: lambda_.IFunction,
        role: iam.IRole,
        encryption_key: kms.IKey,
        log_stream: tuple[str, str],
        buffer_seconds: int,
        buffer_mib: int,
    ) -> None:
        super().__init__(scope, construct_id)
        self._role_arn = role.role_arn
        delivery = Delivery(
            self,
            "Stream",
            delivery_stream_type="KinesisStreamAsSource",
            kinesis_stream_source_configuration=Delivery.KinesisStreamSourceConfigurationProperty(
                kinesis_stream_arn=stream.stream.stream_arn, role_arn=role.role_arn
            ),
            extended_s3_destination_configuration=Delivery.ExtendedS3DestinationConfigurationProperty(
                bucket_arn=bucket.bucket_arn,
                role_arn=role.role_arn,
                prefix=prefix,
                error_output_prefix=error_prefix,
                # The lake's readers take files of this name and no others.
                file_extension=".parquet",
                # Parquet compresses its own pages.
                compression_format="UNCOMPRESSED",
                encryption_configuration=_encryption(encryption_key),
                buffering_hints=Delivery.BufferingHintsProperty(
                    interval_in_seconds=buffer_seconds, size_in_m_bs=buffer_mib
                ),
                dynamic_partitioning_configuration=_by_partition_keys(),
                processing_configuration=self._processing(transformation, buffer_seconds),
                data_format_conversion_configuration=self._conversion(database_name, table_name),
                cloud_watch_logging_options=_log(*log_stream),
            ),
        )
        # Firehose refuses a source, a table and a bucket that the role may not yet use.
        delivery.node.add_dependency(role)
        _acknowledge_source_encryption(delivery)
        self.stream_name = delivery.ref

    def _processing(
        self, transformation: lambda_.IFunction, buffer_seconds: int
    ) -> Delivery.ProcessingConfigurationProperty:
        parameters = {
            "LambdaArn": f"{transformation.function_arn}:$LATEST",
            "RoleArn": self._role_arn,
            "NumberOfRetries": str(TRANSFORMATION_RETRIES),
            "BufferSizeInMBs": str(TRANSFORMED_MIB),
            "BufferIntervalInSeconds": str(buffer_seconds),
        }
        return Delivery.ProcessingConfigurationProperty(
            enabled=True,
            processors=[
                Delivery.ProcessorProperty(
                    type="Lambda",
                    parameters=[
                        Delivery.ProcessorParameterProperty(
                            parameter_name=name, parameter_value=value
                        )
                        for name, value in parameters.items()
                    ],
                )
            ],
        )

    def _conversion(
        self, database_name: str, table_name: str
    ) -> Delivery.DataFormatConversionConfigurationProperty:
        return Delivery.DataFormatConversionConfigurationProperty(
            enabled=True,
            input_format_configuration=Delivery.InputFormatConfigurationProperty(
                deserializer=Delivery.DeserializerProperty(
                    open_x_json_ser_de=Delivery.OpenXJsonSerDeProperty()
                )
            ),
            output_format_configuration=Delivery.OutputFormatConfigurationProperty(
                serializer=Delivery.SerializerProperty(
                    parquet_ser_de=Delivery.ParquetSerDeProperty(compression="SNAPPY")
                )
            ),
            schema_configuration=Delivery.SchemaConfigurationProperty(
                catalog_id=Stack.of(self).account,
                database_name=database_name,
                table_name=table_name,
                region=Stack.of(self).region,
                role_arn=self._role_arn,
                version_id="LATEST",
            ),
        )


def _encryption(key: kms.IKey) -> Delivery.EncryptionConfigurationProperty:
    return Delivery.EncryptionConfigurationProperty(
        kms_encryption_config=Delivery.KMSEncryptionConfigProperty(awskms_key_arn=key.key_arn)
    )


def _by_partition_keys() -> Delivery.DynamicPartitioningConfigurationProperty:
    return Delivery.DynamicPartitioningConfigurationProperty(enabled=True)


def _log(group: str, stream: str) -> Delivery.CloudWatchLoggingOptionsProperty:
    return Delivery.CloudWatchLoggingOptionsProperty(
        enabled=True, log_group_name=group, log_stream_name=stream
    )


def _acknowledge_source_encryption(delivery: Delivery) -> None:
    Validations.of(delivery).acknowledge(
        Acknowledgment(
            id="AwsSolutions::AwsSolutions-KDF1",
            reason="A delivery stream whose source is a Kinesis stream keeps nothing itself: "
            "its records are encrypted in the source, under the customer's key",
        )
    )
