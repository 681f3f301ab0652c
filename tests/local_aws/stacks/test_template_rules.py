"""Rules of services that their templates keep too."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.known import Client

TOPIC = {"Type": "AWS::SNS::Topic"}


TEMPLATES: list[tuple[dict[str, Any], str]] = [
    ({}, "At least one Resources member must be defined"),
    ({"Resources": {"A": TOPIC}, "Unknown": {}}, "Invalid template property or properties"),
    ({"Resources": {"A": {}}}, "Every Resources object must contain a Type member"),
    ({"Resources": {"A-b": TOPIC}}, "A-b is non alphanumeric"),
    ({"Resources": {"A": TOPIC | {"Unknown": 1}}}, "Invalid template resource property"),
    ({"Resources": {"A": TOPIC | {"DependsOn": "B"}}}, "Unresolved resource dependencies"),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Ref": "B"}}}}},
        "Unresolved resource dependencies",
    ),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Fn::Sub": "${B}"}}}}},
        "Unresolved resource dependencies",
    ),
    ({"Resources": {"A": TOPIC}, "Outputs": {"O": {"Value": {"Ref": "B"}}}}, "Outputs block"),
    (
        {"Resources": {"A": TOPIC | {"DependsOn": "B"}, "B": TOPIC | {"DependsOn": "A"}}},
        "Circular dependency between resources",
    ),
    ({"Resources": {"A": TOPIC | {"DeletionPolicy": "Keep"}}}, "DeletionPolicy Keep"),
    (
        {"Resources": {"A": TOPIC | {"UpdateReplacePolicy": "RetainExceptOnCreate"}}},
        "UpdateReplacePolicy RetainExceptOnCreate",
    ),
    (
        {"Resources": {"A": TOPIC | {"DeletionPolicy": "Snapshot"}}},
        "does not support deletion policy Snapshot",
    ),
    ({"Resources": {"A": TOPIC | {"Condition": "C"}}}, "Unresolved condition dependency C"),
    (
        {"Resources": {"A": TOPIC | {"Properties": {"TopicName": {"Fn::Guess": "x"}}}}},
        "the function Fn::Guess is not supported",
    ),
    (
        {"Resources": {"A": TOPIC}, "Parameters": {"P": {"Type": "Text", "Default": "a"}}},
        "Unrecognized parameter type",
    ),
]


@pytest.mark.parametrize(("template", "words"), TEMPLATES)
def test_a_template_is_refused(known: Client, template: dict[str, Any], words: str) -> None:
    with pytest.raises(ClientError) as refused:
        known("cloudformation").create_stack(StackName="refused", TemplateBody=json.dumps(template))
    assert words in str(refused.value)
