"""The keys of volumes, outputs and feature groups, and keys of no use where they are given."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from tests.local_aws.images import PULL
from tests.local_aws.sagemaker.conftest import IMAGE

Call = Callable[[Callable[..., Any]], tuple[str, str]]
Client = Callable[[str], Any]
ACCOUNT = "000000000000"
ABSENT = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
GRANT = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
EVERYTHING = {"Effect": "Allow", "Action": ["sagemaker:*", "iam:PassRole"], "Resource": "*"}
ONLINE = ["Encrypt", "Decrypt", "DescribeKey", "CreateGrant", "RetireGrant", "ReEncryptFrom"]
ONLINE += ["ReEncryptTo", "GenerateDataKey", "ListGrants", "RevokeGrant"]


def allow(actions: Any, resources: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resources} | more


def name() -> str:
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def role(client: Client) -> Callable[..., str]:
    """role(*statements): the ARN of a role of SageMaker's."""

    def made(*statements: Any) -> str:
        iam, role = client("iam"), name()
        trust = {"Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **trust}]}
        iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(document))
        if statements:
            document = {"Version": "2012-10-17", "Statement": list(statements)}
            iam.put_role_policy(RoleName=role, PolicyName="It", PolicyDocument=json.dumps(document))
        return f"arn:aws:iam::{ACCOUNT}:role/{role}"

    return made


def processing(role_arn: str, **members: Any) -> dict[str, Any]:
    """A job that never gets as far as its image, which nobody pushed."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    cluster |= members.pop("cluster", {})
    return {
        "ProcessingJobName": name(),
        "AppSpecification": {"ImageUri": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/none:1"},
        "ProcessingResources": {"ClusterConfig": cluster},
        "RoleArn": role_arn,
        **members,
    }


def test_volumes_are_granted_by_role_or_caller(world: Any, role: Any, refusal: Call) -> None:
    key = world.key()
    grant = allow("kms:CreateGrant", key, Condition=GRANT)
    under = {"cluster": {"VolumeKmsKeyId": key}}
    for ofrole, ofcaller, denied in (((), (), True), ((grant,), (), False), ((), (grant,), False)):
        sagemaker = world.as_user("sagemaker", EVERYTHING, *ofcaller)
        job = processing(role(*ofrole), **under)
        code, said = refusal(lambda s=sagemaker, j=job: s.create_processing_job(**j))
        assert ("kms:CreateGrant" in said) == denied
        assert (code == "AccessDeniedException") == denied


@pytest.mark.parametrize("by", ["endpoint", "transform"])
def test_volumes_of_servers_are_granted(
    world: Any, client: Client, role: Any, refusal: Call, by: str
) -> None:
    """An endpoint's by its caller alone; a transform job's by the model's role, too."""
    key, model, config = world.key(), name(), name()
    client("sagemaker").create_model(
        ModelName=model,
        PrimaryContainer={"Image": IMAGE},
        ExecutionRoleArn=role(*PULL, allow("kms:CreateGrant", key, Condition=GRANT)),
    )
    variant = {"VariantName": "a", "ModelName": model, "InstanceType": "ml.m5.large"}
    client("sagemaker").create_endpoint_config(
        EndpointConfigName=config,
        ProductionVariants=[variant | {"InitialInstanceCount": 1}],
        KmsKeyId=key,
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://none/x"}}
    sagemaker = world.as_user("sagemaker", EVERYTHING)
    calls = {
        "endpoint": lambda: sagemaker.create_endpoint(
            EndpointName=config, EndpointConfigName=config
        ),
        "transform": lambda: sagemaker.create_transform_job(
            TransformJobName=config,
            ModelName=model,
            TransformInput={"DataSource": source},
            TransformOutput={"S3OutputPath": "s3://none/y"},
            TransformResources={
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeKmsKeyId": key,
            },
        ),
    }
    said = refusal(calls[by])[1]
    assert ("kms:CreateGrant" in said) == (by == "endpoint"), said
    world.iam.delete_role_policy(
        RoleName=client("sagemaker")
        .describe_model(ModelName=model)["ExecutionRoleArn"]
        .rpartition("/")[2],
        PolicyName="It",
    )
    assert "kms:CreateGrant" in refusal(calls[by])[1]


def output(key: str) -> dict[str, Any]:
    target = {"S3Uri": "s3://none/x", "LocalPath": "/opt/ml/processing/x"}
    outputs = [{"OutputName": "x", "S3Output": {**target, "S3UploadMode": "EndOfJob"}}]
    return {"ProcessingOutputConfig": {"Outputs": outputs, "KmsKeyId": key}}


def test_an_outputs_key_by_id_is_encrypted_with(
    world: Any, client: Client, role: Any, refusal: Call
) -> None:
    key = world.key()
    job = processing(role(), **output(key.rpartition("/")[2]))
    said = refusal(lambda: client("sagemaker").create_processing_job(**job))[1]
    assert "kms:Encrypt" in said


@pytest.mark.parametrize("where", ["volume", "output"])
def test_an_absent_key_is_refused(client: Client, role: Any, refusal: Call, where: str) -> None:
    members = output(ABSENT) if where == "output" else {"cluster": {"VolumeKmsKeyId": ABSENT}}
    job = processing(role(), **members)
    code, said = refusal(lambda: client("sagemaker").create_processing_job(**job))
    assert (code, "does not exist" in said) == ("ValidationException", True)


def group(key: str, role_arn: str) -> dict[str, Any]:
    return {
        "FeatureGroupName": name(),
        "RecordIdentifierFeatureName": "id",
        "EventTimeFeatureName": "time",
        "FeatureDefinitions": [
            {"FeatureName": "id", "FeatureType": "String"},
            {"FeatureName": "time", "FeatureType": "String"},
        ],
        "OnlineStoreConfig": {"EnableOnlineStore": True, "SecurityConfig": {"KmsKeyId": key}},
        "RoleArn": role_arn,
    }


def test_an_online_stores_key(
    world: Any, client: Client, role: Any, refusal: Call, eventually: Any
) -> None:
    key = world.key()
    actions = [f"kms:{operation}" for operation in ONLINE]
    through = {"StringEquals": {"kms:ViaService": "sagemaker.us-east-1.amazonaws.com"}}
    made = group(key, role())
    for missing in ("kms:CreateGrant", "kms:ReEncryptTo", "kms:RetireGrant"):
        rest = allow([action for action in actions if action != missing], key)
        sagemaker = world.as_user("sagemaker", EVERYTHING, rest)
        code, said = refusal(lambda s=sagemaker: s.create_feature_group(**made))
        assert code == "AccessDeniedException" and missing in said
    whole = allow(actions, key, Condition=through)
    world.as_user("sagemaker", EVERYTHING, whole).create_feature_group(**made)
    described = {"FeatureGroupName": made["FeatureGroupName"]}
    sagemaker = client("sagemaker")
    eventually(
        lambda: sagemaker.describe_feature_group(**described)["FeatureGroupStatus"] == "Created"
    )
    record = [
        {"FeatureName": "id", "ValueAsString": "1"},
        {"FeatureName": "time", "ValueAsString": "2018-01-01T00:00:00Z"},
    ]
    calls: list[Callable[[Any], Any]] = [
        lambda store: store.put_record(**described, Record=record),
        lambda store: store.get_record(**described, RecordIdentifierValueAsString="1"),
        lambda store: store.delete_record(
            **described, RecordIdentifierValueAsString="1", EventTime="2019-01-01T00:00:00Z"
        ),
    ]
    runtime = "sagemaker-featurestore-runtime"
    without = world.as_user(runtime, EVERYTHING)
    permitted = world.as_user(runtime, EVERYTHING, allow("kms:Decrypt", key))
    for call in calls:
        code, said = refusal(lambda c=call: c(without))
        assert "AccessDenied" in code and "kms:Decrypt" in said
        call(permitted)


def test_an_offline_stores_key_is_the_roles(world: Any, role: Any, refusal: Call) -> None:
    key = world.key()
    made = {**group(key, role()), "OnlineStoreConfig": {"EnableOnlineStore": False}}
    storage = {"S3Uri": "s3://none/x", "KmsKeyId": key}
    made["OfflineStoreConfig"] = {"S3StorageConfig": storage}
    sagemaker = world.as_user("sagemaker", EVERYTHING, allow("kms:*", key))
    code, said = refusal(lambda: sagemaker.create_feature_group(**made))
    assert code == "AccessDeniedException" and "kms:GenerateDataKey" in said


TEMPLATES = {
    "AWS::Kinesis::Stream": {
        "ShardCount": 1,
        "StreamEncryption": {"EncryptionType": "KMS", "KeyId": ABSENT},
    },
    "AWS::ECR::Repository": {
        "EncryptionConfiguration": {"EncryptionType": "KMS", "KmsKey": ABSENT}
    },
    "AWS::Athena::WorkGroup": {
        "Name": "absent-key",
        "WorkGroupConfiguration": {
            "ResultConfiguration": {
                "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": ABSENT}
            }
        },
    },
    # Keeps nothing under a key here.
    "AWS::Events::EventBus": {"Name": "keyed", "KmsKeyIdentifier": ABSENT},
}


@pytest.mark.parametrize("kind", TEMPLATES)
def test_a_template_gives_no_key_that_cannot_be_used(deploy: Any, kind: str) -> None:
    with pytest.raises(WaiterError):
        deploy({"It": {"Type": kind, "Properties": TEMPLATES[kind]}})


REQUESTS: dict[str, Callable[[Client], Any]] = {
    "events": lambda aws: aws("events").create_event_bus(Name="keyed", KmsKeyIdentifier=ABSENT),
}


@pytest.mark.parametrize("service", REQUESTS)
def test_a_service_that_keeps_nothing_under_a_key_says_so(
    client: Client, refusal: Call, service: str
) -> None:
    said = refusal(lambda: REQUESTS[service](client))[1]
    assert said.startswith(f"The embedded AWS does not support customer-managed keys of {service}")
