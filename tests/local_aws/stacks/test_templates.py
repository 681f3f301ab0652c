"""What CloudFormation refuses of templates and of properties."""

import json
import textwrap
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from .conftest import Client, Deploy, reasons

QUEUE = {"Type": "AWS::SQS::Queue"}


@pytest.mark.parametrize(
    ("template", "refusal"),
    [
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ({"Resources": {"It": QUEUE}, "Output": {}}, r"Invalid template property .*\[Output\]"),
        ({"Resources": {"It-1": QUEUE}}, "Resource name It-1 is non alphanumeric"),
        ({"Resources": {"It": {"Properties": {}}}}, r"\[/Resources/It\] Every Resources object"),
        ({"Resources": {"It": QUEUE | {"DependOn": "A"}}}, "resource property 'DependOn'"),
        (
            {"Resources": {"It": QUEUE | {"DependsOn": "Other"}}},
            r"Unresolved resource dependencies \[Other\] in the Resources block",
        ),
        (
            {
                "Resources": {"It": QUEUE},
                "Outputs": {"Out": {"Value": {"Fn::Sub": "a ${Other.Arn}"}}},
            },
            r"Unresolved resource dependencies \[Other\] in the Outputs block",
        ),
        (
            {"Resources": {"A": QUEUE | {"DependsOn": "B"}, "B": QUEUE | {"DependsOn": ["A"]}}},
            r"Circular dependency between resources: \[A, B\]",
        ),
        ({"Resources": {"It": None}}, r"\[/Resources/It\] 'null' values are not allowed"),
        ({"Resources": {"It": []}}, "Any Resources member must be an object"),
        ({"Resources": {"It": {"Type": {"Ref": "AWS::Region"}}}}, "unsupported structure"),
        ({"Resources": {"It": QUEUE}, "Transform": "Count"}, "No transform named Count found"),
        ({"Resources": {"It": QUEUE}, "Transform": "AWS::CodeStar"}, "is not supported by the"),
        (
            {"Resources": {"It": QUEUE}, "Parameters": {"It": {"Type": "String", "Default": ""}}},
            "the same names",
        ),
        ({"Resources": {"It": QUEUE}, "Parameters": {"P": {"Type": "String"}}}, "must have values"),
        (
            {"Resources": {"It": QUEUE}, "Parameters": {"P": {"Type": "String", "Secret": 1}}},
            "Invalid template parameter property 'Secret'",
        ),
        (
            {"Resources": {"It": QUEUE}, "Parameters": {"a-b": {"Type": "String", "Default": ""}}},
            "Parameter name a-b is non alphanumeric",
        ),
        (
            {
                "Resources": {"It": QUEUE},
                "Parameters": {"P": {"Type": "AWS::EC2::VPC::Id", "Default": "vpc-1"}},
            },
            "The parameter type AWS::EC2::VPC::Id",
        ),
        ({"Resources": {"It": QUEUE}, "Mappings": {"M": {"k": "v"}}}, "member k must be a map"),
        (
            {"Resources": {"It": QUEUE}, "Mappings": {"M": {"k": {"a": {"b": "c"}}}}},
            "Every Mappings attribute must be a String or a List",
        ),
        (
            {"Resources": {"It": QUEUE | {"UpdatePolicy": {"UseOnlineResharding": True}}}},
            "UpdatePolicy of It is not supported",
        ),
        (
            {"Resources": {"It": QUEUE | {"UpdateReplacePolicy": "RetainExceptOnCreate"}}},
            "UpdateReplacePolicy RetainExceptOnCreate",
        ),
        ({"Resources": {"It": QUEUE}, "Outputs": {"O": {}}}, "must contain a Value object"),
        ({"Resources": {"It": QUEUE}, "Conditions": {"C": True}}, "only be boolean operations"),
        (
            {"Resources": {"It": QUEUE}, "Conditions": {"C": {"Fn::Equals": ["a"]}}},
            "every Fn::Equals object requires a list of 2 string parameters",
        ),
        (
            {"Resources": {"It": QUEUE}, "Conditions": {"C": {"Fn::Not": [True]}}},
            "every Fn::Not object requires one boolean parameter",
        ),
        (
            {"Resources": {"It": QUEUE}, "Conditions": {"C": {"Fn::Equals": [{"Ref": "It"}, "a"]}}},
            r"Unresolved dependencies \[It\]. Cannot reference resources in the Conditions block",
        ),
        (
            {
                "Resources": {"It": QUEUE},
                "Conditions": {"A": {"Condition": "B"}, "B": {"Condition": "A"}},
            },
            "Found circular condition dependency between A, B",
        ),
        (
            {
                "Resources": {"It": QUEUE | {"Condition": "C"}},
                "Conditions": {"C": {"Fn::Equals": ["a", "b"]}},
                "Outputs": {"O": {"Value": {"Ref": "It"}}},
            },
            r"Unresolved resource dependencies \[It\] in the Outputs block",
        ),
        *(
            ({"Resources": {"It": QUEUE}, "Outputs": {"O": {"Value": value}}}, words)
            for value, words in (
                ({"Fn::Join": ["-"]}, "every Fn::Join object requires two parameters"),
                ({"Fn::Split": [",", ["a"]]}, "every Fn::Split object requires two parameters"),
                ({"Fn::Select": ["x", ["a"]]}, "Fn::Select requires a list argument with two"),
                ({"Fn::FindInMap": ["M", "a"]}, "every Fn::FindInMap object requires three"),
                ({"Fn::GetAtt": "It"}, "every Fn::GetAtt object requires two non-empty"),
                ({"Fn::GetAtt": ["No", "Arn"]}, "Fn::GetAtt references undefined resource No"),
                ({"Fn::GetAtt": ["It", {"Ref": "P"}]}, "A function as attribute of Fn::GetAtt"),
                ({"Fn::Sub": ["a"]}, "functions don't specify expected arguments"),
                ({"Fn::If": ["C", 1, 2]}, "Unresolved condition dependency C"),
                ({"Fn::ImportValue": {"Ref": "It"}}, "must not depend on any resources"),
                ({"Ref": "AWS::Planet"}, r"Unresolved resource dependencies \[AWS::Planet\]"),
            )
        ),
    ],
)
def test_a_template_is_refused(client: Client, template: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ClientError, match=refusal):
        client("cloudformation").create_stack(
            StackName=f"test-{uuid.uuid4().hex[:8]}",
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_AUTO_EXPAND"],
        )


@pytest.mark.parametrize(
    ("method", "arguments", "words"),
    [
        ("create_stack", {}, "Either Template URL or Template Body must be specified"),
        (
            "update_stack",
            {"UsePreviousTemplate": True, "TemplateBody": "{}"},
            "cannot specify both",
        ),
        ("create_stack", {"TemplateBody": "{}", "TemplateURL": "http://a"}, "Only one of"),
        (
            "update_stack",
            {
                "UsePreviousTemplate": True,
                "Parameters": [
                    {"ParameterKey": "P", "ParameterValue": "a", "UsePreviousValue": True}
                ],
            },
            "Cannot specify usePreviousValue as true and non empty value",
        ),
        ("set_stack_policy", {"StackPolicyBody": "{"}, "Invalid stack policy"),
        (
            "set_stack_policy",
            {"StackPolicyBody": "{}", "StackPolicyURL": "http://a"},
            "You cannot specify both StackPolicyURL and StackPolicyBody",
        ),
    ],
)
def test_a_template_comes_from_one_place(
    client: Client, method: str, arguments: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientError, match=words):
        getattr(client("cloudformation"), method)(StackName="it", **arguments)


def test_a_template_is_validated_as_it_is_deployed(client: Client) -> None:
    template = {"Resources": {"It": QUEUE}, "Conditions": {"C": {"Fn::Equals": ["a"]}}}
    with pytest.raises(ClientError, match="every Fn::Equals object"):
        client("cloudformation").validate_template(TemplateBody=json.dumps(template))


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("[!Ref AWS::Region, us-east-1]", "yes"),
        ("[!Sub '${AWS::Region}-x', us-east-1-x]", "yes"),
        ("[!FindInMap [Sizes, !Ref AWS::Region, size], 3]", "yes"),
        ("[!Join ['', [!Ref Flag, x]], truex]", "yes"),
        ("[!Select [1, !Ref Names], b]", "yes"),
        ("[!Select [1, !Split [',', 'a,b']], c]", "no"),
        ("[!Ref Flag, true]", "yes"),
        ("[!Ref Flag, 'True']", "no"),
    ],
)
def test_conditions_have_functions(client: Client, condition: str, holds: str) -> None:
    """Template reference, "Condition functions": what their operands may be."""
    template = f"""
        Parameters:
          Flag: {{Type: String, Default: true, AllowedValues: [true, false]}}
          Names: {{Type: CommaDelimitedList, Default: 'a, b', AllowedValues: [a, b]}}
        Mappings: {{Sizes: {{us-east-1: {{size: 3}}}}}}
        Conditions: {{C: !Equals {condition}}}
        Resources: {{It: {{Type: AWS::CloudFormation::WaitConditionHandle}}}}
        Outputs: {{O: {{Value: !If [C, 'yes', 'no']}}}}
    """
    cloudformation, name = client("cloudformation"), f"test-{uuid.uuid4().hex[:8]}"
    cloudformation.create_stack(StackName=name, TemplateBody=textwrap.dedent(template))
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName=name, WaiterConfig={"Delay": 0.1, "MaxAttempts": 100})
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["Outputs"][0]["OutputValue"] == holds


def test_a_parameter_that_the_template_lacks_is_refused(client: Client) -> None:
    with pytest.raises(ClientError, match=r"Parameters: \[Size\] do not exist in the template"):
        client("cloudformation").create_stack(
            StackName=f"test-{uuid.uuid4().hex[:8]}",
            TemplateBody=json.dumps({"Resources": {"It": QUEUE}}),
            Parameters=[{"ParameterKey": "Size", "ParameterValue": "1"}],
        )


def test_an_export_has_one_stack_and_does_not_change_under_another(
    client: Client, deploy: Deploy
) -> None:
    names = [f"test-{uuid.uuid4().hex[:8]}" for _ in range(3)]

    def exporting(value: str) -> dict[str, Any]:
        return {"Outputs": {"O": {"Value": value, "Export": {"Name": names[0]}}}}

    handle = {"It": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}
    deploy(handle, name=names[0], **exporting("a"))
    with pytest.raises(WaiterError):
        deploy(handle, name=names[1], **exporting("b"))
    assert f"is already exported by stack {names[0]}" in reasons(client, names[1])
    imported = {"DisplayName": {"Fn::ImportValue": names[0]}}
    deploy({"It": {"Type": "AWS::SNS::Topic", "Properties": imported}}, name=names[2])
    with pytest.raises(WaiterError):
        deploy(handle, name=names[0], **exporting("c"))
    assert f"cannot be updated as it is in use by {names[2]}" in reasons(client, names[0])
    with pytest.raises(WaiterError):
        deploy(handle, name=names[0])
    assert f"cannot be deleted as it is in use by {names[2]}" in reasons(client, names[0])
    # Once nobody imports it, it goes with its output.
    deploy({"It": {"Type": "AWS::SNS::Topic"}}, name=names[2])
    deploy(handle, name=names[0])
    exports = client("cloudformation").list_exports()["Exports"]
    assert names[0] not in {export["Name"] for export in exports}
