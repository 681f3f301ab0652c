from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Template

from lifecycle.lake.catalog import Catalog, CatalogConfig
from lifecycle.lake.data_lake import DataLake, DataLakeConfig
from pipeline_code.common import schema
from pipeline_code.features.parts import LABELLED_ROWS

HIVE_TYPES = {
    "float": "float",
    "int64": "bigint",
    "int8": "tinyint",
    "timestamp[us, tz=UTC]": "timestamp",
}


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    Catalog(
        stack,
        "Catalog",
        lake=DataLake(stack, "Lake", config=DataLakeConfig(capture_days=33)),
        database_name="fraudloop_test",
        workgroup_name="fraudloop-test",
        capture_path="fraudloop-test-fraud/primary",
        config=CatalogConfig(scan_limit_mib=20, first_day="2020-02-01"),
    )
    return Template.from_stack(stack)


def test_the_workgroup_goes_with_its_history(template: Template) -> None:
    """After the first query AWS would refuse to delete it: "WorkGroup ... is not empty"."""
    template.all_resources_properties("AWS::Athena::WorkGroup", {"RecursiveDeleteOption": True})


def table(template: Template, name: str) -> dict[str, Any]:
    (found,) = (
        body["Properties"]["TableInput"]
        for body in template.find_resources("AWS::Glue::Table").values()
        if body["Properties"]["TableInput"]["Name"] == name
    )
    return dict(found)


def columns(template: Template, name: str) -> dict[str, str]:
    return {
        column["Name"]: column["Type"]
        for column in table(template, name)["StorageDescriptor"]["Columns"]
    }


def text(value: Any) -> str:
    """A joined value with its references left out."""
    if isinstance(value, str):
        return value
    parts = value.get("Fn::Join", ["", []])[1]
    return "".join(part if isinstance(part, str) else "<bucket>" for part in parts)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("transactions", schema.TRANSACTIONS),
        ("fraud_reports", schema.FRAUD_REPORTS),
        ("feature_rows", LABELLED_ROWS),
    ],
)
def test_a_tables_columns_are_those_of_the_files(
    template: Template, name: str, written: Any
) -> None:
    assert columns(template, name) == {field.name: HIVE_TYPES[str(field.type)] for field in written}


@pytest.mark.parametrize(
    ("name", "partition"), [("transactions", "event_date"), ("fraud_reports", "report_date")]
)
def test_a_new_day_is_found_without_a_crawler(
    template: Template, name: str, partition: str
) -> None:
    found = table(template, name)
    assert found["PartitionKeys"] == [{"Name": partition, "Type": "string"}]
    parameters = found["Parameters"]
    assert parameters["projection.enabled"] == "true"
    assert parameters[f"projection.{partition}.type"] == "date"
    assert parameters[f"projection.{partition}.format"] == "yyyy-MM-dd"
    assert parameters[f"projection.{partition}.range"] == "2020-02-01,NOW+1DAYS"
    assert text(parameters["storage.location.template"]) == (
        f"s3://<bucket>/{name}/{partition}=${{{partition}}}/"
    )


def test_captures_are_found_by_the_hour_while_they_are_kept(template: Template) -> None:
    found = table(template, "captures")
    parameters = found["Parameters"]
    assert parameters["projection.captured_hour.format"] == "yyyy/MM/dd/HH"
    assert parameters["projection.captured_hour.interval.unit"] == "HOURS"
    assert parameters["projection.captured_hour.range"] == "NOW-33DAYS,NOW+1HOURS"
    assert text(parameters["storage.location.template"]) == (
        "s3://<bucket>/fraudloop-test-fraud/primary/${captured_hour}/"
    )
    serde = found["StorageDescriptor"]["SerdeInfo"]["SerializationLibrary"]
    assert serde == "org.openx.data.jsonserde.JsonSerDe"


def test_feature_rows_are_found_by_execution_and_period(template: Template) -> None:
    found = table(template, "feature_rows")
    assert [key["Name"] for key in found["PartitionKeys"]] == ["execution", "period"]
    parameters = found["Parameters"]
    assert parameters["projection.execution.type"] == "injected"
    assert parameters["projection.period.type"] == "enum"
    assert parameters["projection.period.values"] == "train,test"
    assert text(parameters["storage.location.template"]) == (
        "s3://<bucket>/executions/${execution}/features/${period}/"
    )


def test_captures_keep_what_was_asked_and_answered(template: Template) -> None:
    found = columns(template, "captures")
    assert "endpointinput:struct<" in found["capturedata"]
    assert "endpointoutput:struct<" in found["capturedata"]
    assert "inferenceid:string" in found["eventmetadata"]


def test_results_are_encrypted_whatever_the_client_says(template: Template) -> None:
    (workgroup,) = template.find_resources("AWS::Athena::WorkGroup").values()
    configuration = workgroup["Properties"]["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    result = configuration["ResultConfiguration"]
    assert result["EncryptionConfiguration"]["EncryptionOption"] == "SSE_KMS"
    assert text(result["OutputLocation"]) == "s3://<bucket>/athena/"


def test_a_query_that_reads_too_much_is_cancelled(template: Template) -> None:
    template.has_resource_properties(
        "AWS::Athena::WorkGroup",
        {"WorkGroupConfiguration": {"BytesScannedCutoffPerQuery": 20 * 1024 * 1024}},
    )


def test_a_scan_limit_below_athenas_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^scan_limit_mib must be at least 10, got 9; "):
        CatalogConfig(scan_limit_mib=9)


def test_a_first_day_that_is_none_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"^first_day must be a date like 2018-01-01, got 1/1/18; "
    ):
        CatalogConfig(first_day="1/1/18")
