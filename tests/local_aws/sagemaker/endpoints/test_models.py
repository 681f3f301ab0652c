"""Models and endpoint configurations, made by a real client."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_aws.sagemaker.serving import IMAGE, STAND_IN, Serving, production_variant, unique

Client = Callable[[str], Any]


@pytest.fixture(scope="module")
def serving(client: Client) -> Serving:
    return Serving.make(client)


def package(client: Client, serving: Serving, status: str, **supported: list[str]) -> str:
    """A model package of the stand-in; its ARN."""
    group = unique("group")
    sagemaker = client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    arn: str = sagemaker.create_model_package(
        ModelPackageGroupName=group,
        ModelApprovalStatus=status,
        InferenceSpecification={
            "Containers": [
                {
                    "Image": IMAGE,
                    "ModelDataUrl": f"s3://{serving.bucket}/model.tar.gz",
                    "Environment": {"PYTHONPATH": str(STAND_IN), "STAND_IN_NAME": "package"},
                }
            ],
            "SupportedContentTypes": ["application/json"],
            "SupportedResponseMIMETypes": ["application/json"],
            **supported,
        },
    )["ModelPackageArn"]
    return arn


def model_of(client: Client, serving: Serving, arn: str, **environment: str) -> str:
    name = unique("model")
    client("sagemaker").create_model(
        ModelName=name,
        ExecutionRoleArn=serving.role,
        PrimaryContainer={"ModelPackageName": arn, "Environment": environment},
    )
    return name


def test_a_package_is_served_with_its_variables_or_the_models_own(
    client: Client, serving: Serving
) -> None:
    arn = package(client, serving, "Approved")
    plain = serving.endpoint(serving.config(model_of(client, serving, arn)))
    # Whether AWS merges the two is not known: nobody may rely on a variable of the package's.
    changed = model_of(client, serving, arn, PYTHONPATH=str(STAND_IN), OTHER="1")
    other = serving.endpoint(serving.config(changed))
    assert (serving.ask(plain)["name"], serving.ask(other)["name"]) == ("package", "model")
    for endpoint in (plain, other):
        client("sagemaker").delete_endpoint(EndpointName=endpoint)


def test_a_hosted_container_is_not_told_its_region(client: Client, serving: Serving) -> None:
    untold = serving.endpoint(serving.config(serving.model()))
    told = serving.endpoint(serving.config(serving.model(AWS_DEFAULT_REGION="us-east-1")))
    assert [serving.ask(name)["region"] for name in (untold, told)] == [None, "us-east-1"]
    for endpoint in (untold, told):
        client("sagemaker").delete_endpoint(EndpointName=endpoint)


def test_a_package_runs_on_the_instances_that_it_lists(client: Client, serving: Serving) -> None:
    arn = package(
        client,
        serving,
        "Approved",
        SupportedRealtimeInferenceInstanceTypes=["ml.c6i.large"],
        SupportedTransformInstanceTypes=["ml.m5.large"],
    )
    model = model_of(client, serving, arn)
    listed = "RealtimeInferenceInstanceTypes are ml.c6i.large"
    with pytest.raises(ClientError, match=f"ml.m5.large is not supported.*{listed}"):
        serving.config(model)
    variant = production_variant(model, InstanceType="ml.c6i.large")
    client("sagemaker").create_endpoint_config(
        EndpointConfigName=unique("config"), ProductionVariants=[variant]
    )
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{serving.bucket}/in"}}
    with pytest.raises(ClientError, match=r"ml\.c6i\.large is not supported by model package"):
        client("sagemaker").create_transform_job(
            TransformJobName=unique("transform"),
            ModelName=model,
            TransformInput={"ContentType": "text/csv", "DataSource": source},
            TransformOutput={"S3OutputPath": f"s3://{serving.bucket}/out"},
            TransformResources={"InstanceType": "ml.c6i.large", "InstanceCount": 1},
        )


@pytest.mark.parametrize("status", ["PendingManualApproval", "Rejected"])
def test_a_package_must_be_approved(client: Client, serving: Serving, status: str) -> None:
    with pytest.raises(ClientError, match=f'Invalid approval status "{status}"'):
        model_of(client, serving, package(client, serving, status))


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"Image": "somebody/else:1"}, "somebody/else:1"),
        ({"ModelDataUrl": "s3://x/y"}, "Image or a ModelPackageName"),
    ],
)
def test_a_model_that_cannot_run_is_refused(
    client: Client, serving: Serving, container: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ClientError, match=reason):
        client("sagemaker").create_model(
            ModelName=unique("model"), ExecutionRoleArn=serving.role, PrimaryContainer=container
        )


def test_a_model_is_described_listed_and_deleted(client: Client, serving: Serving) -> None:
    sagemaker, name = client("sagemaker"), serving.model()
    described = sagemaker.describe_model(ModelName=name)
    assert described["PrimaryContainer"]["Image"] == IMAGE
    listed = sagemaker.list_models(NameContains=name)["Models"]
    assert [model["ModelArn"] for model in listed] == [described["ModelArn"]]
    with pytest.raises(ClientError, match="already existing model"):
        sagemaker.create_model(
            ModelName=name, ExecutionRoleArn=serving.role, PrimaryContainer={"Image": IMAGE}
        )
    sagemaker.delete_model(ModelName=name)
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.describe_model(ModelName=name)


@pytest.mark.parametrize(
    ("variant", "reason"),
    [
        ({"ModelName": "nothing"}, "Could not find model"),
        ({"InitialInstanceCount": None}, "InitialInstanceCount"),
        ({"VariantName": "b"}, None),
    ],
)
def test_variants_are_checked(
    client: Client, serving: Serving, variant: dict[str, Any], reason: str | None
) -> None:
    full = {
        "VariantName": "a",
        "ModelName": serving.model(),
        "InstanceType": "ml.m5.large",
        "InitialInstanceCount": 1,
    }
    wanted = {key: value for key, value in (full | variant).items() if value is not None}
    name = unique("config")
    request = {"EndpointConfigName": name, "ProductionVariants": [wanted]}
    if reason is None:
        client("sagemaker").create_endpoint_config(**request)
        described = client("sagemaker").describe_endpoint_config(EndpointConfigName=name)
        assert described["ProductionVariants"] == [wanted]
        return
    with pytest.raises(ClientError, match=reason):
        client("sagemaker").create_endpoint_config(**request)
