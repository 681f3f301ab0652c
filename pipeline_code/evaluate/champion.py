"""The champion: the registry's package that was approved last, fetched so that it can be scored."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlparse

from pipeline_code.common.exits import BadInput
from pipeline_code.common.model_digest import registered_digest
from pipeline_code.contracts.decisions import APPROVED, approval
from pipeline_code.train.archive import MODEL_ARCHIVE, load_archive
from pipeline_code.train.model import Model


@dataclass(frozen=True, slots=True)
class Package:
    """An approved model package, where its artifact lies, and the digest of what is inside."""

    arn: str
    model_data_url: str
    digest: str

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> Self:
        """What a described package says.

        Raises:
            BadInput: It says of its model not where it is, or not what.
        """
        arn = described["ModelPackageArn"]
        containers = described.get("InferenceSpecification", {}).get("Containers", [])
        if not containers or "ModelDataUrl" not in containers[0]:
            raise BadInput(f"model package must name its model data, got none in {arn}")
        return cls(
            arn,
            containers[0]["ModelDataUrl"],
            registered_digest(containers[0].get("Environment", {})),
        )


def newest_approved(sagemaker: Any, group: str) -> Package | None:
    """The package of a model package group that was approved last; None if none is approved.

    Args:
        sagemaker: A boto3 client of the SageMaker API.
        group: Name or ARN of the model package group.
    """
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelApprovalStatus=APPROVED
    )
    approved = [
        sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
        for page in pages
        for summary in page["ModelPackageSummaryList"]
    ]
    if not approved:
        return None
    package = max(approved, key=approval)
    try:
        return Package.of(package)
    except BadInput as error:
        arn = package["ModelPackageArn"]
        raise BadInput(
            f"the champion {arn} must say what its model is: {error}; reject it to go on without a "
            "champion"
        ) from error


def download(s3: Any, package: Package) -> Model:
    """Fetches a package's artifact from S3 and loads the model, if it is what was registered."""
    location = urlparse(package.model_data_url)
    if location.scheme != "s3" or not location.netloc:
        raise BadInput(f"model data must be an s3:// address, got {package.model_data_url}")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / MODEL_ARCHIVE
        s3.download_file(location.netloc, location.path.lstrip("/"), str(archive))
        return load_archive(archive, package.digest)
