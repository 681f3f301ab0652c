"""The champion: the registry's package that was approved last, fetched so that it can be scored."""

import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pipeline_code.common.approvals import approval
from pipeline_code.common.exits import BadInput
from pipeline_code.train.model import Model

MODEL_ARCHIVE = "model.tar.gz"


@dataclass(frozen=True, slots=True)
class Package:
    """An approved model package and where its artifact lies."""

    arn: str
    model_data_url: str


def newest_approved(sagemaker: Any, group: str) -> Package | None:
    """The package of a model package group that was approved last; None if none is approved.

    Args:
        sagemaker: A boto3 client of the SageMaker API.
        group: Name or ARN of the model package group.
    """
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=group, ModelApprovalStatus="Approved"
    )
    approved = [
        sagemaker.describe_model_package(ModelPackageName=summary["ModelPackageArn"])
        for page in pages
        for summary in page["ModelPackageSummaryList"]
    ]
    if not approved:
        return None
    package = max(approved, key=approval)
    arn = package["ModelPackageArn"]
    containers = package.get("InferenceSpecification", {}).get("Containers", [])
    if not containers or "ModelDataUrl" not in containers[0]:
        raise BadInput(f"the champion must name its model data, got none in {arn}; reject it")
    return Package(arn, containers[0]["ModelDataUrl"])


def download(s3: Any, package: Package) -> Model:
    """Fetches a package's artifact from S3 and loads the model."""
    location = urlparse(package.model_data_url)
    if location.scheme != "s3" or not location.netloc:
        raise BadInput(f"model data must be an s3:// address, got {package.model_data_url}")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / MODEL_ARCHIVE
        s3.download_file(location.netloc, location.path.lstrip("/"), str(archive))
        return load_archive(archive)


def load_archive(archive: Path) -> Model:
    """Loads the model inside a model.tar.gz."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(archive) as tar:
                # The filter refuses absolute paths, links out of the folder and devices.
                tar.extractall(folder, filter="data")
        except tarfile.TarError as error:
            raise BadInput(
                f"{archive.name} must be a tar archive of a model, "
                f"got {archive.stat().st_size} bytes that are none"
            ) from error
        return Model.load(Path(folder))
