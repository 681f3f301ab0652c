import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk.assertions import Match, Template

from lifecycle.alarms.alarm_topic import AlarmTopic


def test_an_alarm_reaches_the_address_through_an_encrypted_topic(
    stack: cdk.Stack, key: kms.IKey
) -> None:
    topic = AlarmTopic(stack, "Topic", encryption_key=key, email="on-call@example.com")
    topic.notify_of(
        cloudwatch.Alarm(
            stack,
            "Alarm",
            metric=cloudwatch.Metric(namespace="n", metric_name="m"),
            threshold=1,
            evaluation_periods=1,
        )
    )
    template = Template.from_stack(stack)
    (topic_id,) = template.find_resources("AWS::SNS::Topic")
    template.has_resource_properties(
        "AWS::SNS::Topic", {"KmsMasterKeyId": stack.resolve(key.key_arn)}
    )
    template.has_resource_properties(
        "AWS::SNS::Subscription",
        {"TopicArn": {"Ref": topic_id}, "Protocol": "email", "Endpoint": "on-call@example.com"},
    )
    template.has_resource_properties(
        "AWS::CloudWatch::Alarm", {"AlarmActions": [{"Ref": topic_id}]}
    )


def test_cloudwatch_of_this_account_may_publish_and_plain_http_is_refused(
    stack: cdk.Stack, key: kms.IKey
) -> None:
    AlarmTopic(stack, "Topic", encryption_key=key)
    template = Template.from_stack(stack)
    template.resource_count_is("AWS::SNS::Subscription", 0)
    template.has_resource_properties(
        "AWS::SNS::TopicPolicy",
        {
            "PolicyDocument": {
                "Statement": Match.array_with(
                    [
                        Match.object_like(
                            {
                                "Effect": "Deny",
                                "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                            }
                        ),
                        Match.object_like(
                            {
                                "Effect": "Allow",
                                "Action": "sns:Publish",
                                "Principal": {"Service": "cloudwatch.amazonaws.com"},
                                "Condition": {
                                    "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
                                },
                            }
                        ),
                    ]
                )
            }
        },
    )
