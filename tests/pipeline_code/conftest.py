"""What tests of several stages share."""

import pytest

from pipeline_code.contracts.schema import NEWEST_VERSION
from pipeline_code.features import definitions
from pipeline_code.features.store import online_store
from tests.pipeline_code.features.other_version import OTHER_VERSION, declared


@pytest.fixture
def other_version(monkeypatch: pytest.MonkeyPatch) -> str:
    """A second version of the features' schema, alive beside the newest."""
    monkeypatch.setattr(definitions, "DECLARED", declared())
    monkeypatch.setattr(online_store, "SCHEMA_VERSIONS", (NEWEST_VERSION, OTHER_VERSION))
    return OTHER_VERSION
