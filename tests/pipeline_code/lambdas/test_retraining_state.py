"""The state of retraining as a parameter, and the name of the data."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from retrain import pipeline
from retrain.policy import (
    is_uncured,
)
from retrain.state import RequestResult, RetrainingStart, RetrainingState
from retrain.triggers import (
    ALARM,
    DRIFT,
    MANUAL,
    SCHEDULE,
    fitting,
)

from pipeline_code.contracts.pipelines import fingerprint

from .retraining_rules import NOW, RULES, ask, in_vain, moments, started

# What is kept.

texts = st.text(max_size=80).map(fitting)


ends = st.builds(
    RetrainingStart,
    event_id=st.uuids().map(str),
    trigger=st.sampled_from([DRIFT, ALARM, SCHEDULE, MANUAL]),
    monitor=st.sampled_from(["data-quality", "model-quality", "bias", "attribution"]),
    at=moments,
    name=st.just("retrain-20180610T120000-0123456789ab"),
    reason=texts,
    evidence=texts,
    data_version=st.just("0" * 32),
)


@given(st.lists(ends, max_size=12), ends, st.none() | moments, texts)
def test_a_state_is_read_as_it_was_kept_and_fits_into_a_parameter(
    starts: list[RetrainingStart], pending: RetrainingStart, resumed: datetime | None, reason: str
) -> None:
    state = RetrainingState()
    for start in starts:
        arn = f"arn:aws:sagemaker:us-east-1:000000000000:pipeline/p/execution/{start.event_id}"
        state = state.asking(start).began(arn).passing(start.monitor, start.at)
    state = state if resumed is None else state.resuming(resumed)
    answer = RequestResult(event_id="1", outcome="started", reason=reason, execution_arn="arn")
    state = state.asking(pending).answering(answer)
    assert RetrainingState.parse(state.text()) == state


def test_the_longest_state_fits_into_a_parameter() -> None:
    state, long = RetrainingState(), fitting("ü" * 300)
    for kind in ("data-quality", "model-quality", "bias", "attribution"):
        for day in range(1, 9):
            asked = replace(ask(f"{day:036}"), monitor=kind, reason=long, evidence=long)
            at = datetime(2018, 6, day, 12, 0, 0, 123456, tzinfo=UTC)
            state = started(state, asked, at).told().passing(kind, at)
    state = state.resuming(datetime(2018, 6, 9, 1, 2, 3, 123456, tzinfo=UTC))
    assert state.last is not None
    arn = "arn:aws-us-gov:sagemaker:us-gov-west-1:000000000000:pipeline/" + "p" * 100
    answer = RequestResult(
        event_id="0" * 36, outcome="declined", reason=long * 2, execution_arn=arn
    )
    state = replace(state, last=replace(state.last, execution_arn=arn)).answering(answer)
    state = state.asking(replace(state.last or pytest.fail(), data_version="0" * 32))
    assert len(state.text().encode()) <= 4096


def test_a_later_versions_state_is_read() -> None:
    state = started(RetrainingState(), ask(), NOW)
    document = json.loads(state.text())
    document["added"] = document["last"]["added"] = 1
    assert RetrainingState.parse(json.dumps(document)) == state


@pytest.mark.parametrize("text", ["", "null", "{}", '{"last": 1}', "None"])
def test_a_state_of_somebody_else_is_an_error_that_says_what_to_do(text: str) -> None:
    with pytest.raises(ValueError, match="set the parameter to none to begin anew"):
        RetrainingState.parse(text)


def test_is_uncured_goes_by_the_limit() -> None:
    assert not is_uncured("data-quality", in_vain(2), RULES)
    assert is_uncured("data-quality", in_vain(3), RULES)


listings = st.dictionaries(
    st.text("abc/=-_1", min_size=1), st.text("0123456789abcdef-"), max_size=8
)


class Listing:
    """What boto3's paginator gives for a bucket, two objects a page."""

    def __init__(self, objects: dict[str, str]) -> None:
        self._objects = list(objects.items())

    def get_paginator(self, operation: str) -> "Listing":
        assert operation == "list_objects_v2"
        return self

    def paginate(self, *, Bucket: str, Prefix: str) -> list[dict[str, Any]]:  # noqa: N803
        assert Bucket == "raw"
        items = [
            {"Key": key, "ETag": f'"{tag}"'} for key, tag in self._objects if key.startswith(Prefix)
        ]
        return [{"Contents": items[at : at + 2]} for at in range(0, len(items), 2)] + [{}]


@given(listings, listings, listings)
def test_the_lambda_and_the_command_name_the_data_alike(
    transactions: dict[str, str], reports: dict[str, str], others: dict[str, str]
) -> None:
    relevant = {f"transactions/{key}": tag for key, tag in transactions.items()}
    relevant |= {f"fraud_reports/{key}": tag for key, tag in reports.items()}
    objects = relevant | {f"customers/{key}": tag for key, tag in others.items()}
    assert pipeline.data_version(Listing(objects), "raw") == fingerprint(reversed(relevant.items()))


def test_a_changed_object_changes_the_fingerprint() -> None:
    before = fingerprint([("transactions/a", "1"), ("transactions/b", "2")])
    assert before != fingerprint([("transactions/a", "1"), ("transactions/b", "3")])
    assert before != fingerprint([("transactions/a", "1")])
    assert before == fingerprint([("transactions/b", '"2"'), ("transactions/a", "1")])
