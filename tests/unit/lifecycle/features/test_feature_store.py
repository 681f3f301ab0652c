from collections.abc import Callable
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk.assertions import Match, Template

from lifecycle.features.feature_store import FeatureStore, FeatureStoreConfig
from pipeline_code.features.definitions import (
    CUSTOMER,
    ENTITIES,
    SCHEMA_VERSION,
    Entity,
    feature_group_columns,
)

NAMES = [f"fraudloop-test-{entity.name}-{SCHEMA_VERSION}" for entity in ENTITIES]


def define(stack: cdk.Stack, *, config: FeatureStoreConfig, may_delete_data: bool) -> FeatureStore:
    return FeatureStore(
        stack,
        "Store",
        bucket=s3.Bucket(stack, "Bucket"),
        encryption_key=kms.Key(stack, "Key"),
        group_name=lambda entity, version: f"fraudloop-test-{entity}-{version}",
        role_name="fraudloop-test-feature-store",
        config=config,
        may_delete_data=may_delete_data,
    )


@pytest.fixture(scope="module")
def template(new_stack: Callable[[], cdk.Stack]) -> Template:
    stack = new_stack()
    cdk.Tags.of(stack).add("release", "42")
    store = define(stack, config=FeatureStoreConfig(), may_delete_data=True)
    grants = {
        "Reader": store.grant_read,
        "Server": store.grant_serve,
        "Writer": store.grant_write,
    }
    for name, grant in grants.items():
        grant(iam.Role(stack, name, assumed_by=iam.ServicePrincipal("lambda.amazonaws.com")))
    return Template.from_stack(stack)


def groups(template: Template) -> dict[str, dict[str, Any]]:
    found = template.find_resources("AWS::SageMaker::FeatureGroup").values()
    return {body["Properties"]["FeatureGroupName"]: dict(body) for body in found}


def group_ids(template: Template) -> list[str]:
    return list(template.find_resources("AWS::SageMaker::FeatureGroup"))


def test_the_groups_description_is_what_it_was(template: Template) -> None:
    """It is create-only, and a replacement would need the name: the group could not be updated."""
    assert {body["Properties"]["Description"] for body in groups(template).values()} == {
        "State and latest features of each customer",
        "State and latest features of each terminal",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_group_has_its_role_by_name_for_it_may_outlive_it(template: Template, name: str) -> None:
    (role,) = (
        body["Properties"]
        for logical_id, body in template.find_resources("AWS::IAM::Role").items()
        if logical_id.startswith("StoreRole")
    )
    (_, parts) = groups(template)[name]["Properties"]["RoleArn"]["Fn::Join"]
    assert parts[-2:] == [f":role/{role['RoleName']['Fn::Join'][1][0]}", {"Ref": "AWS::Region"}]
    assert role["RoleName"]["Fn::Join"][1][-1] == {"Ref": "AWS::Region"}


def statements(template: Template, prefix: str) -> list[dict[str, Any]]:
    return [
        statement
        for logical_id, policy in template.find_resources("AWS::IAM::Policy").items()
        if logical_id.startswith(prefix)
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def test_there_is_a_group_per_entity_named_by_the_schemas_version(template: Template) -> None:
    assert sorted(groups(template)) == sorted(NAMES)


@pytest.mark.parametrize("entity", ENTITIES, ids=lambda entity: entity.name)
def test_a_groups_columns_are_the_declared_features(template: Template, entity: Entity) -> None:
    properties = groups(template)[f"fraudloop-test-{entity.name}-{SCHEMA_VERSION}"]["Properties"]
    columns = {c["FeatureName"]: c["FeatureType"] for c in properties["FeatureDefinitions"]}
    assert columns == dict(feature_group_columns(entity))
    assert properties["RecordIdentifierFeatureName"] == entity.record_identifier
    assert properties["EventTimeFeatureName"] == "event_time"


@pytest.mark.parametrize("name", NAMES)
def test_both_stores_are_encrypted_under_the_key(template: Template, name: str) -> None:
    (key_id,) = template.find_resources("AWS::KMS::Key")
    key_arn = {"Fn::GetAtt": [key_id, "Arn"]}
    properties = groups(template)[name]["Properties"]
    assert properties["OnlineStoreConfig"] == {
        "EnableOnlineStore": True,
        "SecurityConfig": {"KmsKeyId": key_arn},
    }
    assert properties["OfflineStoreConfig"]["S3StorageConfig"]["KmsKeyId"] == key_arn


@pytest.mark.parametrize("name", NAMES)
def test_no_tag_that_may_change_reaches_a_group(template: Template, name: str) -> None:
    (tag,) = groups(template)[name]["Properties"]["Tags"]
    logical_ids = [f"Test/{logical_id}" for logical_id in group_ids(template)]
    assert tag["Key"] == "fraudloop:resource"
    assert tag["Value"] in logical_ids
    # The same tag reached a neighbour: the group was spared, the test is not blind.
    template.has_resource_properties(
        "AWS::KMS::Key", {"Tags": Match.array_with([{"Key": "release", "Value": "42"}])}
    )


def test_a_group_is_made_after_its_roles_policy(template: Template) -> None:
    for body in groups(template).values():
        assert any(name.startswith("StoreRoleDefaultPolicy") for name in body["DependsOn"])


def test_the_stores_role_writes_below_its_prefix_only(template: Template) -> None:
    written = [
        statement["Resource"]["Fn::Join"][1][-1]
        for statement in statements(template, "StoreRole")
        if "s3:PutObject" in statement["Action"]
    ]
    assert written == ["/offline-store/*"]


def test_a_reader_may_read_and_not_write(template: Template) -> None:
    actions = {a for s in statements(template, "Reader") for a in _as_list(s["Action"])}
    assert actions == {"sagemaker:BatchGetRecord", "kms:Decrypt"}


def test_a_server_may_read_one_by_one_too(template: Template) -> None:
    actions = {a for s in statements(template, "Server") for a in _as_list(s["Action"])}
    assert actions == {"sagemaker:BatchGetRecord", "sagemaker:GetRecord", "kms:Decrypt"}


def test_a_writer_may_put_records(template: Template) -> None:
    (statement,) = (
        s
        for s in statements(template, "Writer")
        if "sagemaker:BatchWriteRecord" in _as_list(s["Action"])
    )
    assert len(statement["Resource"]) == len(ENTITIES)


def test_groups_survive_their_stack(template: Template) -> None:
    template.all_resources(
        "AWS::SageMaker::FeatureGroup",
        {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"},
    )


def test_groups_go_with_the_stack_if_both_keys_are_turned(stack: cdk.Stack) -> None:
    define(stack, config=FeatureStoreConfig(delete_with_stack=True), may_delete_data=True)
    Template.from_stack(stack).all_resources(
        "AWS::SageMaker::FeatureGroup", {"DeletionPolicy": "Delete"}
    )


def test_the_groups_are_known_by_name(stack: cdk.Stack) -> None:
    store = define(stack, config=FeatureStoreConfig(), may_delete_data=False)
    assert store.customer_group_name == f"fraudloop-test-{CUSTOMER.name}-{SCHEMA_VERSION}"


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
