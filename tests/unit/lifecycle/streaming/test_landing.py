from collections.abc import Callable
from typing import Any

import pytest
from aws_cdk.assertions import Template

from lifecycle.lake.catalog_tables import FRAUD_REPORT_COLUMNS, TRANSACTION_COLUMNS
from lifecycle.streaming.event_stream import EventStream, StreamConfig
from lifecycle.streaming.landing import LandingConfig, StreamLanding
from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS


def define(around: Any, **config: Any) -> StreamLanding:
    stream = EventStream(
        around.stack,
        "Events",
        stream_name="test-events",
        encryption_key=around.key,
        config=StreamConfig(),
    )
    return StreamLanding(
        around.stack,
        "Landing",
        stream=stream,
        table_name="transactions",
        partition="event_date",
        database_name="test_lake",
        bucket=around.raw,
        image=around.image,
        encryption_key=around.key,
        config=LandingConfig(**config),
    )


@pytest.fixture(scope="module")
def around(new_surroundings: Callable[[], Any]) -> Any:
    around = new_surroundings()
    define(around)
    return around


@pytest.fixture(scope="module")
def landing(around: Any) -> Any:
    return around.stack.node.find_child("Landing")


@pytest.fixture(scope="module")
def template(around: Any) -> Template:
    return around.template()


def destination(template: Template) -> dict[str, Any]:
    (stream,) = template.find_resources("AWS::KinesisFirehose::DeliveryStream").values()
    found: dict[str, Any] = stream["Properties"]["ExtendedS3DestinationConfiguration"]
    return found


def test_rows_land_in_the_folder_of_their_day(template: Template) -> None:
    found = destination(template)
    assert found["Prefix"] == "transactions/event_date=!{partitionKeyFromLambda:event_date}/"
    assert found["DynamicPartitioningConfiguration"] == {"Enabled": True}
    assert found["FileExtension"] == ".parquet"


def test_what_is_refused_is_kept_elsewhere(template: Template) -> None:
    assert destination(template)["ErrorOutputPrefix"] == (
        "quarantine/firehose/transactions/!{firehose:error-output-type}/"
    )


def test_rows_are_parquet_by_the_tables_schema(template: Template) -> None:
    conversion = destination(template)["DataFormatConversionConfiguration"]
    schema = conversion["SchemaConfiguration"]
    assert (schema["DatabaseName"], schema["TableName"]) == ("test_lake", "transactions")
    assert schema["VersionId"] == "LATEST"
    assert conversion["InputFormatConfiguration"]["Deserializer"] == {"OpenXJsonSerDe": {}}
    assert "ParquetSerDe" in conversion["OutputFormatConfiguration"]["Serializer"]


@pytest.mark.parametrize(
    ("columns", "schema"),
    [(TRANSACTION_COLUMNS, TRANSACTIONS), (FRAUD_REPORT_COLUMNS, FRAUD_REPORTS)],
)
def test_the_table_has_the_columns_of_the_rows(columns: dict[str, str], schema: Any) -> None:
    glue = {"bigint": "int64", "tinyint": "int8", "timestamp": "timestamp[us, tz=UTC]"}
    assert {name: glue[kind] for name, kind in columns.items()} == {
        field.name: str(field.type) for field in schema
    }


def test_rows_are_encrypted_under_the_key(around: Any, template: Template) -> None:
    encryption = destination(template)["EncryptionConfiguration"]["KMSEncryptionConfig"]
    assert encryption == {"AWSKMSKeyARN": around.key_arn}


def test_rows_pass_through_the_transformation(
    around: Any, landing: Any, template: Template
) -> None:
    (processor,) = destination(template)["ProcessingConfiguration"]["Processors"]
    parameters = {each["ParameterName"]: each["ParameterValue"] for each in processor["Parameters"]}
    function = around.stack.resolve(landing.transformation.function.function_arn)
    assert parameters["LambdaArn"]["Fn::Join"][1] == [function, ":$LATEST"]
    assert parameters["NumberOfRetries"] == "3"
    template.has_resource_properties(
        "AWS::Lambda::Function",
        {"PackageType": "Image", "Environment": {"Variables": {"DATASET": "transactions"}}},
    )


def test_buffers_are_as_configured(new_surroundings: Callable[[], Any]) -> None:
    around = new_surroundings()
    define(around, buffer_seconds=60, buffer_mib=64)
    assert destination(around.template())["BufferingHints"] == {
        "IntervalInSeconds": 60,
        "SizeInMBs": 64,
    }


def test_firehose_may_write_these_rows_and_their_errors_only(around: Any, landing: Any) -> None:
    assert around.allowed(landing.role, "s3:PutObject") == around.objects(
        around.raw, "quarantine/firehose/transactions/", "transactions/"
    )
    assert around.allowed(landing.role, "s3:DeleteObject") == []


def test_firehose_may_use_this_stream_table_function_and_log_only(
    around: Any, landing: Any
) -> None:
    stream = around.stack.node.find_child("Events").stream
    assert around.allowed(landing.role, "kinesis:GetRecords") == [
        around.stack.resolve(stream.stream_arn)
    ]
    tables = [str(arn) for arn in around.allowed(landing.role, "glue:GetTable")]
    assert len(tables) == 3
    assert any("table/test_lake/transactions" in arn for arn in tables)
    (function,) = around.allowed(landing.role, "lambda:InvokeFunction")
    assert function["Fn::Join"][1][1] == ":$LATEST"
    assert len(around.allowed(landing.role, "logs:PutLogEvents")) == 1


def test_firehose_is_allowed_before_it_begins(template: Template) -> None:
    (stream,) = template.find_resources("AWS::KinesisFirehose::DeliveryStream").values()
    policies = {
        name
        for name, body in template.find_resources("AWS::IAM::Policy").items()
        if "firehose" not in name and name in stream["DependsOn"]
    }
    assert len(policies) == 1


def test_rows_that_wait_too_long_are_an_alarm(new_surroundings: Callable[[], Any]) -> None:
    around = new_surroundings()
    define(around, late_minutes=7)
    template = around.template()
    (stream,) = template.find_resources("AWS::KinesisFirehose::DeliveryStream")
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "Namespace": "AWS/Firehose",
            "MetricName": "DeliveryToS3.DataFreshness",
            "Dimensions": [{"Name": "DeliveryStreamName", "Value": {"Ref": stream}}],
            "Threshold": 420,
        },
    )


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"buffer_seconds": 0}, r"^buffer_seconds must be between 1 and 900, got 0; "),
        ({"buffer_seconds": 901}, r"^buffer_seconds must be between 1 and 900, got 901; "),
        ({"buffer_mib": 63}, r"^buffer_mib must be between 64 and 128, got 63; "),
        ({"buffer_mib": 129}, r"^buffer_mib must be between 64 and 128, got 129; "),
        ({"late_minutes": 5}, r"^late_minutes must be more than the buffer's 300 seconds, got 5; "),
    ],
)
def test_what_firehose_cannot_do_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LandingConfig(**config)
