"""How parameters spell a model package."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.contracts.packages import (
    NO_MODEL,
    PARTS,
    SEPARATOR,
    package_of,
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


@given(
    arn=TEXT,
    image=TEXT,
    data=TEXT,
    variables=st.dictionaries(st.sampled_from(VARIABLES), TEXT),
)
def test_every_part_is_read_back(
    arn: str, image: str, data: str, variables: dict[str, str]
) -> None:
    value = spelled(package(arn, image, data, **variables, OTHER="1"))
    parts = value.split(SEPARATOR)
    assert len(parts) == len(PARTS)
    assert parts[:3] == [arn, image, data]
    assert package_of(value) == arn
    assert variables_of(value) == variables


@pytest.mark.parametrize("value", [NO_MODEL, "", "arn:fraud/2"])
def test_a_package_that_is_only_named_has_no_variables(value: str) -> None:
    assert package_of(value) == value
    assert variables_of(value) == {}


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image must not contain \|, got a\|b"):
        spelled(package("a", "a|b", "d"))


def test_a_package_of_several_containers_is_refused() -> None:
    several = package("a", "i", "d")
    several["InferenceSpecification"]["Containers"] *= 2
    with pytest.raises(ValueError, match="package must have one container, got 2"):
        spelled(several)
