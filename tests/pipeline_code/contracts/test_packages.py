"""How parameters spell a model package."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.contracts.packages import (
    NO_MODEL,
    PARTS,
    SEPARATOR,
    UNTOLD_VERSION,
    package_of,
    schema_version_of,
    spelled,
    variables_of,
)

TEXT = st.text(st.characters(exclude_characters=SEPARATOR), min_size=1)
VARIABLES = ("REVIEW_THRESHOLD", "DECLINE_THRESHOLD", "MODEL_DIGEST")


def package(arn: str, image: str, data: str, **environment: str) -> dict[str, Any]:
    container = {"Image": image, "ModelDataUrl": data, "Environment": environment}
    return {
        "ModelPackageArn": arn,
        "InferenceSpecification": {"Containers": [container]},
    }


def of_version(described: dict[str, Any], version: str) -> dict[str, Any]:
    return described | {"CustomerMetadataProperties": {"feature_schema_version": version}}


@given(
    arn=TEXT,
    image=TEXT,
    data=TEXT,
    variables=st.dictionaries(st.sampled_from(VARIABLES), TEXT),
    version=st.integers(1, 99).map("v{}".format),
)
def test_every_part_is_read_back(
    arn: str, image: str, data: str, variables: dict[str, str], version: str
) -> None:
    value = spelled(of_version(package(arn, image, data, **variables, OTHER="1"), version))
    parts = value.split(SEPARATOR)
    assert parts[:3] == [arn, image, data]
    assert package_of(value) == arn
    assert variables_of(value) == variables
    assert schema_version_of(value) == version
    # Of the version that is older than a second one, the text is what it was before there was one.
    assert len(parts) == len(PARTS) + (version != UNTOLD_VERSION)


def test_a_package_that_does_not_say_its_version_is_spelled_as_ever() -> None:
    silent = package("a", "i", "d")
    assert spelled(silent) == spelled(of_version(silent, UNTOLD_VERSION)) == "a|i|d|||"


@pytest.mark.parametrize("value", [NO_MODEL, "", "arn:fraud/2"])
def test_a_package_that_is_only_named_has_no_variables(value: str) -> None:
    assert package_of(value) == value
    assert variables_of(value) == {}
    assert schema_version_of(value) == UNTOLD_VERSION


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image must not contain \|, got a\|b"):
        spelled(package("a", "a|b", "d"))
    with pytest.raises(ValueError, match=r"feature_schema_version must not contain \|, got v3\|x"):
        spelled(of_version(package("a", "i", "d"), "v3|x"))


def test_a_package_of_several_containers_is_refused() -> None:
    several = package("a", "i", "d")
    several["InferenceSpecification"]["Containers"] *= 2
    with pytest.raises(ValueError, match="package must have one container, got 2"):
        spelled(several)
