"""Which tests stay together when several processes share them (`make test`)."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
INTEGRATION = TESTS / "integration"
# Their jobs' hosts meet on a fixed port of this machine.
CLUSTERS = frozenset(
    {
        TESTS / "local_aws/sagemaker/test_image_training.py",
        TESTS / "pipeline_code/train/test_hosts.py",
    }
)


# First, since the processes read the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One process plays the loop for all integration tests; elsewhere a file's tests stay together.

    Fixtures of a session or a module are then made about as often as by a single process.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item.path)))


def _group(file: Path) -> str:
    if file.is_relative_to(INTEGRATION):
        return "integration"
    if file in CLUSTERS:
        return "clusters"
    return str(file.relative_to(TESTS))
