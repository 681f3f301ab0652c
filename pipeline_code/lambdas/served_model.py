"""The model that an endpoint serves, for handlers that share this file.

Needs: sagemaker:DescribeEndpoint, DescribeEndpointConfig and DescribeModel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from pipeline_code.contracts.packages import NO_MODEL

__all__ = ["ServedModel", "is_absent", "served"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """What is behind an endpoint.

    Attributes:
        package: ARN of the model package whose responses are returned, or `none`.
        spelled: What the parameter of the approved package said of it.
        challenger: ARN of the one that sees the same requests in its shadow, or `none`.
        failure: Why the endpoint's last update failed, if it did.
        status: The endpoint's.
        lost: Whether what it runs by was deleted, so that nobody can tell what that is. SageMaker
            may go back to the old configuration without a word (terraform-provider-aws #46663,
            #48997); CloudFormation then takes the update for done and deletes that configuration.
    """

    package: str = NO_MODEL
    spelled: str = NO_MODEL
    challenger: str = NO_MODEL
    failure: str = ""
    status: str = "InService"
    lost: bool = False


def served(sagemaker: Any, endpoint_name: str) -> ServedModel | None:
    """What the endpoint serves; None if there is no endpoint."""
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=endpoint_name)
    except ClientError as error:
        if is_absent(error):
            return None
        raise
    failure, status = endpoint.get("FailureReason", ""), endpoint["EndpointStatus"]
    try:
        config = sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        package, spelled = _package(sagemaker, config["ProductionVariants"])
        challenger, _ = _package(sagemaker, config.get("ShadowProductionVariants", ()))
    except ClientError as error:
        if is_absent(error):
            return ServedModel(failure=failure, status=status, lost=True)
        raise
    return ServedModel(
        package=package, spelled=spelled, challenger=challenger, failure=failure, status=status
    )


def is_absent(error: ClientError) -> bool:
    """Whether SageMaker says that something does not exist: it has no error code of its own."""
    found = error.response["Error"]
    return found["Code"] == "ValidationException" and (
        "Could not find" in found["Message"] or "does not exist" in found["Message"]
    )


def _package(sagemaker: Any, variants: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """ARN of a variant's package, and how it was spelled: by its ARN alone if it was not."""
    if not variants:
        return NO_MODEL, NO_MODEL
    model = sagemaker.describe_model(ModelName=variants[0]["ModelName"])
    container = model.get("PrimaryContainer") or model["Containers"][0]
    # A challenger's model is made of what its package holds: the package need not be approved.
    told = container.get("Environment", {})
    package = str(container.get("ModelPackageName", told.get("MODEL_PACKAGE_ARN", NO_MODEL)))
    return package, told.get("MODEL_PACKAGE", package)
