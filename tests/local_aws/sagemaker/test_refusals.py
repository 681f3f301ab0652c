"""What SageMaker refuses when a resource is made, in its words, and what it says of what is not."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.conftest import CLUSTER, IMAGE, allow, definition, unique
from tests.local_aws.sagemaker.identities import CREATIONS, FEATURES, TRAINING, request_of

ARN = "arn:aws:sagemaker:us-east-1:000000000000"
REGISTRY = "000000000000.dkr.ecr.us-east-1.amazonaws.com"
FOREIGN = [
    "fraudloop:1",
    f"{REGISTRY}/foreign:1",
    "111122223333.dkr.ecr.us-east-1.amazonaws.com/fraudloop:1",
    "000000000000.dkr.ecr.eu-west-1.amazonaws.com/fraudloop:1",
    "public.ecr.aws/fraudloop/fraudloop:1",
]


def refused(call: Callable[..., Any], **request: Any) -> tuple[str, str]:
    """The code and the message of a refusal."""
    with pytest.raises(ClientError) as error:
        call(**request)
    answer = error.value.response["Error"]
    return answer["Code"], answer["Message"]


@pytest.mark.parametrize(
    ("operation", "request_", "code", "message"),
    [
        ("describe_training_job", {"TrainingJobName": "absent"}, "ValidationException",
         "Requested resource not found."),
        ("stop_training_job", {"TrainingJobName": "absent"}, "ValidationException",
         "Requested resource not found."),
        ("describe_processing_job", {"ProcessingJobName": "absent"}, "ValidationException",
         "Could not find requested job with name: absent"),
        ("stop_processing_job", {"ProcessingJobName": "absent"}, "ValidationException",
         "Could not find requested job with name: absent"),
        ("describe_transform_job", {"TransformJobName": "absent"}, "ValidationException",
         "Could not find requested job with name: absent"),
        ("stop_transform_job", {"TransformJobName": "absent"}, "ValidationException",
         "Could not find requested job with name: absent"),
        ("describe_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "absent"},
         "ResourceNotFound", "Amazon SageMaker can't find a tuning job"),
        ("stop_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "absent"},
         "ResourceNotFound", "Amazon SageMaker can't find a tuning job"),
        ("describe_model", {"ModelName": "absent"}, "ValidationException", "Could not find model"),
        ("delete_model", {"ModelName": "absent"}, "ValidationException", "Could not find model"),
        ("describe_endpoint", {"EndpointName": "absent"}, "ValidationException",
         "Could not find endpoint"),
        ("delete_endpoint", {"EndpointName": "absent"}, "ValidationException",
         "Could not find endpoint"),
        ("describe_endpoint_config", {"EndpointConfigName": "absent"}, "ValidationException",
         "Could not find endpoint configuration"),
        ("describe_pipeline", {"PipelineName": "absent"}, "ResourceNotFound", "pipeline"),
        ("describe_monitoring_schedule", {"MonitoringScheduleName": "absent"}, "ResourceNotFound",
         "monitoring schedule"),
        ("describe_feature_group", {"FeatureGroupName": "absent"}, "ResourceNotFound",
         "FeatureGroup"),
        ("list_tags", {"ResourceArn": f"{ARN}:model/absent"}, "ValidationException",
         "Resource does not exist."),
        ("add_tags", {"ResourceArn": f"{ARN}:model/absent", "Tags": [{"Key": "a", "Value": "b"}]},
         "ValidationException", "Resource does not exist."),
        ("delete_tags", {"ResourceArn": f"{ARN}:nothing", "TagKeys": ["a"]},
         "ValidationException", "Resource does not exist."),
        ("list_pipeline_execution_steps", {}, "ValidationException",
         "PipelineExecutionArn must be given"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_told_as_sagemaker_does(
    client: Callable[[str], Any], operation: str, request_: dict[str, Any], code: str, message: str
) -> None:
    found = refused(getattr(client("sagemaker"), operation), **request_)
    assert found[0] == code
    assert message in found[1]


@pytest.fixture(scope="module")
def foreign_repository(client: Callable[[str], Any]) -> None:
    client("ecr").create_repository(repositoryName="foreign")


@pytest.mark.parametrize("image", FOREIGN)
def test_foreign_images_are_refused_wherever_they_are_named(
    client: Callable[[str], Any],
    job_role: str,
    pipeline_role: str,
    foreign_repository: None,
    image: str,
) -> None:
    sagemaker = client("sagemaker")
    step: dict[str, Any] = {
        "Name": "Run",
        "Type": "Processing",
        "Arguments": {
            "RoleArn": job_role,
            "AppSpecification": {"ImageUri": image},
            "ProcessingResources": {"ClusterConfig": CLUSTER},
        },
    }
    training = {**TRAINING["AlgorithmSpecification"], "TrainingImage": image}
    for call, request in (
        (
            sagemaker.create_processing_job,
            {"ProcessingJobName": unique("job"), **step["Arguments"]},
        ),
        (
            sagemaker.create_training_job,
            {
                **TRAINING,
                "TrainingJobName": unique("job"),
                "RoleArn": job_role,
                "AlgorithmSpecification": training,
            },
        ),
        (
            sagemaker.create_model,
            {
                "ModelName": unique("model"),
                "ExecutionRoleArn": job_role,
                "PrimaryContainer": {"Image": image},
            },
        ),
        (
            sagemaker.create_pipeline,
            {
                "PipelineName": unique("pipeline"),
                "RoleArn": pipeline_role,
                "ClientRequestToken": uuid.uuid4().hex,
                "PipelineDefinition": definition([step]),
            },
        ),
    ):
        assert refused(call, **request) == (
            "ValidationException",
            f"The local SageMaker does not support the image '{image}'; it runs the project's own "
            "image only, from a repository of the embedded AWS's ECR",
        )


def test_a_repository_must_exist_and_let_the_role_pull(
    client: Callable[[str], Any], job_role: str, bucket: str
) -> None:
    sagemaker, request = client("sagemaker"), {**TRAINING, "TrainingJobName": unique("job")}
    algorithm = TRAINING["AlgorithmSpecification"]
    absent = {**algorithm, "TrainingImage": f"{REGISTRY}/fraudloop-absent:1"}
    assert refused(
        sagemaker.create_training_job,
        **request | {"RoleArn": job_role, "AlgorithmSpecification": absent},
    ) == (
        "ValidationException",
        "Cannot find repository: fraudloop-absent in registry ID: 000000000000 Please check if "
        f"your ECR repository exists and role {job_role} has proper pull permissions for "
        "SageMaker: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer",
    )
    iam, name = client("iam"), unique("role")
    trust = client("iam").get_role(RoleName=job_role.rpartition("/")[2])["Role"]
    role = iam.create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps(trust["AssumeRolePolicyDocument"])
    )["Role"]["Arn"]
    for actions in (
        ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken"],
        [
            "ecr:BatchCheckLayerAvailability",
            "ecr:BatchGetImage",
            "ecr:GetDownloadUrlForLayer",
        ],
    ):
        policy = {"Version": "2012-10-17", "Statement": [allow(actions, "*")]}
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(policy))
        for call, rest in (
            (sagemaker.create_training_job, request),
            (
                sagemaker.create_processing_job,
                {
                    "ProcessingJobName": unique("job"),
                    "AppSpecification": {"ImageUri": IMAGE},
                    "ProcessingResources": {"ClusterConfig": CLUSTER},
                },
            ),
        ):
            code, message = refused(call, **rest | {"RoleArn": role})
            assert code == "ValidationException"
            assert message.startswith(
                "Access denied for repository: fraudloop-local in registry ID: 000000000000."
            )


@pytest.mark.parametrize("prefix", ["nothing/here", "secret-bucket"])
def test_training_needs_inputs_that_its_role_sees(
    client: Callable[[str], Any], job_role: str, bucket: str, prefix: str
) -> None:
    hidden = unique("hidden")
    client("s3").create_bucket(Bucket=hidden)
    client("s3").put_object(Bucket=hidden, Key="a.csv", Body=b"1")
    uri = f"s3://{hidden}/" if prefix == "secret-bucket" else f"s3://{bucket}/{prefix}"
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}
    code, message = refused(
        client("sagemaker").create_training_job,
        **TRAINING,
        TrainingJobName=unique("job"),
        RoleArn=job_role,
        InputDataConfig=[{"ChannelName": "train", "DataSource": source}],
    )
    assert code == "ValidationException"
    assert message.startswith(
        f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that '
        "the bucket exists in the selected region (us-east-1), that objects exist under that S3 "
        f'prefix, and that the role "{job_role}" has "s3:ListBucket" permissions on bucket'
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("absent/model.tar.gz", "Could not find model data at"),
        ("secret/model.tar.gz", "Could not access model data at"),
        ("https", "does not support model data at https://"),
    ],
)
def test_a_models_data_is_looked_at(
    client: Callable[[str], Any], job_role: str, bucket: str, key: str, message: str
) -> None:
    client("s3").put_object(Bucket=bucket, Key="secret/model.tar.gz", Body=b"1")
    url = f"s3://{bucket}/{key}" if key != "https" else f"https://{bucket}.s3.amazonaws.com/m"
    assert (
        message
        in refused(
            client("sagemaker").create_model,
            ModelName=unique("model"),
            ExecutionRoleArn=job_role,
            PrimaryContainer={"Image": IMAGE, "ModelDataUrl": url},
        )[1]
    )


@pytest.mark.parametrize("creation", ["CreateModel", "CreateTrainingJob", "CreateProcessingJob"])
def test_networks_must_exist(client: Callable[[str], Any], job_role: str, creation: str) -> None:
    """And none does: EC2 is not supported here."""
    network: dict[str, Any] = {"VpcConfig": {"Subnets": ["subnet-0"], "SecurityGroupIds": ["sg-0"]}}
    if creation == "CreateProcessingJob":
        network = {"NetworkConfig": network}
    (found,) = (each for each in CREATIONS if each[0] == creation)
    request = {**request_of(found, job_role), **network}
    with pytest.raises(ClientError, match="VpcConfig: "):
        client("sagemaker")._make_api_call(creation, request)


@pytest.mark.parametrize("megabytes", [1025, 1500, 6143])
def test_serverless_memory_comes_in_gigabytes(
    client: Callable[[str], Any], job_role: str, megabytes: int
) -> None:
    model = unique("model")
    client("sagemaker").create_model(
        ModelName=model, ExecutionRoleArn=job_role, PrimaryContainer={"Image": IMAGE}
    )
    variant = {
        "VariantName": "v",
        "ModelName": model,
        "ServerlessConfig": {"MemorySizeInMB": megabytes, "MaxConcurrency": 1},
    }
    assert refused(
        client("sagemaker").create_endpoint_config,
        EndpointConfigName=unique("config"),
        ProductionVariants=[variant],
    ) == (
        "ValidationException",
        f"MemorySizeInMB must be 1024, 2048, 3072, 4096, 5120 or 6144, got {megabytes}",
    )


@pytest.mark.parametrize(
    ("creation", "type_"),
    [
        ("CreateTrainingJob", "ml.g5.xlarge"),
        ("CreateHyperParameterTuningJob", "ml.g4dn.xlarge"),
        ("CreateProcessingJob", "ml.r5d.large"),
        ("CreateDataQualityJobDefinition", "ml.g5.xlarge"),
    ],
)
def test_a_key_needs_volumes(
    client: Callable[[str], Any], job_role: str, creation: str, type_: str
) -> None:
    """Instance types with local storage have none that it could be for (ResourceConfig)."""
    (found,) = (each for each in CREATIONS if each[0] == creation)
    key = client("kms").create_key()["KeyMetadata"]["Arn"]
    body = json.dumps(request_of(found, job_role))
    kind = '"InstanceType": "ml.m5.large"'
    assert kind in body
    request = json.loads(
        body.replace(kind, f'"InstanceType": "{type_}", "VolumeKmsKeyId": "{key}"')
    )
    with pytest.raises(ClientError, match=f"You can't request a VolumeKmsKeyId .* got {type_}"):
        client("sagemaker")._make_api_call(creation, request)


def test_iceberg_is_not_made_and_said_so(client: Callable[[str], Any], job_role: str) -> None:
    offline = {"S3StorageConfig": {"S3Uri": "s3://a/b"}, "TableFormat": "Iceberg"}
    assert (
        "tables of format Iceberg"
        in refused(
            client("sagemaker").create_feature_group,
            FeatureGroupName=unique("group"),
            RoleArn=job_role,
            OfflineStoreConfig=offline,
            **FEATURES,
        )[1]
    )


@pytest.mark.parametrize("arguments", [None, {}, []])
def test_a_step_has_arguments(pipeline: Callable[..., str], arguments: Any) -> None:
    with pytest.raises(ClientError, match="step 'Empty' must have Arguments"):
        pipeline([{"Name": "Empty", "Type": "Processing", "Arguments": arguments}])


def test_packages_of_a_group_have_its_tags(client: Callable[[str], Any]) -> None:
    group = unique("group")
    client("sagemaker").create_model_package_group(ModelPackageGroupName=group)
    assert (
        "Tags must be absent"
        in refused(
            client("sagemaker").create_model_package,
            ModelPackageGroupName=group,
            Tags=[{"Key": "a", "Value": "b"}],
        )[1]
    )


@pytest.mark.parametrize(
    ("operation", "member", "type_"),
    [
        ("CreateTrainingJob", "ResourceConfig.InstanceType", "ml.c6i.large"),
        ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceType", "ml.c5.large"),
        ("CreateTrainingJob", "ResourceConfig.InstanceType", "m5.large"),
        ("CreateProcessingJob", "ProcessingResources.ClusterConfig.InstanceType", "ml.x9.huge"),
    ],
)
def test_each_operation_has_instance_types_of_its_own(
    client: Callable[[str], Any], job_role: str, operation: str, member: str, type_: str
) -> None:
    requests: dict[str, dict[str, Any]] = {
        "CreateTrainingJob": {**TRAINING, "TrainingJobName": unique("job")},
        "CreateProcessingJob": {
            "ProcessingJobName": unique("job"),
            "AppSpecification": {"ImageUri": IMAGE},
            "ProcessingResources": {"ClusterConfig": CLUSTER},
        },
    }
    request = json.loads(json.dumps(requests[operation]))
    place = request
    *path, last = member.split(".")
    for name in path:
        place = place[name]
    place[last] = type_
    with pytest.raises(ClientError, match="Member must satisfy enum value set"):
        client("sagemaker")._make_api_call(operation, {**request, "RoleArn": job_role})


def test_who_made_a_pipeline_is_told(
    client: Callable[[str], Any],
    pipeline: Callable[..., str],
    execute: Callable[..., dict[str, Any]],
) -> None:
    step = {"Name": "End", "Type": "Fail", "Arguments": {"ErrorMessage": "over"}}
    name = pipeline([step])
    described = client("sagemaker").describe_pipeline(PipelineName=name)
    operator = client("sts").get_caller_identity()["Arn"]
    assert described["CreatedBy"]["IamIdentity"]["Arn"] == operator
    assert execute(name)["CreatedBy"]["IamIdentity"]["Arn"] == operator
