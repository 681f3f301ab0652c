"""What CloudFormation refuses of templates and of properties."""

import json
import re
import textwrap
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, WaiterError

from local_aws.stacks.schemas import problem

Client = Callable[[str], Any]
Deploy = Callable[..., dict[str, str]]
QUEUE = {"Type": "AWS::SQS::Queue"}


def reasons(client: Client, stack: str) -> str:
    """What a stack's events say."""
    events = client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
    return "\n".join(event.get("ResourceStatusReason", "") for event in events)


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


@pytest.mark.parametrize(
    ("resource_type", "properties", "refusal"),
    [
        ("AWS::SQS::Queue", {"Name": "a"}, r"#: extraneous key \[Name\] is not permitted"),
        ("AWS::Lambda::Function", {"Role": "a"}, r"#: required key \[Code\] not found"),
    ],
)
def test_properties_outside_the_schema_are_refused(
    resource_type: str, properties: dict[str, Any], refusal: str, client: Client, deploy: Deploy
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": resource_type, "Properties": properties}}, name=name)
    assert re.search(refusal, reasons(client, name))


@pytest.mark.parametrize(
    ("kind", "properties", "words"),
    [
        ("AWS::SNS::Topic", {"Topic": "a"}, "#: extraneous key [Topic] is not permitted"),
        ("AWS::SNS::Topic", {"TopicArn": "arn:aws:sns:a"}, "[TopicArn] is read-only"),
        ("AWS::Lambda::Permission", {"Action": "a"}, "required key [FunctionName] not found"),
        (
            "AWS::Logs::LogGroup",
            {"RetentionInDays": 2},
            "#/RetentionInDays: 2 is not a valid enum value",
        ),
        (
            "AWS::SQS::Queue",
            {"DelaySeconds": "soon"},
            "#/DelaySeconds: expected type: Integer, found: String",
        ),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "Tags": [{"Key": "a"}]}, "[Value]"),
        ("AWS::KMS::Alias", {"AliasName": "a", "TargetKeyId": "k"}, "#/AliasName: failed"),
    ],
)
def test_properties_that_a_type_does_not_have_are_refused(
    kind: str, properties: dict[str, Any], words: str
) -> None:
    assert words in str(problem(kind, "It", "it", properties))


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        ("AWS::Logs::LogGroup", {"RetentionInDays": "30"}),
        ("AWS::SQS::Queue", {"FifoQueue": "true", "DelaySeconds": "5"}),
        ("AWS::SSM::Parameter", {"Type": "String", "Value": 5}),
    ],
)
def test_scalars_are_of_the_type_that_a_property_has(kind: str, properties: dict[str, Any]) -> None:
    assert problem(kind, "It", "it", properties) is None


def test_a_named_resource_is_not_replaced(client: Client, deploy: Deploy) -> None:
    """A change of what the schema calls create-only, under the name that the resource has."""
    name = f"test-{uuid.uuid4().hex[:8]}"

    def group(event_time: str) -> dict[str, Any]:
        features = [{"FeatureName": each, "FeatureType": "String"} for each in ("id", "at", "on")]
        properties = {
            "FeatureGroupName": name,
            "RecordIdentifierFeatureName": "id",
            "EventTimeFeatureName": event_time,
            "FeatureDefinitions": features,
            "OnlineStoreConfig": {"EnableOnlineStore": True},
        }
        return {"It": {"Type": "AWS::SageMaker::FeatureGroup", "Properties": properties}}

    deploy(group("at"), name=name)
    with pytest.raises(WaiterError):
        deploy(group("on"), name=name)
    assert "a custom-named resource requires replacing" in reasons(client, name)


def test_what_describes_a_named_resource_may_be_its_own_for_good(
    client: Client, deploy: Deploy
) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"

    def group(description: str) -> dict[str, Any]:
        given = {"ModelPackageGroupName": name, "ModelPackageGroupDescription": description}
        return {"It": {"Type": "AWS::SageMaker::ModelPackageGroup", "Properties": given}}

    deploy(group("as it was"), name=name)
    with pytest.raises(WaiterError):
        deploy(group("in other words"), name=name)
    assert "a custom-named resource requires replacing" in reasons(client, name)


def test_a_type_that_aws_has_is_refused_in_other_words(client: Client) -> None:
    template = '{"Resources": {"It": {"Type": "AWS::DynamoDB::Table"}}}'
    refused = client("cloudformation").exceptions.ClientError
    with pytest.raises(refused, match="AWS::DynamoDB::Table are not supported by the embedded"):
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=template)


def test_an_unknown_type_is_named(client: Client) -> None:
    template = '{"Resources": {"It": {"Type": "AWS::Fax::Machine"}}}'
    with pytest.raises(
        client("cloudformation").exceptions.ClientError,
        match=r"Unrecognized resource types: .AWS::Fax::Machine",
    ):
        client("cloudformation").create_stack(StackName="unknown", TemplateBody=template)


FUNCTION = {"FunctionName": "ghost"}
UNMADE: list[tuple[str, dict[str, Any], str]] = [
    ("AWS::CloudWatch::Alarm", {"ActionConfiguration": {}}, "ActionConfiguration of AWS::Cloud"),
    (
        "AWS::CloudWatch::Alarm",
        {"MetricName": "m", "Namespace": "n", "Period": "7", "Statistic": "Sum"},
        "Metric period must be",
    ),
    ("AWS::CloudWatch::Dashboard", {"DashboardBody": "{"}, "must be a valid JSON object"),
    ("AWS::Events::EventBus", {"Name": "a/b"}, "must not contain '/'"),
    ("AWS::Events::EventBus", {"Name": "a", "Policy": {}}, "Policy of AWS::Events::EventBus"),
    (
        "AWS::Glue::Database",
        {"CatalogId": "000000000000", "DatabaseInput": {"Name": "Big"}},
        "does not fold names to lower case",
    ),
    (
        "AWS::Glue::Database",
        {"CatalogId": "111111111111", "DatabaseInput": {"Name": "small"}},
        "CatalogId must be 000000000000",
    ),
    (
        "AWS::Kinesis::Stream",
        {"StreamModeDetails": {"StreamMode": "ON_DEMAND"}, "ShardCount": 1},
        "ShardCount must be left out",
    ),
    ("AWS::Kinesis::Stream", {"RetentionPeriodHours": 1}, "RetentionPeriodHours must be at least"),
    ("AWS::Lambda::Alias", FUNCTION | {"FunctionVersion": "1", "Name": "a"}, "Function not found"),
    (
        "AWS::Lambda::EventInvokeConfig",
        FUNCTION | {"Qualifier": "$LATEST", "MaximumRetryAttempts": 0},
        "Function not found: ghost",
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        FUNCTION | {"EventSourceArn": "arn:aws:sqs:us-east-1:000000000000:q"},
        "Function not found: ghost",
    ),
    (
        "AWS::Lambda::Permission",
        FUNCTION | {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com"},
        "Function not found: ghost",
    ),
    ("AWS::Lambda::Version", FUNCTION, "Function not found: ghost"),
    ("AWS::Logs::LogGroup", {"DeletionProtectionEnabled": True}, "DeletionProtectionEnabled of"),
    ("AWS::S3::Bucket", {"AccessControl": "PublicRead"}, "Bucket cannot have ACLs set"),
    ("AWS::S3::Bucket", {"ObjectLockEnabled": True}, "ObjectLockEnabled of AWS::S3::Bucket"),
    (
        "AWS::S3::BucketPolicy",
        {"Bucket": "ghost", "PolicyDocument": {"Version": "2012-10-17", "Statement": []}},
        "The specified bucket does not exist",
    ),
    ("AWS::SNS::Topic", {"TopicName": "a b"}, "Invalid parameter: Topic Name"),
    ("AWS::SNS::Topic", {"FifoTopic": True, "TopicName": "a.fifo"}, "FifoTopic of AWS::SNS"),
    (
        "AWS::SNS::Subscription",
        {
            "TopicArn": "arn:aws:sns:us-east-1:000000000000:no",
            "Protocol": "sqs",
            "Endpoint": "arn:aws:sqs:us-east-1:000000000000:q",
        },
        "Topic does not exist",
    ),
    (
        "AWS::SQS::QueuePolicy",
        {
            "Queues": ["http://sqs/0/ghost"],
            "PolicyDocument": {
                "Statement": [
                    {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*"}
                ]
            },
        },
        "The specified queue does not exist",
    ),
    (
        "AWS::SSM::Parameter",
        {"Type": "String", "Value": "a", "AllowedPattern": "^b$"},
        "cannot be validated against allowedPattern",
    ),
    ("AWS::SSM::Parameter", {"Type": "String", "Value": "a" * 4097}, "a maximum parameter value"),
]


@pytest.mark.parametrize(("kind", "properties", "words"), UNMADE)
def test_what_a_service_refuses_fails_its_resource(
    client: Client, deploy: Deploy, kind: str, properties: dict[str, Any], words: str
) -> None:
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 1}
    given = properties | (alarm if kind == "AWS::CloudWatch::Alarm" else {})
    name = f"test-{uuid.uuid4().hex[:8]}"
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": kind, "Properties": given}}, name=name)
    assert words in reasons(client, name)


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


def test_what_is_empty_is_left_out(client: Client, deploy: Deploy) -> None:
    name = f"test-{uuid.uuid4().hex[:8]}"
    deploy({"It": {"Type": "AWS::CloudFormation::WaitConditionHandle"}}, name=name)
    stack = client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    assert not {"Description", "Outputs", "StackStatusReason"} & {*stack}
