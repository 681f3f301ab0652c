"""Gives the monitors the baseline of the model that they watch."""

from typing import Any
from urllib.parse import urlsplit

import boto3

from deploy_model.log import log
from deploy_model.packages import Package

__all__ = ["copy_baselines"]


def copy_baselines(package: Package, bucket: str) -> None:
    """Copy a package's drift baselines to where the monitors read them.

    Needs: s3:GetObject on the baselines and s3:PutObject on `monitoring/baseline/*`.
    """
    baselines: Any = package.get("DriftCheckBaselines", {}).get("ModelDataQuality", {})
    s3 = boto3.client("s3")
    for kind in ("Statistics", "Constraints"):
        if kind not in baselines:
            log("package has no baseline", kind=kind)
            continue
        source = urlsplit(baselines[kind]["S3Uri"])
        s3.copy_object(
            CopySource={"Bucket": source.netloc, "Key": source.path.lstrip("/")},
            Bucket=bucket,
            Key=f"monitoring/baseline/{kind.lower()}.json",
        )
