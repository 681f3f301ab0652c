"""What cdk-nag and cfn-lint do not look for."""

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest

from .conftest import Template

Resource = tuple[str, dict[str, Any]]

# S3 delivers access logs to no bucket whose default encryption is a KMS key.
WITHOUT_CUSTOMER_KEY = {"LakeAccessLogs"}
# Actions that IAM knows no resource for, and what narrows them instead.
ON_ANY_RESOURCE = {
    "application-autoscaling:DescribeScalableTargets": "a list, and reads only",
    "application-autoscaling:DescribeScalingPolicies": "a list, and reads only",
    "application-autoscaling:DescribeScheduledActions": "a list, and reads only",
    "cloudwatch:PutMetricData": "limited to one namespace by a condition",
    "ecr:GetAuthorizationToken": "gives a token, and access to no repository",
}
# Names that people, programs or other stacks type; whatever else had a name could not be replaced.
NAMED = {
    "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::Athena::WorkGroup",
    "AWS::CloudWatch::Dashboard",
    "AWS::Glue::Database",
    "AWS::Glue::Table",
    "AWS::Kinesis::Stream",
    "AWS::SageMaker::Endpoint",
    "AWS::SageMaker::FeatureGroup",
    "AWS::SageMaker::ModelPackageGroup",
    "AWS::SageMaker::MonitoringSchedule",
    "AWS::SageMaker::Pipeline",
    "AWS::Scheduler::Schedule",
}

# Otherwise SageMaker makes it, without a key and without an end.
NAMED_BY_SAGEMAKER = "EndpointLog"


@pytest.fixture
def resources(templates: dict[str, Template]) -> list[Resource]:
    return [
        (logical_id, resource)
        for template in templates.values()
        for logical_id, resource in template["Resources"].items()
    ]


def of_type(resources: list[Resource], *kinds: str) -> list[tuple[str, dict[str, Any]]]:
    found = [(name, body["Properties"]) for name, body in resources if body["Type"] in kinds]
    assert found, kinds
    return found


def allowed(resources: list[Resource]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement that allows something to a role of ours."""
    for name, properties in of_type(resources, "AWS::IAM::Policy"):
        for statement in properties["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                yield name, statement


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_no_role_may_do_everything_of_a_kind(resources: list[Resource]) -> None:
    assert [
        (name, action)
        for name, statement in allowed(resources)
        for action in as_list(statement["Action"])
        if "*" in action
    ] == []


def test_no_role_may_act_on_everything(resources: list[Resource]) -> None:
    assert [
        (name, action)
        for name, statement in allowed(resources)
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
        if action not in ON_ANY_RESOURCE
    ] == []


def test_metrics_may_be_put_into_named_namespaces_only(resources: list[Resource]) -> None:
    for name, statement in allowed(resources):
        if "cloudwatch:PutMetricData" in as_list(statement["Action"]):
            condition = statement["Condition"]["StringEquals"]
            assert condition["cloudwatch:namespace"], name


# As denials name what AWS asks about: PutLogEvents (log4j-aws-appenders #176), CreateLogStream
# (aws-crr-monitor #8), and without a stream DescribeLogStreams (sagemaker-python-sdk #2253) and
# PutRetentionPolicy (terraform-aws-eks-blueprints #1454). Never the group's own ARN.
ASKED_ABOUT = {
    "logs:CreateLogGroup": "",
    "logs:CreateLogStream": "algo-1-1700000000",
    "logs:DescribeLogStreams": "",
    "logs:PutLogEvents": "algo-1-1700000000",
}


def test_policies_about_logs_match_what_aws_asks_about(resources: list[Resource]) -> None:
    groups = dict(of_type(resources, "AWS::Logs::LogGroup"))
    asked = set()
    for name, statement in allowed(resources):
        patterns = [spelled(resource, groups) for resource in as_list(statement["Resource"])]
        for action in as_list(statement["Action"]):
            if not action.startswith("logs:"):
                continue
            asked.add(action)
            group, _, stream = patterns[0].removesuffix(":*").partition(":log-stream:")
            arn = f"{group}:log-stream:{stream or ASKED_ABOUT[action]}"
            assert any(fnmatchcase(arn, pattern) for pattern in patterns), (name, action, patterns)
    assert asked == set(ASKED_ABOUT)


def spelled(value: Any, groups: dict[str, Any]) -> str:
    """An ARN as CloudFormation resolves it; a log group's ends in `:*`."""
    match value:
        case str():
            return value
        case {"Fn::Join": [separator, parts]}:
            return str(separator).join(spelled(part, groups) for part in parts)
        case {"Fn::GetAtt": [name, "Arn"]} if name in groups:
            return f"arn:aws:logs:eu-west-1:123456789012:log-group:{name}:*"
        case _:
            return "_".join(str(part) for part in next(iter(value.values())))


def test_no_role_has_a_policy_that_aws_may_change(resources: list[Resource]) -> None:
    # The CDK's own function for emptying buckets logs by such a policy; nothing else may.
    assert [
        name
        for name, properties in of_type(resources, "AWS::IAM::Role")
        if "ManagedPolicyArns" in properties
        and not name.startswith("CustomS3AutoDeleteObjectsCustomResourceProviderRole")
    ] == []


# Whose guides promise that they say which account they act for; of the others, Lambda and
# CodeBuild assume a role only for what an account's own role was passed to.
SAY_FOR_WHOM = ("sagemaker.amazonaws.com", "scheduler.amazonaws.com")
MAY_SAY_IT = ("cloudformation.amazonaws.com", "firehose.amazonaws.com", "sagemaker.amazonaws.com")


def test_services_assume_roles_for_this_account_only(resources: list[Resource]) -> None:
    account = {"Ref": "AWS::AccountId"}
    strict = {"StringEquals": {"aws:SourceAccount": account}}
    cautious = {"StringEqualsIfExists": {"aws:SourceAccount": account, "sts:ExternalId": account}}
    seen = set()
    for name, properties in of_type(resources, "AWS::IAM::Role"):
        for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
            principal = statement["Principal"]
            assert set(principal) == {"Service"}, name
            service = principal["Service"]
            promised = service in SAY_FOR_WHOM and not name.startswith("StoreRole")
            if promised or service in MAY_SAY_IT:
                seen.add(service)
                assert statement["Condition"] == (strict if promised else cautious), name
            else:
                assert service in {"lambda.amazonaws.com", "codebuild.amazonaws.com"}, name
    assert seen == {*SAY_FOR_WHOM, *MAY_SAY_IT}


def test_every_bucket_is_private_versioned_and_encrypted(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::S3::Bucket"):
        assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}, name
        assert properties["VersioningConfiguration"] == {"Status": "Enabled"}, name
        rules = properties["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithms = {rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules}
        spared = any(name.startswith(prefix) for prefix in WITHOUT_CUSTOMER_KEY)
        assert algorithms == ({"AES256"} if spared else {"aws:kms"}), name


def test_nothing_is_granted_to_the_public(resources: list[Resource]) -> None:
    for name, properties in of_type(
        resources, "AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"
    ):
        for statement in properties["PolicyDocument"]["Statement"]:
            everybody = statement["Principal"] in ("*", {"AWS": "*"})
            assert not (everybody and statement["Effect"] == "Allow"), name


@pytest.mark.parametrize(
    "kind", ["AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"]
)
def test_plain_http_is_refused(resources: list[Resource], kind: str) -> None:
    for name, properties in of_type(resources, kind):
        statements = properties["PolicyDocument"]["Statement"]
        assert any(
            statement["Effect"] == "Deny"
            and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
            for statement in statements
        ), name


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::SageMaker::EndpointConfig", "KmsKeyId"),
        ("AWS::CodeBuild::Project", "EncryptionKey"),
    ],
)
def test_what_keeps_data_keeps_it_under_the_key(
    resources: list[Resource], kind: str, key: str
) -> None:
    for name, properties in of_type(resources, kind):
        assert is_reference(properties.get(key)), name


def is_reference(value: Any) -> bool:
    """A customer key of ours is a resource, here or in another stack."""
    return isinstance(value, dict) and set(value) <= {"Fn::GetAtt", "Fn::ImportValue", "Ref"}


def test_captures_are_encrypted_under_the_key(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::SageMaker::EndpointConfig"):
        assert is_reference(properties["DataCaptureConfig"].get("KmsKeyId")), name


def test_query_results_are_encrypted_under_the_key(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Athena::WorkGroup"):
        result = properties["WorkGroupConfiguration"]["ResultConfiguration"]
        assert is_reference(result["EncryptionConfiguration"]["KmsKey"]), name


def test_images_are_encrypted_under_the_key_and_scanned(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::ECR::Repository"):
        assert is_reference(properties["EncryptionConfiguration"]["KmsKey"]), name
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}, name


def test_keys_rotate(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::KMS::Key"):
        assert properties["EnableKeyRotation"] is True, name


def test_logs_are_not_kept_for_ever(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Logs::LogGroup"):
        assert properties["RetentionInDays"], name


def test_no_event_is_lost(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Events::Rule"):
        for target in properties["Targets"]:
            assert target["DeadLetterConfig"], name
            assert target["RetryPolicy"], name


def test_somebody_hears_of_events_that_no_rule_could_deliver(resources: list[Resource]) -> None:
    heard = {
        (stat["Metric"]["MetricName"], dimension["Value"]["Ref"])
        for _, alarm in of_type(resources, "AWS::CloudWatch::Alarm")
        if alarm.get("AlarmActions")
        for stat in (metric.get("MetricStat") for metric in alarm.get("Metrics", ()))
        if stat is not None and stat["Metric"]["Namespace"] == "AWS/Events"
        for dimension in stat["Metric"]["Dimensions"]
    }
    names = ("FailedInvocations", "InvocationsFailedToBeSentToDlq")
    rules = of_type(resources, "AWS::Events::Rule")
    assert heard == {(metric, rule) for metric in names for rule, _ in rules}


def test_only_what_others_type_has_a_name(resources: list[Resource]) -> None:
    named = [
        (name, body["Type"])
        for name, body in resources
        if body["Type"].startswith("AWS::") and body["Type"] not in NAMED
        for key in body.get("Properties", {})
        if key == name_property(body["Type"]) and not name.startswith(NAMED_BY_SAGEMAKER)
    ]
    # What rolls a version back is an alarm of its own: the name ends in the version.
    named = [each for each in named if each[1] != "AWS::CloudWatch::Alarm"]
    # Feature groups that outlive their stack keep naming their role, which none can exchange.
    assert named == [("StoreRole1685ABFC", "AWS::IAM::Role")]


def name_property(kind: str) -> str:
    """`AWS::SageMaker::EndpointConfig` is named by `EndpointConfigName`."""
    own = {
        "AWS::Events::Rule": "Name",
        "AWS::CodeBuild::Project": "Name",
        "AWS::IAM::Policy": "",  # always named, after its logical ID
        "AWS::KMS::Alias": "AliasName",
        "AWS::Kinesis::Stream": "Name",
        "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
        "AWS::Logs::LogGroup": "LogGroupName",
    }
    return own.get(kind, f"{kind.rsplit('::', 1)[1]}Name")


def test_every_lambda_runs_where_and_as_all_of_ours_do(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Lambda::Function"):
        if name.startswith("CustomS3AutoDeleteObjects"):
            continue
        # The image is built on a machine of its own architecture.
        wanted = "x86_64" if properties.get("PackageType") == "Image" else "arm64"
        assert properties["Architectures"] == [wanted], name
        assert properties["LoggingConfig"]["LogFormat"] == "JSON", name


def test_streams_keep_their_records_under_the_key(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Kinesis::Stream"):
        assert properties["StreamEncryption"]["EncryptionType"] == "KMS", name
        assert is_reference(properties["StreamEncryption"]["KeyId"]), name


def test_what_firehose_writes_is_encrypted_under_the_key(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::KinesisFirehose::DeliveryStream"):
        encryption = properties["ExtendedS3DestinationConfiguration"]["EncryptionConfiguration"]
        assert is_reference(encryption["KMSEncryptionConfig"]["AWSKMSKeyARN"]), name


def test_no_record_of_a_stream_is_lost_or_tried_for_ever(resources: list[Resource]) -> None:
    for name, properties in of_type(resources, "AWS::Lambda::EventSourceMapping"):
        if "StartingPosition" not in properties:
            continue  # a queue's, which has its dead letters itself
        assert properties["DestinationConfig"]["OnFailure"]["Destination"], name
        assert properties["BisectBatchOnFunctionError"] is True, name
        assert properties["FunctionResponseTypes"] == ["ReportBatchItemFailures"], name
        assert properties["MaximumRetryAttempts"] > 0, name
        assert properties["MaximumRecordAgeInSeconds"] > 0, name
        assert properties["StartingPosition"] == "TRIM_HORIZON", name


def test_no_message_of_a_queue_is_lost_or_given_out_for_ever(resources: list[Resource]) -> None:
    queues = dict(of_type(resources, "AWS::SQS::Queue"))
    consumed = [
        properties["EventSourceArn"]["Fn::GetAtt"][0]
        for _, properties in of_type(resources, "AWS::Lambda::EventSourceMapping")
        if "StartingPosition" not in properties
    ]
    assert consumed
    for name in consumed:
        redrive = queues[name]["RedrivePolicy"]
        assert redrive["maxReceiveCount"] > 1, name
        dead_letters = queues[redrive["deadLetterTargetArn"]["Fn::GetAtt"][0]]
        assert dead_letters["MessageRetentionPeriod"] >= queues[name]["MessageRetentionPeriod"]
