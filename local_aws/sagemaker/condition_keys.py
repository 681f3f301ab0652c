"""The condition keys that the Service Authorization Reference lists for SageMaker's requests."""

from collections.abc import Iterator, Mapping
from typing import Any

# By the member of a request that has the value; keys of many values are lists.
_KEYS = {
    "AcceleratorType": "AcceleratorTypes",
    "EnableInterContainerTrafficEncryption": "InterContainerTrafficEncryption",
    "EnableNetworkIsolation": "NetworkIsolation",
    "InstanceType": "InstanceTypes",
    "KeepAlivePeriodInSeconds": "KeepAlivePeriod",
    "MaxConcurrency": "ServerlessMaxConcurrency",
    "MaxRuntimeInSeconds": "MaxRuntimeInSeconds",
    "MemorySizeInMB": "ServerlessMemorySize",
    "ModelApprovalStatus": "ModelApprovalStatus",
    "SecurityGroupIds": "VpcSecurityGroupIds",
    "Subnets": "VpcSubnets",
    "VolumeKmsKeyId": "VolumeKmsKey",
}
_LISTS = frozenset({"AcceleratorTypes", "InstanceTypes", "VpcSecurityGroupIds", "VpcSubnets"})
# A key's id says by the structure that it is in what it encrypts.
_OUTPUTS = ("OutputDataConfig", "ProcessingOutputConfig", "TransformOutput", "OutputConfig")
_STORES = {
    ("OnlineStoreConfig", "EnableOnlineStore"): "FeatureGroupEnableOnlineStore",
    ("OfflineStoreConfig", "DisableGlueTableCreation"): "FeatureGroupDisableGlueTableCreation",
    ("SecurityConfig", "KmsKeyId"): "FeatureGroupOnlineStoreKmsKey",
    ("S3StorageConfig", "KmsKeyId"): "FeatureGroupOfflineStoreKmsKey",
    ("S3StorageConfig", "S3Uri"): "FeatureGroupOfflineStoreS3Uri",
    **{(output, "KmsKeyId"): "OutputKmsKey" for output in _OUTPUTS},
    ("MonitoringOutputConfig", "KmsKeyId"): "OutputKmsKey",
}


def of(request: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a request, such as `sagemaker:InstanceTypes`; what it lacks has no key."""
    found: dict[str, Any] = {}
    for parent, member, value in _members(request, ""):
        key = _STORES.get((parent, member), _KEYS.get(member))
        if key is None:
            continue
        name = f"sagemaker:{key}"
        if key in _LISTS:
            found[name] = [*found.get(name, []), *(value if isinstance(value, list) else [value])]
        else:
            found[name] = _text(value)
    return {name: _only(value) for name, value in found.items()}


def _members(value: Any, parent: str) -> Iterator[tuple[str, str, Any]]:
    """All members of a request, each with the name of the structure it is in."""
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield parent, name, member
            yield from _members(member, name)
    elif isinstance(value, list):
        for member in value:
            yield from _members(member, parent)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _only(value: Any) -> Any:
    """A single value for itself: a list is many values, which only `ForAllValues` compares."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value
