"""Keys of volumes, which instances with disks of their own do not have."""

import re
from typing import Any

from local_aws.sagemaker.errors import validation

# Families with a d, such as c5d, g4dn and p4d, and the large accelerated ones.
_LOCAL_STORAGE = re.compile(r"ml\.(?:[a-z0-9-]*d|g[5-9]|p[5-9]|trn)[a-z0-9-]*\.")


def check_keys(request: Any, name: str = "") -> None:
    """Refuse a key for volumes that there are none of, anywhere in a request.

    AWS's words (ResourceConfig, ProcessingClusterConfig, TransformResources); its message is not
    published.

    Raises:
        ServiceError: Naming the type.
    """
    if isinstance(request, dict):
        kind = request.get("InstanceType")
        if request.get("VolumeKmsKeyId") and kind and _LOCAL_STORAGE.match(kind):
            raise validation(
                "You can't request a VolumeKmsKeyId when using an instance type with local "
                f"storage, got {kind} in {name or 'the request'}"
            )
        for key, value in request.items():
            check_keys(value, key)
    elif isinstance(request, list):
        for value in request:
            check_keys(value, name)
