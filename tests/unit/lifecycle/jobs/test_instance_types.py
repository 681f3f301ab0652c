from typing import Any

import botocore.session
import pytest

from lifecycle.batch.config import BatchScoringConfig
from lifecycle.endpoint.config import EndpointConfig
from lifecycle.endpoint.shadow import ShadowConfig
from lifecycle.jobs.instance_types import has_local_disk
from lifecycle.jobs.job_requests import Compute, cluster
from lifecycle.monitoring.config import MonitoringConfig
from lifecycle.training.config import FeatureJobConfig, JobConfig
from lifecycle.training.job import TrainingJobConfig

KINDS = ("Processing", "ProductionVariant", "Training", "Transform")
# Accelerated generations that are newer than the SDK's list.
NEWER = {"g7", "p6-b300", "p6e-gb200"}


def known() -> set[str]:
    """Every type that botocore knows of any kind of job or endpoint."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return {each for kind in KINDS for each in model.shape_for(f"{kind}InstanceType").enum}


def test_local_disks_are_where_the_sdk_sees_them() -> None:
    # Its import takes seconds.
    from sagemaker.core.common_utils import instance_supports_kms  # noqa: PLC0415

    differing = {each for each in known() if has_local_disk(each) is instance_supports_kms(each)}
    assert {each.split(".")[1] for each in differing} == NEWER
    assert all(has_local_disk(each) for each in differing)


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (BatchScoringConfig, "instance_type"),
        (EndpointConfig, "instance_type"),
        (FeatureJobConfig, "instance_type"),
        (JobConfig, "processing_instance_type"),
        (ShadowConfig, "instance_type"),
        (TrainingJobConfig, "instance_type"),
        (lambda **values: MonitoringConfig(**values).compute, "instance_type"),
    ],
)
def test_a_disk_that_no_key_encrypts_is_refused(config: Any, name: str) -> None:
    with pytest.raises(
        ValueError, match=rf"{name} must be without a disk of its own, got ml\.r5d\.large; .*ml\."
    ):
        config(**{name: "ml.r5d.large"})


def test_a_disk_of_its_own_takes_the_place_of_volume_and_key() -> None:
    compute: dict[str, Any] = {"volume_size_gib": 7, "max_runtime_minutes": 3}
    own = cluster(Compute(instance_type="ml.g5.xlarge", local_disk=True, **compute))
    assert own == {"InstanceCount": 1, "InstanceType": "ml.g5.xlarge"}
    attached = cluster(Compute(instance_type="ml.p3.2xlarge", **compute))
    assert attached["VolumeKmsKeyId"] == "${KeyArn}"
    assert attached["VolumeSizeInGB"] == 7
