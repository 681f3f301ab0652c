"""What is kept under a key is written and read by those alone who may use the key."""

import io
import json
import uuid
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

Call = Callable[[Callable[..., Any]], tuple[str, str]]
Client = Callable[[str], Any]
ACCOUNT = "000000000000"
PLACE = f"us-east-1:{ACCOUNT}"
ABSENT = f"arn:aws:kms:{PLACE}:key/12345678-1234-1234-1234-123456789012"
ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
BOTH = ["kms:GenerateDataKey", "kms:Decrypt"]


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def when(**equals: str) -> dict[str, Any]:
    return {"Condition": {"StringEquals": equals}}


def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


class Kept:
    """A queue, topic or stream under a key: how it is written to and read, and its context."""

    def __init__(self, client: Client, service: str, key: str) -> None:
        self.name = name()
        aws = client(service)
        if service == "sqs":
            self.url = aws.create_queue(QueueName=self.name, Attributes={"KmsMasterKeyId": key})[
                "QueueUrl"
            ]
        elif service == "sns":
            aws.create_topic(Name=self.name, Attributes={"KmsMasterKeyId": key})
        else:
            aws.create_stream(StreamName=self.name, ShardCount=1)
            aws.start_stream_encryption(StreamName=self.name, EncryptionType="KMS", KeyId=key)
        path = f"stream/{self.name}" if service == "kinesis" else self.name
        self.arn = f"arn:aws:{service}:{PLACE}:{path}"
        member = {"sqs": "arn", "sns": "topicArn", "kinesis": "arn"}[service]
        self.context = f"kms:EncryptionContext:aws:{service}:{member}"
        self.service = service

    def write(self, aws: Any) -> Any:
        if self.service == "sqs":
            return aws.send_message(QueueUrl=self.url, MessageBody="x")
        if self.service == "sns":
            return aws.publish(TopicArn=self.arn, Message="x")
        return aws.put_record(StreamName=self.name, PartitionKey="a", Data=b"x")

    def write_many(self, aws: Any) -> Any:
        if self.service == "sqs":
            entries = [{"Id": "1", "MessageBody": "x"}]
            return aws.send_message_batch(QueueUrl=self.url, Entries=entries)
        if self.service == "sns":
            entries = [{"Id": "1", "Message": "x"}]
            return aws.publish_batch(TopicArn=self.arn, PublishBatchRequestEntries=entries)
        return aws.put_records(StreamName=self.name, Records=[{"PartitionKey": "a", "Data": b"x"}])

    def read(self, aws: Any) -> Any:
        if self.service == "sqs":
            return aws.receive_message(QueueUrl=self.url)
        start = aws.get_shard_iterator(
            StreamName=self.name, ShardId="shardId-000000000000", ShardIteratorType="TRIM_HORIZON"
        )
        return aws.get_records(ShardIterator=start["ShardIterator"])


DENIED = {
    "sqs": "KmsAccessDenied",
    "sns": "KMSAccessDenied",
    "kinesis": "KMSAccessDeniedException",
}


def test_a_topic_of_a_template_has_its_key(world: Any, client: Client) -> None:
    stack, cloudformation = name(), client("cloudformation")
    for key in (world.key(), world.key()):
        topic = {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}}
        template = {"Resources": {"Topic": topic}, "Outputs": {"Arn": {"Value": {"Ref": "Topic"}}}}
        known = [each["StackName"] for each in cloudformation.describe_stacks()["Stacks"]]
        verb = "update" if stack in known else "create"
        getattr(cloudformation, f"{verb}_stack")(StackName=stack, TemplateBody=json.dumps(template))
        cloudformation.get_waiter(f"stack_{verb}_complete").wait(StackName=stack)
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        arn = found["Outputs"][0]["OutputValue"]
        attributes = client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]
        assert attributes["KmsMasterKeyId"] == key


@pytest.mark.parametrize("service", DENIED)
def test_who_writes_needs_the_key(world: Any, client: Client, refusal: Call, service: str) -> None:
    key = world.key()
    kept, everything = Kept(client, service, key), allow(f"{service}:*")
    through = when(
        **{"kms:ViaService": f"{service}.us-east-1.amazonaws.com", "kms:CallerAccount": ACCOUNT}
    )
    of_it = when(**{Kept(client, service, key).context: kept.arn})
    for condition in ({}, through, of_it):
        writer = world.as_user(service, everything, allow(BOTH, key, **condition))
        kept.write(writer)
        kept.write_many(writer)
    elsewhere = when(**{kept.context: f"{kept.arn}-other"})
    another = when(**{"kms:ViaService": "s3.us-east-1.amazonaws.com"})
    lacking = [allow("kms:DescribeKey"), allow(BOTH, **elsewhere), allow(BOTH, **another)]
    lacking += [allow("kms:Decrypt", key)]
    lacking += [] if service == "kinesis" else [allow("kms:GenerateDataKey", key)]
    for statement in lacking:
        without = world.as_user(service, everything, statement)
        for write in (kept.write, kept.write_many):
            code, said = refusal(lambda w=write, aws=without: w(aws))
            assert code == DENIED[service]
            assert "is not authorized to perform: kms:" in said


@pytest.mark.parametrize("service", ["sqs", "kinesis"])
def test_who_reads_needs_the_key(world: Any, client: Client, refusal: Call, service: str) -> None:
    key = world.key()
    kept, everything = Kept(client, service, key), allow(f"{service}:*")
    kept.write(client(service))
    kept.read(world.as_user(service, everything, allow("kms:Decrypt", key)))
    without = world.as_user(service, everything, allow("kms:GenerateDataKey", key))
    assert refusal(lambda: kept.read(without))[0] == DENIED[service]


@pytest.mark.parametrize("service", DENIED)
def test_a_key_that_is_off(world: Any, client: Client, refusal: Call, service: str) -> None:
    key = world.key()
    kept = Kept(client, service, key)
    client("kms").disable_key(KeyId=key)
    assert "disabled" in refusal(lambda: kept.write(client(service)))[0].lower()
    client("kms").schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert "InvalidState" in refusal(lambda: kept.write(client(service)))[0]


def test_an_absent_key_is_told_with_the_first_message(client: Client, refusal: Call) -> None:
    for service, code in (("sqs", "KmsNotFound"), ("sns", "KMSNotFound")):
        kept = Kept(client, service, ABSENT)
        assert refusal(lambda k=kept, s=service: k.write(client(s)))[0] == code
    kinesis, stream = client("kinesis"), name()
    kinesis.create_stream(StreamName=stream, ShardCount=1)
    code, _ = refusal(
        lambda: kinesis.start_stream_encryption(
            StreamName=stream, EncryptionType="KMS", KeyId=ABSENT
        )
    )
    assert code == "KMSNotFoundException"


LETTERS = {
    "none": ({}, False),
    "of the queue": ({"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": "{arn}"}}, True),
    "of another": ({"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": "{arn}-other"}}, False),
    # What a key's policy is not told of EventBridge.
    "of an account": ({"StringEquals": {"aws:SourceAccount": ACCOUNT}}, False),
}


@pytest.mark.parametrize("how", LETTERS)
def test_a_rules_queue_takes_its_keys_policy(
    world: Any, client: Client, eventually: Any, how: str
) -> None:
    sqs, rule = client("sqs"), name()
    target = name()
    arn = f"arn:aws:sqs:{PLACE}:{target}"
    condition, arrives = LETTERS[how]
    statements = [allow("kms:*", Principal=ROOT)]
    if condition:
        text = json.dumps(condition).replace("{arn}", arn)
        events = {"Principal": {"Service": "events.amazonaws.com"}}
        statements.append(allow(BOTH, **events, Condition=json.loads(text)))
    key = world.key(*statements)
    url = sqs.create_queue(QueueName=target, Attributes={"KmsMasterKeyId": key})["QueueUrl"]
    letters = sqs.create_queue(QueueName=f"{target}-letters")["QueueUrl"]
    for each in (target, f"{target}-letters"):
        statement = allow(
            "sqs:SendMessage",
            f"arn:aws:sqs:{PLACE}:{each}",
            Principal={"Service": "events.amazonaws.com"},
        )
        queue = sqs.get_queue_url(QueueName=each)["QueueUrl"]
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    events = client("events")
    events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))
    events.put_targets(
        Rule=rule,
        Targets=[{"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": f"{arn}-letters"}}],
    )
    events.put_events(Entries=[{"Source": rule, "DetailType": "x", "Detail": "{}"}])
    there, elsewhere = (url, letters) if arrives else (letters, url)
    eventually(lambda: sqs.receive_message(QueueUrl=there).get("Messages"))
    assert not sqs.receive_message(QueueUrl=elsewhere).get("Messages")


def test_a_secure_parameter(world: Any, client: Client, refusal: Call) -> None:
    key, parameter = world.key(), f"/test/{name()}"
    arn = f"arn:aws:ssm:{PLACE}:parameter{parameter}"
    secure = {"Name": parameter, "Value": "x", "Type": "SecureString", "KeyId": key}
    of_it = when(
        **{
            "kms:EncryptionContext:PARAMETER_ARN": arn,
            "kms:ViaService": "ssm.us-east-1.amazonaws.com",
        }
    )
    writer = world.as_user("ssm", allow("ssm:*"), allow("kms:Encrypt", key, **of_it))
    writer.put_parameter(**secure)
    without = world.as_user("ssm", allow("ssm:*"))
    put = {**secure, "Overwrite": True}
    assert refusal(lambda: without.put_parameter(**put))[0] == "AccessDeniedException"
    advanced = {**put, "Tier": "Advanced"}
    assert refusal(lambda: writer.put_parameter(**advanced))[0] == "AccessDeniedException"
    reader = world.as_user("ssm", allow("ssm:*"), allow("kms:Decrypt", key, **of_it))
    reads: list[Callable[[Any], Any]] = [
        lambda ssm: ssm.get_parameter(Name=parameter, WithDecryption=True),
        lambda ssm: ssm.get_parameters(Names=[parameter], WithDecryption=True),
        lambda ssm: ssm.get_parameters_by_path(Path="/test", WithDecryption=True),
        lambda ssm: ssm.get_parameter_history(Name=parameter, WithDecryption=True),
    ]
    for read in reads:
        read(reader)
        code, said = refusal(lambda r=read: r(writer))
        assert code == "AccessDeniedException" and "kms:Decrypt" in said
    # In its encrypted form anybody may have it.
    without.get_parameter(Name=parameter)
    absent = {**secure, "Name": f"{parameter}-2", "KeyId": ABSENT}
    assert refusal(lambda: client("ssm").put_parameter(**absent))[0] == "InvalidKeyId"
    own = {**secure, "Name": f"{parameter}-3"}
    own.pop("KeyId")
    without.put_parameter(**own)
    without.get_parameter(Name=own["Name"], WithDecryption=True)


LOGS = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"]


@pytest.mark.parametrize("how", ["none", "of another", "absent"])
def test_a_log_groups_key_lets_logs_in(
    world: Any, client: Client, deploy: Any, refusal: Call, how: str
) -> None:
    group = f"/test/{name()}"
    arn = f"arn:aws:logs:{PLACE}:log-group:{group}"

    def key(of: str) -> str:
        context = {"ArnEquals": {"kms:EncryptionContext:aws:logs:arn": of}}
        logs = {"Principal": {"Service": "logs.us-east-1.amazonaws.com"}, "Condition": context}
        return str(world.key(allow("kms:*", Principal=ROOT), allow(LOGS, **logs)))

    wrong = {"none": world.key(), "of another": key(f"{arn}-other"), "absent": ABSENT}[how]
    logs = client("logs")
    code, said = refusal(lambda: logs.create_log_group(logGroupName=group, kmsKeyId=wrong))
    assert code == "AccessDeniedException"
    assert said.endswith(f"does not exist or is not allowed to be used with Arn '{arn}'")
    resource = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}}
    with pytest.raises(WaiterError):
        deploy({"Group": {**resource, "Properties": {"LogGroupName": group, "KmsKeyId": wrong}}})
    logs.create_log_group(logGroupName=group, kmsKeyId=key(arn))


def test_a_repositorys_key_is_granted_to_ecr_by_who_makes_it(
    world: Any, client: Client, refusal: Call
) -> None:
    key, ecr = world.key(), allow("ecr:*")
    grant = allow("kms:CreateGrant", key, Condition={"Bool": {"kms:GrantIsForAWSResource": "true"}})
    through = when(**{"kms:ViaService": "ecr.us-east-1.amazonaws.com"})
    rest = allow(["kms:DescribeKey", "kms:RetireGrant"], key, **through)

    def create(aws: Any, under: str = key) -> Any:
        return aws.create_repository(
            repositoryName=name(),
            encryptionConfiguration={"encryptionType": "KMS", "kmsKey": under},
        )

    create(world.as_user("ecr", ecr, grant, rest))
    for lacking in ((grant,), (rest,)):
        aws = world.as_user("ecr", ecr, *lacking)
        assert refusal(lambda a=aws: create(a))[0] == "KmsException"
    assert refusal(lambda: create(client("ecr"), ABSENT))[0] == "KmsException"


def test_a_mapping_receives_with_its_functions_role(
    world: Any, client: Client, refusal: Call, eventually: Any
) -> None:
    key, iam, aws, called = world.key(), client("iam"), client("lambda"), name()
    kept = Kept(client, "sqs", key)
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("handler.py", "def handle(event, context):\n    return {}\n")
    lets = {"Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(
        RoleName=called,
        AssumeRolePolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **lets}]}
        ),
    )

    def may(*statements: Any) -> None:
        document = {"Version": "2012-10-17", "Statement": list(statements)}
        iam.put_role_policy(RoleName=called, PolicyName="It", PolicyDocument=json.dumps(document))

    receive = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
    may(allow(receive, kept.arn))
    aws.create_function(
        FunctionName=called,
        Runtime="python3.11",
        Handler="handler.handle",
        Role=f"arn:aws:iam::{ACCOUNT}:role/{called}",
        Code={"ZipFile": code.getvalue()},
    )
    source = {"FunctionName": called, "EventSourceArn": kept.arn}
    said = refusal(lambda: aws.create_event_source_mapping(**source))[1]
    assert said.endswith("does not have permissions to call ReceiveMessage on SQS")
    may(allow(receive, kept.arn), allow("kms:Decrypt", key))
    mapping = aws.create_event_source_mapping(**source)["UUID"]
    may(allow(receive, kept.arn))
    eventually(
        lambda: "kms:Decrypt" in aws.get_event_source_mapping(UUID=mapping)["LastProcessingResult"]
    )

    def left() -> int:
        found = client("sqs").get_queue_attributes(
            QueueUrl=kept.url,
            AttributeNames=["ApproximateNumberOfMessages"],
        )
        return int(found["Attributes"]["ApproximateNumberOfMessages"])

    kept.write(client("sqs"))
    assert left() == 1
    may(allow(receive, kept.arn), allow("kms:Decrypt", key))
    eventually(lambda: left() == 0)
    aws.delete_event_source_mapping(UUID=mapping)
