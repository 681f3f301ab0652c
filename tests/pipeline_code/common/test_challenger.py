"""How the parameter spells the challenger's package."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.common.challenger import NOBODY, PARTS, SEPARATOR, package_of, spelled

TEXT = st.text(st.characters(blacklist_characters=SEPARATOR), min_size=1)


def package(arn: str, image: str, data: str, **environment: str) -> dict[str, Any]:
    container = {"Image": image, "ModelDataUrl": data, "Environment": environment}
    return {
        "ModelPackageArn": arn,
        "InferenceSpecification": {"Containers": [container]},
    }


@given(arn=TEXT, image=TEXT, data=TEXT, review=TEXT, decline=TEXT)
def test_every_part_is_read_back(
    arn: str, image: str, data: str, review: str, decline: str
) -> None:
    told = package(arn, image, data, REVIEW_THRESHOLD=review, DECLINE_THRESHOLD=decline)
    assert spelled(told).split(SEPARATOR) == [arn, image, data, review, decline]
    assert package_of(spelled(told)) == arn


def test_a_package_without_thresholds_has_none() -> None:
    assert spelled(package("a", "i", "d")) == "a|i|d|none|none"
    assert len(PARTS) == 5
    assert package_of(NOBODY) == NOBODY


def test_what_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(ValueError, match=r"image must not contain \|, got a\|b"):
        spelled(package("a", "a|b", "d"))


def test_a_package_of_several_containers_is_refused() -> None:
    several = package("a", "i", "d")
    several["InferenceSpecification"]["Containers"] *= 2
    with pytest.raises(ValueError, match="package must have one container, got 2"):
        spelled(several)
