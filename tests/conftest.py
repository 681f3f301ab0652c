"""Which tests stay together when processes share them (`make test`), and which need Spark."""

import functools
import os
from pathlib import Path, PurePosixPath
from typing import Any

import botocore.session
import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from pipeline_code.features.spark.session import missing

# As in `pipeline_code.train`, and before a test imports a library: its processes share the cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Their stand-ins for the image's code, which containers of the embedded AWS would not see else.
os.environ.setdefault("FRAUDLOOP_IMAGE_FOLDERS", str(Path(__file__).parent))

# Each session would read the models of services anew, 50 ms for SageMaker alone.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)

# How fast examples are made says how busy the machine is, and nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Their jobs' hosts meet on fixed ports of this machine: those of training, and those of Spark.
CLUSTERS = {
    "tests/local_aws/sagemaker/jobs/test_image_training.py": "training hosts",
    "tests/pipeline_code/train/test_hosts.py": "training hosts",
    "tests/local_aws/sagemaker/jobs/test_spark_processing.py": "spark hosts",
    "tests/pipeline_code/features/test_spark_job.py": "spark hosts",
}


# One process plays the loop for all integration tests, and one synthesizes for all of cdk-nag's.
INTEGRATION = "tests/integration"
TOGETHER = (INTEGRATION, "tests/nag")
# These have an embedded AWS of their own.
ALONE = {
    f"{INTEGRATION}/test_again.py": "deployed again",
    f"{INTEGRATION}/test_upgrade.py": "upgraded",
    f"{INTEGRATION}/test_versions.py": "upgraded",
}
# These begin where the demo ended, on a copy, in whichever process is free by then.
SECOND = tuple(f"{INTEGRATION}/test_{name}.py" for name in ("monitoring", "parity", "streaming"))
SECOND_BEFORE = "tests/local_aws/sagemaker/endpoints/"  # by when the demo has ended


class Groups(LoadScopeScheduling):
    """Folders whose tests share what takes long stay together; elsewhere a file's tests do.

    Fixtures of a session or a module are then made about as often as by a single process.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = _file(nodeid)
        if file in SECOND:
            return "second chain"
        if file in ALONE:
            return ALONE[file]
        for folder in TOGETHER:
            if PurePosixPath(file).is_relative_to(folder):
                return folder
        return CLUSTERS.get(file, file)


# Without the plugin (`-p no:xdist`) nobody asks.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Who runs what."""
    return Groups(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The second chain comes later; where Spark cannot run, its tests say what is missing."""
    if hasattr(config, "workerinput"):  # whoever has all of them keeps them in order
        second = [item for item in items if _file(item.nodeid) in SECOND]
        rest = [item for item in items if _file(item.nodeid) not in SECOND]
        later = (place for place, item in enumerate(rest) if item.nodeid >= SECOND_BEFORE)
        place = next(later, len(rest))
        items[:] = [*rest[:place], *second, *rest[place:]]
    lacking = missing()
    if lacking is not None:
        for item in items:
            if item.get_closest_marker("spark"):
                item.add_marker(pytest.mark.skip(reason=lacking))


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
