"""Gives the monitors what the model that they watch learned from, each version its own."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import boto3
from pipeline_code.contracts.monitoring import MonitorKind

from deploy_model.log import log
from deploy_model.packages import Package

__all__ = ["copy_baselines"]

PREFIX = "monitoring/baseline"
# By kind of monitor: where the registry has its baseline, and the constraints in it. It has no
# place for the statistics of the last two, which lie beside their constraints.
KINDS = {
    MonitorKind.DATA_QUALITY: ("ModelDataQuality", "Constraints"),
    MonitorKind.MODEL_QUALITY: ("ModelQuality", "Constraints"),
    MonitorKind.BIAS: ("Bias", "PostTrainingConstraints"),
    MonitorKind.ATTRIBUTION: ("Explainability", "Constraints"),
}


def copy_baselines(package: Package, bucket: str) -> None:
    """Copy what is not there yet of a package's baselines to where the monitors read them.

    They lie below `monitoring/baseline/<group>/<version>/<kind>/`, so that a monitor can never read
    another version's, whichever is deployed or rolled back meanwhile. The monitor of attributions
    also gets the model. A kind of which the package has no baseline, or whose files are gone, gets
    none: its monitor fails for the lack of it, which is an alarm, and the model serves.

    Needs: s3:GetObject and, for the bucket, s3:ListBucket on the baselines and the model; both and
    s3:PutObject on `monitoring/baseline/*`.
    """
    version = str(package["ModelPackageArn"]).rpartition(":model-package/")[2]
    wanted = dict(_files(package))
    if not wanted:
        return
    s3 = boto3.client("s3")
    folder = f"{PREFIX}/{version}/"
    there = {key.removeprefix(folder) for key in _keys(s3, bucket, folder)}
    for name in sorted(wanted.keys() - there):
        _copy(s3, wanted[name], bucket, folder + name)


def _files(package: Package) -> Iterator[tuple[str, str]]:
    """Names below the version's folder, and the URIs of what they are copies of."""
    baselines: Any = package.get("DriftCheckBaselines", {})
    for kind, (member, constraints) in KINDS.items():
        found = baselines.get(member, {})
        if constraints not in found:
            log(
                "package has no baseline",
                kind=kind,
                model_package=package["ModelPackageArn"],
                consequence="its monitor fails until a version is trained anew and deployed",
            )
            continue
        uri = found[constraints]["S3Uri"]
        beside = f"{uri.rpartition('/')[0]}/statistics.json"
        yield f"{kind}/constraints.json", uri
        yield f"{kind}/statistics.json", found.get("Statistics", {}).get("S3Uri", beside)
        if kind is MonitorKind.ATTRIBUTION:
            container = package["InferenceSpecification"]["Containers"][0]
            yield f"{kind}/model.tar.gz", container["ModelDataUrl"]


def _copy(s3: Any, uri: str, bucket: str, key: str) -> None:
    source = urlsplit(uri)
    name = source.path.lstrip("/")
    # Asked of the listing: S3 refuses an object that is not there (403) to whoever may not list the
    # whole bucket (API reference, GetObject), just as one that may not be read.
    if name not in _keys(s3, source.netloc, name):
        log("a baseline's file is gone", uri=uri, wanted_as=key)
        return
    s3.copy_object(CopySource={"Bucket": source.netloc, "Key": name}, Bucket=bucket, Key=key)


def _keys(s3: Any, bucket: str, prefix: str) -> Iterator[str]:
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return (each["Key"] for page in pages for each in page.get("Contents", ()))
