"""Rates a second: the bucket itself, and who is throttled."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from local_aws.quotas.rates import Bucket
from tests.local_aws.quotas.conftest import refused

RATES = st.floats(0.01, 10_000)
THROTTLED = ("ThrottlingException", "Rate exceeded")


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@given(RATES, st.lists(st.floats(0, 3), max_size=200))
def test_no_window_has_more_than_a_second_s_worth_and_what_came_in(
    rate: float, gaps: list[float]
) -> None:
    clock = Clock()
    bucket, taken = Bucket(rate, clock), 0
    for gap in gaps:
        clock.now += gap
        taken += bucket.take()
        assert taken <= max(rate, 1.0) + clock.now * rate + 1e-6


@given(RATES, st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(rate: float, calls: int) -> None:
    clock = Clock()
    bucket = Bucket(rate, clock)
    for _ in range(calls):
        assert bucket.take()
        clock.now += 1.000001 / rate


@given(RATES, st.lists(st.floats(0.5, 50), max_size=50))
def test_what_is_refused_takes_nothing(rate: float, counts: list[float]) -> None:
    clock = Clock()
    bucket, left = Bucket(rate, clock), max(rate, 1.0)
    for count in counts:
        if bucket.take(count):
            left -= count
        assert left >= -1e-6
    assert bucket.take(max(0.0, left - 1e-6))


def test_a_rate_of_nothing_gives_nothing() -> None:
    clock = Clock()
    bucket = Bucket(0, clock)
    clock.now += 1e6
    assert not bucket.take()


def test_feature_store_throttles_each_operation_by_itself(limited: Callable[[str], Any]) -> None:
    records = limited("sagemaker-featurestore-runtime")
    name = {"FeatureGroupName": "none", "RecordIdentifierValueAsString": "1"}
    batch = {"Identifiers": [{"FeatureGroupName": "none", "RecordIdentifiersValueAsString": ["1"]}]}
    assert records.batch_get_record(**batch)["Errors"]
    assert refused(records.batch_get_record, **batch) == THROTTLED
    record = [{"FeatureName": "id", "ValueAsString": "1"}]
    assert refused(records.put_record, FeatureGroupName="none", Record=record) == THROTTLED
    # The others have 10,000 a second.
    assert refused(records.get_record, **name)[0] == "ResourceNotFound"
    assert (
        refused(records.delete_record, **name, EventTime="2025-01-01T00:00:00Z")[0]
        != (THROTTLED[0])
    )


def test_an_account_has_so_many_feature_groups(limited: Callable[[str], Any]) -> None:
    sagemaker = limited("sagemaker")

    def group(name: str) -> dict[str, Any]:
        names = ("id", "time")
        return {
            "FeatureGroupName": name,
            "RecordIdentifierFeatureName": "id",
            "EventTimeFeatureName": "time",
            "FeatureDefinitions": [{"FeatureName": n, "FeatureType": "String"} for n in names],
            "OnlineStoreConfig": {"EnableOnlineStore": True},
        }

    sagemaker.create_feature_group(**group("one"))
    code, words = refused(sagemaker.create_feature_group, **group("two"))
    assert code == "ResourceLimitExceeded"
    assert (
        "is 1 FeatureGroups, with current utilization of 1 FeatureGroups and a request delta of 1 "
        "FeatureGroups. Please use AWS Service Quotas"
    ) in words
    sagemaker.delete_feature_group(FeatureGroupName="one")
    sagemaker.create_feature_group(**group("two"))
    sagemaker.delete_feature_group(FeatureGroupName="two")
