"""Models: an image, its data and its environment, under a name."""

import http
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from local_aws.behaviours.playing import plays
from local_aws.sagemaker.containers import check_image
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.data import split
from local_aws.sagemaker.errors import ServiceError, unsupported, validation
from local_aws.sagemaker.events import now
from local_aws.sagemaker.queries import page, select

KIND = "model"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingContainer:
    """What a server of a model runs.

    Args:
        image: The image's address.
        data: S3 address of model.tar.gz; None if the image needs none.
        environment: The container's variables.
        role_arn: Whose permissions it has.
        isolated: Whether it has network isolation.
    """

    image: str
    data: str | None
    environment: dict[str, str]
    role_arn: str
    isolated: bool


class Models:
    """CreateModel and its siblings."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def create_model(self, request: dict[str, Any]) -> dict[str, Any]:
        """Keep a model whose container can be resolved."""
        name = request["ModelName"]
        arn = self._context.arn(KIND, name)
        if "ExecutionRoleArn" not in request:
            raise validation("ExecutionRoleArn must be given; the container's calls need a role")
        model = {key: value for key, value in request.items() if key != "Tags"}
        container = serving_container(self._context, model)  # refuses what cannot run
        if container.data is not None:
            _check_data(self._context, container.data, container.role_arn)
        model.setdefault("EnableNetworkIsolation", False)
        model |= {"ModelArn": arn, "CreationTime": now()}
        if not self._context.store.add(KIND, name, model):
            raise validation(f'Cannot create already existing model "{arn}".')
        return {"ModelArn": arn}

    def describe_model(self, request: dict[str, Any]) -> dict[str, Any]:
        """All about a model, as it was asked for."""
        return find_model(self._context, request["ModelName"])

    def list_models(self, request: dict[str, Any]) -> dict[str, Any]:
        """Summaries of models."""
        found = select(self._context.store.list(KIND), request, name="ModelName")
        return page(found, request, "Models", _summary)

    def delete_model(self, request: dict[str, Any]) -> dict[str, Any]:
        """Forget a model; endpoints that run it go on."""
        if not self._context.store.delete(KIND, request["ModelName"]):
            raise _missing(self._context, request["ModelName"])
        return {}


def find_model(context: Context, name: str) -> dict[str, Any]:
    """A model's document.

    Raises:
        ServiceError: If there is none.
    """
    model = context.store.get(KIND, name)
    if model is None:
        raise _missing(context, name)
    return model


def check_instance_type(
    context: Context, model: Mapping[str, Any], instance_type: str, use: str
) -> None:
    """Refuse instances that a model's package does not list for a use, if it lists any.

    AWS enforces the lists of Marketplace's packages; of versioned ones, for which they are
    optional (API reference, InferenceSpecification), nothing is published: the stricter holds.

    Args:
        context: Shared state.
        model: The model's document.
        instance_type: What it is to run on.
        use: `RealtimeInference` or `Transform`.

    Raises:
        ServiceError: If the package lists others only.
    """
    package = model.get("PrimaryContainer", {}).get("ModelPackageName")
    if package is None:
        return
    described = context.call("DescribeModelPackage", {"ModelPackageName": package})
    listed = described["InferenceSpecification"].get(f"Supported{use}InstanceTypes")
    if listed and instance_type not in listed and plays("package-instances", "bind"):
        raise validation(
            f"Instance type {instance_type} is not supported by model package {package}; "
            f"Supported{use}InstanceTypes are {', '.join(listed)}"
        )


def serving_container(context: Context, model: Mapping[str, Any]) -> ServingContainer:
    """What the servers of a model run; a model package is looked up in the registry.

    Raises:
        ServiceError: If the model cannot run here, or its package is not approved.
    """
    containers = [*model.get("Containers", ())]
    if "PrimaryContainer" in model:
        containers.append(model["PrimaryContainer"])
    if len(containers) != 1:
        raise unsupported(f"models of {len(containers)} containers", "give a PrimaryContainer")
    asked = containers[0]
    base: Mapping[str, Any] = asked
    if "ModelPackageName" in asked:
        base = _packaged(context, asked["ModelPackageName"])
    elif "Image" not in asked:
        raise validation("PrimaryContainer must have an Image or a ModelPackageName")
    check_image(context, base["Image"])
    return ServingContainer(
        image=base["Image"],
        data=_data(base),
        environment=_variables(asked, base),
        role_arn=model["ExecutionRoleArn"],
        isolated=model.get("EnableNetworkIsolation", False),
    )


def _variables(asked: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """Whether AWS merges a package's variables with the model's own is not documented (until 2023
    it refused both: sagemaker-python-sdk #3301, #3581). Unless told otherwise, they are lost."""
    own, packages = asked.get("Environment", {}), base.get("Environment", {})
    if own and "ModelPackageName" in asked and plays("package-variables", "refused"):
        raise validation("Environment cannot be given beside a ModelPackageName")
    return {**packages, **own} if plays("package-variables", "merge") else dict(own or packages)


def _packaged(context: Context, name: str) -> dict[str, Any]:
    package = context.call("DescribeModelPackage", {"ModelPackageName": name})
    # A package outside a group has no versions and needs no approval.
    status = package.get("ModelApprovalStatus", "Approved")
    if status != "Approved":
        raise validation(
            f'Invalid approval status "{status}" of model package {name}; approve it before it '
            "is deployed"
        )
    container: dict[str, Any] = package["InferenceSpecification"]["Containers"][0]
    return container


def _check_data(context: Context, uri: str, role_arn: str) -> None:
    """Refuse a model whose data its role cannot read, in CreateModel's words
    (philschmid/llm-sagemaker-sample #2; of none: aws-ia/ecs-blueprints #223).

    Raises:
        ServiceError: Naming the address.
    """
    if not uri.startswith("s3://"):
        raise unsupported(f"model data at {uri}", "give an address like s3://bucket/model.tar.gz")
    bucket, key = split(uri, "ModelDataUrl")
    s3 = context.role_session(role_arn, "SageMaker").client("s3")
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == http.HTTPStatus.NOT_FOUND:
            raise validation(f"Could not find model data at {uri}.") from error
        raise validation(
            f'Could not access model data at {uri}. Please ensure that the role "{role_arn}" '
            'exists and that its trust relationship policy allows the action "sts:AssumeRole" for '
            'the service principal "sagemaker.amazonaws.com". Also ensure that the role has '
            f'"s3:GetObject" permissions and that the object is located in {context.region}. If '
            "your Model uses multiple models or uncompressed models, please ensure that the role "
            'has "s3:ListBucket" permission.'
        ) from error


def _data(container: Mapping[str, Any]) -> str | None:
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source is None:
        return container.get("ModelDataUrl")
    if source.get("CompressionType") != "Gzip" or source.get("S3DataType") != "S3Object":
        raise unsupported("uncompressed model data", "give model.tar.gz as a Gzip S3Object")
    uri: str = source["S3Uri"]
    return uri


def _missing(context: Context, name: str) -> ServiceError:
    return validation(f'Could not find model "{context.arn(KIND, name)}".')


def _summary(model: Mapping[str, Any]) -> dict[str, Any]:
    return {key: model[key] for key in ("ModelName", "ModelArn", "CreationTime")}
