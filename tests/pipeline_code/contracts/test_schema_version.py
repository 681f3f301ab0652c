"""Which version of the features' schema a process works by."""

import pytest

from pipeline_code.contracts.packages import SCHEMA_MARK, UNTOLD_VERSION
from pipeline_code.contracts.schema import NEWEST_VERSION, SCHEMA_VERSIONS, working_version


@pytest.mark.parametrize("environment", [{}, {"FEATURE_SCHEMA_VERSION": "", "MODEL_PACKAGE": ""}])
def test_who_is_told_nothing_works_by_the_newest(environment: dict[str, str]) -> None:
    assert working_version(environment) == NEWEST_VERSION


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_a_job_is_told_by_its_variable(version: str) -> None:
    assert working_version({"FEATURE_SCHEMA_VERSION": version}) == version


@pytest.mark.parametrize("version", SCHEMA_VERSIONS)
def test_a_server_is_told_by_its_package(version: str) -> None:
    assert working_version({"MODEL_PACKAGE": f"arn:fraud/7{SCHEMA_MARK}{version}"}) == version
    assert working_version({"MODEL_PACKAGE": "arn:fraud/7|image|data"}) == UNTOLD_VERSION


@pytest.mark.parametrize(
    "environment",
    [{"FEATURE_SCHEMA_VERSION": "v1"}, {"MODEL_PACKAGE": f"arn:fraud/7{SCHEMA_MARK}v1"}],
)
def test_a_version_that_this_code_has_not_is_refused(environment: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"FEATURE_SCHEMA_VERSION must be one of v2.*, got v1; "):
        working_version(environment)
