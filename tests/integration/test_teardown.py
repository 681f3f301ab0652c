"""The end of an environment: one command takes down all that was deployed, data included."""

from typing import Any

import pytest

from operations.deployment.status import stack_states

pytestmark = pytest.mark.end_to_end


# Runs last: pytest takes the files of a folder by name.
def test_destroy_needs_the_name_and_then_leaves_nothing(played: Any, fraudloop: Any) -> None:
    refused = fraudloop("destroy", "--state", str(played.state))
    assert refused.returncode == 1
    assert "--yes local" in refused.stderr
    assert "not deployed" not in stack_states(played.target).values()

    done = fraudloop("destroy", "--yes", "local", "--state", str(played.state))
    assert done.returncode == 0, done.stderr
    assert set(stack_states(played.target).values()) == {"not deployed"}
    buckets = [item["Name"] for item in played.target.client("s3").list_buckets()["Buckets"]]
    assert [name for name in buckets if name.startswith("fraudloop-")] == []
