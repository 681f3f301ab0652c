"""Instance types, and the disks that some of them bring along.

SageMaker encrypts a volume under a key of ours where it attaches one. Instances with disks of their
own get none: "You can't request a VolumeKmsKeyId when using an instance type with local storage"
(botocore, ResourceConfig; sagemaker-python-sdk #3870). Their disks are encrypted by the
machine, with a key that nobody else has and that ends with the instance.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["check_instance_type", "has_local_disk"]

# As the SageMaker SDK tells them (volume_size_supported), and the newer generations of the same:
# a d in the family, such as c5d, g4dn and p4d, and what trains large models.
_LOCAL_DISK: Final = re.compile(r"ml\.(?:[a-z0-9-]*d|g[5-9]|p[5-9]|trn)[a-z0-9-]*\.")


def has_local_disk(instance_type: str) -> bool:
    """Whether instances of a type have disks of their own, in place of a volume.

    has_local_disk("ml.g5.xlarge")  # True
    """
    return _LOCAL_DISK.match(instance_type) is not None


def check_instance_type(
    name: str, value: str, *, example: str = "ml.m5.xlarge", local_disk: bool = False
) -> None:
    """Refuse what is no type of SageMaker's, and a disk that is not under the environment's key.

    Args:
        name: What the value is called in the configuration.
        value: A type.
        example: One that fits.
        local_disk: Whether its own disk will do.

    Raises:
        ValueError: Naming the value and the example.
    """
    if not value.startswith("ml."):
        raise ValueError(
            f"{name} must be a SageMaker instance type, got {value}; use one like {example}"
        )
    if has_local_disk(value) and not local_disk:
        raise ValueError(
            f"{name} must be without a disk of its own, got {value}; no key of yours can encrypt "
            f"it: use one like {example}"
        )
