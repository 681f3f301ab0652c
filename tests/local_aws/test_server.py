import http.client
import json
import os
import signal
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from local_aws.server import (
    EmbeddedAws,
    EmbeddedAwsError,
    NotRunningError,
    PortTakenError,
    RegionError,
    StateFolderError,
    StateInUseError,
    free_port,
)
from local_aws.settings import Connection

TRUST = {
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    },
}
ELSEWHERE = {"LocationConstraint": "eu-west-1"}
ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture
def own_aws(tmp_path: Path) -> Iterator[EmbeddedAws]:
    """A server that the test may stop and kill."""
    aws = EmbeddedAws(tmp_path / "state", free_port(), "eu-west-1")
    yield aws
    aws.stop()


def remember(aws: EmbeddedAws) -> None:
    session = aws.session()
    session.client("ssm").put_parameter(Name="/kept", Value="yes", Type="String")
    session.client("s3").create_bucket(Bucket="kept", CreateBucketConfiguration=ELSEWHERE)
    session.client("s3").put_object(Bucket="kept", Key="a/b.txt", Body=b"kept")
    session.client("iam").create_role(RoleName="kept", AssumeRolePolicyDocument=json.dumps(TRUST))


def assert_remembered(aws: EmbeddedAws) -> None:
    session = aws.session()
    assert session.client("ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "yes"
    body = session.client("s3").get_object(Bucket="kept", Key="a/b.txt")["Body"].read()
    assert body == b"kept"
    assert session.client("iam").get_role(RoleName="kept")["Role"]["RoleName"] == "kept"


def test_state_and_credentials_outlive_an_orderly_stop(own_aws: EmbeddedAws) -> None:
    assert own_aws.start() is True
    first = own_aws.connection()
    remember(own_aws)
    assert own_aws.stop() is True
    assert own_aws.stop() is False
    own_aws.start()
    assert_remembered(own_aws)
    assert own_aws.connection()["secret_access_key"] == first["secret_access_key"]
    assert {path.name for path in (own_aws.state_dir / "logs").glob("server*")} == {
        "server.log",
        "server.previous.log",
    }
    assert_region(own_aws)
    assert open_to_others(own_aws.state_dir) == []


def assert_region(aws: EmbeddedAws) -> None:
    """A stack, its ARNs and every client are of the server's Region, and no other one is served."""
    session = aws.session()
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(
        StackName="own",
        TemplateBody=json.dumps(
            {
                "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
                "Outputs": {
                    "Arn": {"Value": {"Fn::GetAtt": ["Queue", "Arn"]}},
                    "Region": {"Value": {"Ref": "AWS::Region"}},
                },
            }
        ),
    )
    waiter = cloudformation.get_waiter("stack_create_complete")
    waiter.wait(StackName="own", WaiterConfig={"Delay": 0.1})
    outputs = cloudformation.describe_stacks(StackName="own")["Stacks"][0]["Outputs"]
    values = {output["OutputKey"]: output["OutputValue"] for output in outputs}
    assert values["Region"] == "eu-west-1"
    assert values["Arn"].startswith("arn:aws:sqs:eu-west-1:000000000000:")
    assert aws.environment()["AWS_REGION"] == "eu-west-1"
    group = session.client("sagemaker").create_model_package_group(ModelPackageGroupName="own")
    assert ":eu-west-1:" in group["ModelPackageGroupArn"]
    with pytest.raises(ClientError, match=r"valid region, not .us-east-1."):
        session.client("sagemaker", region_name="us-east-1").list_endpoints()
    with pytest.raises(RegionError, match="must be eu-west-1, got eu-west-3"):
        EmbeddedAws(aws.state_dir, aws.port, "eu-west-3").start()


def open_to_others(folder: Path) -> list[Path]:
    """What others than its owner can do anything with, the folder itself included."""
    return [path for path in (folder, *folder.rglob("*")) if path.lstat().st_mode & 0o077]


@pytest.mark.parametrize("region", ["eu-nowhere-1", "cn-north-1"])
def test_a_region_without_sagemaker_is_refused(tmp_path: Path, region: str) -> None:
    with pytest.raises(RegionError, match="must be one of SageMaker's"):
        EmbeddedAws(tmp_path / "state", free_port(), region).start()


def test_a_start_takes_from_others_what_they_had(own_aws: EmbeddedAws) -> None:
    old = own_aws.state_dir / "s3" / "000000000000" / "raw"
    old.mkdir(parents=True)
    (old / "transactions.csv").write_text("1")
    (old / "transactions.csv").chmod(0o644)
    own_aws.state_dir.chmod(0o755)
    own_aws.start()
    assert open_to_others(own_aws.state_dir) == []


def killed(aws: EmbeddedAws) -> None:
    server = psutil.Process(aws.connection()["pid"])
    server.send_signal(signal.SIGKILL)
    server.wait(10)


def test_what_was_acknowledged_outlives_a_kill(
    own_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRAUDLOOP_CHECKPOINT_SECONDS", "3600")
    own_aws.start()
    session = own_aws.session()
    group = put_record(session)
    glue, kinesis = session.client("glue"), session.client("kinesis")
    glue.create_database(DatabaseInput={"Name": "lake"})
    glue.create_table(DatabaseName="lake", TableInput={"Name": "rows"})
    session.client("sqs").create_queue(QueueName="kept")
    kinesis.create_stream(StreamName="kept", ShardCount=1)
    remember(own_aws)
    killed(own_aws)
    with pytest.raises(NotRunningError, match="fraudloop up"):
        own_aws.connection()
    own_aws.start()
    assert_remembered(own_aws)
    assert glue.get_table(DatabaseName="lake", Name="rows")["Table"]["Name"] == "rows"
    assert session.client("sqs").get_queue_url(QueueName="kept")["QueueUrl"]
    assert kinesis.list_streams()["StreamNames"] == ["kept"]
    record = session.client("sagemaker-featurestore-runtime").get_record(
        FeatureGroupName=group, RecordIdentifierValueAsString="1"
    )
    assert record["Record"][0]["ValueAsString"] == "1"


def put_record(session: boto3.Session) -> str:
    """A feature group of one record."""
    sagemaker, features = session.client("sagemaker"), ["id", "at"]
    sagemaker.create_feature_group(
        FeatureGroupName="kept",
        RecordIdentifierFeatureName="id",
        EventTimeFeatureName="at",
        FeatureDefinitions=[{"FeatureName": f, "FeatureType": "String"} for f in features],
        OnlineStoreConfig={"EnableOnlineStore": True},
    )
    while sagemaker.describe_feature_group(FeatureGroupName="kept")["FeatureGroupStatus"] != (
        "Created"
    ):
        time.sleep(0.05)
    session.client("sagemaker-featurestore-runtime").put_record(
        FeatureGroupName="kept",
        Record=[
            {"FeatureName": "id", "ValueAsString": "1"},
            {"FeatureName": "at", "ValueAsString": "2026-01-01T00:00:00Z"},
        ],
    )
    return "kept"


def test_what_cannot_be_written_is_not_acknowledged(own_aws: EmbeddedAws) -> None:
    own_aws.start()
    remember(own_aws)
    s3 = own_aws.session().client("s3", config=ONCE)
    # A disk that ends after a megabyte of each file, as the server sees it.
    limit = (1 << 20, 1 << 20)
    psutil.Process(own_aws.connection()["pid"]).rlimit(psutil.RLIMIT_FSIZE, limit)
    large = bytes(6 << 20)
    upload = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    names = {"Bucket": "kept", "Key": "parts", "UploadId": upload}
    part = s3.upload_part(**names, PartNumber=1, Body=large)
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    for write in (
        lambda: s3.put_object(Bucket="kept", Key="new", Body=large),
        lambda: s3.put_object(Bucket="kept", Key="a/b.txt", Body=large),
        lambda: s3.complete_multipart_upload(**names, MultipartUpload=parts),
    ):
        with pytest.raises(ClientError, match=r"ServiceUnavailable.*make room on its disk"):
            write()
    s3.put_object(Bucket="kept", Key="small", Body=b"fits")
    killed(own_aws)
    own_aws.start()
    assert_remembered(own_aws)
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="kept")["Contents"]]
    assert keys == ["a/b.txt", "small"]


def test_a_disk_that_is_nearly_full_takes_no_writes(
    own_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_aws.start()
    remember(own_aws)
    own_aws.stop()
    monkeypatch.setenv("FRAUDLOOP_RESERVED_BYTES", str(1 << 60))
    own_aws.start()
    session = own_aws.session()
    ssm, sqs = session.client("ssm", config=ONCE), session.client("sqs", config=ONCE)
    s3, iam = session.client("s3", config=ONCE), session.client("iam", config=ONCE)
    for write in (
        lambda: ssm.put_parameter(Name="/new", Value="1", Type="String"),
        lambda: iam.create_user(UserName="new"),
        lambda: sqs.create_queue(QueueName="new"),
        lambda: s3.put_object(Bucket="kept", Key="new", Body=b""),
        lambda: session.client("lambda", config=ONCE).create_alias(
            FunctionName="f", Name="new", FunctionVersion="1"
        ),
        lambda: session.client("kinesis", config=ONCE).put_record(
            StreamName="none", Data=b"", PartitionKey="1"
        ),
        lambda: session.client("sagemaker", config=ONCE).create_model_package_group(
            ModelPackageGroupName="new"
        ),
    ):
        with pytest.raises(ClientError, match="make room on its disk") as error:
            write()
        assert error.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert_remembered(own_aws)
    ssm.delete_parameter(Name="/kept")  # this makes room


def test_starting_twice_is_starting_once(embedded_aws: EmbeddedAws) -> None:
    pid = embedded_aws.connection()["pid"]
    assert embedded_aws.start() is False
    assert embedded_aws.connection()["pid"] == pid


def test_credentials_are_for_their_owner_only(embedded_aws: EmbeddedAws) -> None:
    mode = (embedded_aws.state_dir / "embedded.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_one_state_folder_has_one_server(embedded_aws: EmbeddedAws) -> None:
    other = EmbeddedAws(embedded_aws.state_dir, free_port())
    with pytest.raises(StateInUseError, match=str(embedded_aws.port)):
        other.start()


def test_a_taken_port_names_who_has_it(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        aws = EmbeddedAws(tmp_path / "state", taken.getsockname()[1])
        with pytest.raises(PortTakenError, match=rf"process {os.getpid()} \(.*python"):
            aws.start()
    assert not (tmp_path / "state").exists()


def test_a_state_folder_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateFolderError, match=f"^state_dir must be a folder .* {tmp_path}/file/"):
        EmbeddedAws(tmp_path / "file" / "state", free_port()).start()


def test_a_stale_pid_of_another_program_is_not_ours(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    mine = Connection(
        port=1, pid=os.getpid(), region="eu-west-1", access_key_id="a", secret_access_key="s"
    )
    mine.write(state / "embedded.json")
    assert EmbeddedAws(state, 1).stop() is False


def test_wipe_deletes_state_but_no_other_folder(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    (state / "embedded.json").write_text("{}")
    EmbeddedAws(state, 1).wipe()
    assert not state.exists()
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(EmbeddedAwsError, match="must be a folder of the embedded AWS"):
        EmbeddedAws(tmp_path, 1).wipe()
    assert (tmp_path / "thesis.txt").exists()


def test_the_environment_points_every_sdk_at_the_server(
    embedded_aws: EmbeddedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    environment = embedded_aws.environment()
    assert environment["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{embedded_aws.port}"
    assert "AWS_PROFILE" not in environment
    assert embedded_aws.session().client("sts").get_caller_identity()["Account"] == "000000000000"


@pytest.mark.parametrize("key", [None, "test", "000000000000", "AKIAIOSFODNN7EXAMPLE"])
def test_only_the_right_secret_opens_the_server(embedded_aws: EmbeddedAws, key: str | None) -> None:
    access_key_id = embedded_aws.connection()["access_key_id"] if key is None else key
    forged = embedded_aws.session().client(
        "s3", aws_access_key_id=access_key_id, aws_secret_access_key="guess"
    )
    with pytest.raises(ClientError, match=r"SignatureDoesNotMatch|InvalidAccessKeyId"):
        forged.list_buckets()


def test_nobody_resets_the_server_by_a_bare_request(embedded_aws: EmbeddedAws) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", embedded_aws.port)
    connection.request("POST", "/_ministack/reset")
    assert connection.getresponse().status == 404
