"""Policies of resources, in requests and templates, held to IAM's grammar and each service's."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_aws.known import (
    ACCOUNT,
    GHOST,
    KEY_POLICY,
    TOPIC_ARN,
    URL,
    Client,
    assert_refused,
    of_bucket,
    of_function,
    of_queue,
    of_repository,
    of_topic,
    policy,
    trust,
)

CASES: list[tuple[str, str, dict[str, Any], str]] = [
    *(
        (*of_queue(**more), words)
        for more, words in (
            ({"Principal": None}, "Invalid value for the parameter Policy."),
            ({"Principal": {"AWS": GHOST}}, "Invalid value for the parameter Policy."),
            ({"Action": "sns:Publish"}, "Invalid value for the parameter Policy."),
            ({"Action": "sqs:Send"}, "Invalid value for the parameter Policy."),
            ({"Effect": "Maybe"}, "Invalid value for the parameter Policy."),
            ({"Action": [f"sqs:{'*' * n}" for n in range(1, 9)]}, "max allowed is 7"),
        )
    ),
    *(
        (*of_topic(**more), words)
        for more, words in (
            ({"Principal": None}, "Policy Error: null"),
            ({"Principal": {"AWS": GHOST}}, "Policy Error: PrincipalNotFound"),
            ({"Principal": {"Service": "polly"}}, "Policy Error: PrincipalNotFound"),
            ({"Action": "sns:*"}, "action out of service scope"),
            ({"Action": "sqs:SendMessage"}, "action out of service scope"),
        )
    ),
    *(
        (*of_repository(**more), words)
        for more, words in (
            ({"Principal": None}, "Invalid repository policy provided"),
            ({"Principal": {"AWS": GHOST}}, "Principal not found"),
            ({"Resource": "*"}, "Invalid repository policy provided"),
            ({"Action": "s3:GetObject"}, "Invalid repository policy provided"),
        )
    ),
    *(
        (*of_bucket(**more), words)
        for more, words in (
            ({"Principal": None}, "Missing required field Principal"),
            ({"Principal": {"Service": "s3"}}, "Invalid principal in policy"),
            ({"Action": "s3:Get"}, "Policy has invalid action"),
            ({"Action": "sqs:SendMessage"}, "Policy has invalid action"),
            ({"Action": "s3:ListBucket"}, "Action does not apply to any resource"),
            ({"Resource": "arn:aws:s3:::known"}, "Action does not apply to any resource"),
            ({"Resource": None}, "Missing required field Resource"),
            ({"Effect": "hello"}, "Syntax errors"),
        )
    ),
    *(
        ("kms", "create_key", {"Policy": policy(**(KEY_POLICY | more))}, words)
        for more, words in (
            ({"Principal": {"AWS": GHOST}}, "one or more invalid principals"),
            ({"Condition": {"StringIs": {"a": "b"}}}, "Syntax errors"),
            ({"Action": "Decrypt"}, "must be prefaced by a vendor"),
        )
    ),
    *(
        (*of_function(**more), words)
        for more, words in (
            ({"Principal": GHOST}, "provided principal was invalid"),
            ({"Principal": "amazonaws.com"}, "provided principal was invalid"),
            ({"Principal": "12"}, "provided principal was invalid"),
            ({"Principal": "*", "Action": "lambda:Run"}, "no action lambda:Run"),
            ({"Principal": "*", "Action": "s3:GetObject"}, "regular expression pattern"),
            ({"Principal": "*", "SourceArn": "a"}, "regular expression pattern"),
            ({"Principal": "*", "SourceAccount": "a"}, "regular expression pattern"),
        )
    ),
    (
        "iam",
        "create_policy",
        {"PolicyName": "p", "PolicyDocument": policy().replace("2012", "2008")},
        "must be version 2012-10-17 or greater",
    ),
]


@pytest.mark.parametrize(("service", "method", "arguments", "words"), CASES)
def test_it_is_refused(
    known: Client, service: str, method: str, arguments: dict[str, Any], words: str
) -> None:
    assert_refused(known(service), method, arguments, words)


def _of_template(kind: str, **properties: Any) -> dict[str, Any]:
    return {"Type": f"AWS::{kind}", "Properties": properties}


def _document(text: str) -> Any:
    return json.loads(text)


POLICIES = [
    (
        _of_template(
            "ECR::Repository",
            LifecyclePolicy={"LifecyclePolicyText": json.dumps({"rules": [{}]}) + " " * 100},
        ),
        "missing required properties",
    ),
    (
        _of_template("IAM::Role", AssumeRolePolicyDocument=_document(trust(Action="s3:GetObject"))),
        "may only specify STS AssumeRole actions",
    ),
    (
        _of_template(
            "IAM::Role",
            AssumeRolePolicyDocument=_document(trust()),
            Policies=[{"PolicyName": "p", "PolicyDocument": _document(policy(Sid="a b"))}],
        ),
        "must be alpha-numeric",
    ),
    (
        _of_template(
            "IAM::Role",
            AssumeRolePolicyDocument=_document(trust()),
            ManagedPolicyArns=["arn:aws:iam::aws:policy/NoSuchAccess"],
        ),
        "does not exist or is not attachable",
    ),
    (
        _of_template(
            "IAM::Policy",
            PolicyName="p",
            Roles=["known"],
            PolicyDocument=_document(policy(Resource="bucket")),
        ),
        "must be in ARN format",
    ),
    (
        _of_template("IAM::ManagedPolicy", PolicyDocument=_document(policy(Action="s3"))),
        "must be prefaced by a vendor",
    ),
    (
        _of_template(
            "SNS::TopicPolicy", Topics=[TOPIC_ARN], PolicyDocument=_document(policy(Principal="*"))
        ),
        "out of service scope",
    ),
    (
        _of_template(
            "SQS::QueuePolicy",
            Queues=[URL],
            PolicyDocument=_document(policy(Principal={"AWS": GHOST})),
        ),
        "Invalid value for the parameter Policy",
    ),
    (
        _of_template("S3::BucketPolicy", Bucket="known", PolicyDocument=_document(policy())),
        "Missing required field Principal",
    ),
    (
        _of_template(
            "ECR::Repository", RepositoryPolicyText=_document(policy(Principal={"AWS": ACCOUNT}))
        ),
        "Invalid repository policy provided",
    ),
    (
        _of_template(
            "Lambda::Permission", FunctionName="f", Action="lambda:InvokeFunction", Principal=GHOST
        ),
        "provided principal was invalid",
    ),
]


def test_policies_of_a_template_are_refused_like_those_of_requests(
    known: Client, eventually: Callable[..., Any]
) -> None:
    cloudformation = known("cloudformation")
    for number, (resource, _words) in enumerate(POLICIES):
        body = json.dumps({"Resources": {"A": resource}})
        given = {"StackName": f"policy-{number}", "TemplateBody": body}
        cloudformation.create_stack(**given, Capabilities=["CAPABILITY_IAM"])
    for number, (_resource, words) in enumerate(POLICIES):
        name = f"policy-{number}"
        stack = eventually(
            lambda name=name: [
                each
                for each in cloudformation.describe_stacks(StackName=name)["Stacks"]
                if each["StackStatus"] == "ROLLBACK_COMPLETE"
            ]
        )
        assert stack
        events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
        reasons = [event.get("ResourceStatusReason", "") for event in events]
        assert any(words in reason for reason in reasons), reasons


def test_policies_that_are_right_are_taken(deploy: Callable[..., dict[str, str]]) -> None:
    """Also those that name what the same template makes."""
    account = {"AWS": {"Fn::GetAtt": ["Role", "Arn"]}}

    def of(resource: str, action: str, attribute: str = "Arn") -> Any:
        arn = {"Ref": resource} if attribute == "Ref" else {"Fn::GetAtt": [resource, attribute]}
        return _document(policy(Principal=account, Action=action, Resource=arn))

    function = {"Fn::GetAtt": ["Function", "Arn"]}
    resources = {
        "Role": _of_template(
            "IAM::Role",
            AssumeRolePolicyDocument=_document(
                trust(Principal={"Service": "lambda.amazonaws.com"})
            ),
            Policies=[{"PolicyName": "p", "PolicyDocument": _document(policy(Sid="Read"))}],
        ),
        "Queue": _of_template("SQS::Queue"),
        "QueuePolicy": _of_template(
            "SQS::QueuePolicy",
            Queues=[{"Ref": "Queue"}],
            PolicyDocument=of("Queue", "sqs:SendMessage"),
        ),
        "Topic": _of_template("SNS::Topic"),
        "TopicPolicy": _of_template(
            "SNS::TopicPolicy",
            Topics=[{"Ref": "Topic"}],
            PolicyDocument=of("Topic", "sns:Publish", "Ref"),
        ),
        "Bucket": _of_template("S3::Bucket"),
        "BucketPolicy": _of_template(
            "S3::BucketPolicy",
            Bucket={"Ref": "Bucket"},
            PolicyDocument=of("Bucket", "s3:ListBucket"),
        ),
        "Stream": _of_template("Kinesis::Stream", ShardCount=1),
        "Rule": _of_template("Events::Rule", EventPattern={"source": ["a"]}),
        "Function": _of_template(
            "Lambda::Function",
            Runtime="python3.13",
            Handler="index.handler",
            Role={"Fn::GetAtt": ["Role", "Arn"]},
            Code={"ZipFile": "def handler(event, context): return event"},
        ),
        "Version": _of_template("Lambda::Version", FunctionName={"Ref": "Function"}),
        "Alias": _of_template(
            "Lambda::Alias",
            Name="live",
            FunctionName={"Ref": "Function"},
            FunctionVersion={"Fn::GetAtt": ["Version", "Version"]},
        ),
        "Permission": _of_template(
            "Lambda::Permission",
            FunctionName=function,
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
        ),
        "Retries": _of_template(
            "Lambda::EventInvokeConfig",
            FunctionName={"Ref": "Function"},
            Qualifier="$LATEST",
            MaximumRetryAttempts=0,
        ),
    }
    assert deploy(resources, {"Arn": function})["Arn"]
