"""Whatever happens, CloudFormation gets one answer, and nobody else its signed address."""

import json
import urllib.error
from types import SimpleNamespace
from typing import Any

import custom_resource
import pytest
from custom_resource import ResourceResult, answer

from .conftest import Answers, Invocation


def request(url: str, kind: str = "Create", **fields: object) -> dict[str, Any]:
    return {
        "RequestType": kind,
        "ResponseURL": url,
        "StackId": "stack",
        "RequestId": "request-1",
        "LogicalResourceId": "Seed",
        "ResourceProperties": {"ParameterName": "/p"},
        **fields,
    }


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    pauses: list[float] = []
    # Not the module's own function: threads of other tests' libraries sleep by it too.
    monkeypatch.setattr(custom_resource, "time", SimpleNamespace(sleep=pauses.append))
    return pauses


def failing(_: object) -> ResourceResult:
    raise PermissionError("not allowed to put /p")


def test_success_carries_id_data_and_the_requests_identity(
    answers: Answers, invocation: Invocation
) -> None:
    answer(request(answers.url), invocation, lambda _: ResourceResult("/p", {"Name": "/p"}))
    assert answers.received == [
        {
            "Status": "SUCCESS",
            "PhysicalResourceId": "/p",
            "Data": {"Name": "/p"},
            "StackId": "stack",
            "RequestId": "request-1",
            "LogicalResourceId": "Seed",
        }
    ]
    # The address is signed for an empty type; S3 refuses any other.
    assert answers.headers[0]["Content-Type"] == ""


def test_work_that_goes_on_elsewhere_is_not_answered_here(
    answers: Answers, invocation: Invocation
) -> None:
    answer(request(answers.url), invocation, lambda _: None)
    assert answers.received == []


def test_failure_carries_the_reason_and_where_the_log_is(
    answers: Answers, invocation: Invocation
) -> None:
    answer(request(answers.url), invocation, failing)
    (response,) = answers.received
    assert response["Status"] == "FAILED"
    assert response["Reason"].startswith("PermissionError: not allowed to put /p")
    assert invocation.log_stream_name in response["Reason"]


def test_a_failed_creation_gets_an_id_that_is_nobodys(
    answers: Answers, invocation: Invocation
) -> None:
    answer(request(answers.url), invocation, failing)
    assert answers.received[0]["PhysicalResourceId"] == "not-created-request-1"


@pytest.mark.parametrize("kind", ["Update", "Delete"])
def test_a_later_failure_keeps_the_id(answers: Answers, invocation: Invocation, kind: str) -> None:
    answer(request(answers.url, kind, PhysicalResourceId="/p"), invocation, failing)
    assert answers.received[0]["PhysicalResourceId"] == "/p"


def test_a_long_reason_still_fits_the_protocol(answers: Answers, invocation: Invocation) -> None:
    def long(_: object) -> ResourceResult:
        raise ValueError("x" * 100_000)

    answer(request(answers.url), invocation, long)
    assert len(json.dumps(answers.received[0])) < 4096


def test_delivery_is_tried_again(
    answers: Answers, invocation: Invocation, no_pauses: list[float]
) -> None:
    answers.statuses += [503, 500]
    answer(request(answers.url), invocation, lambda _: ResourceResult("/p"))
    assert [response["Status"] for response in answers.received] == ["SUCCESS"] * 3
    assert no_pauses == [1, 2]


def test_an_answer_that_cannot_be_delivered_raises_for_lambda_to_try_again(
    answers: Answers, invocation: Invocation
) -> None:
    answers.statuses += [503] * custom_resource.DELIVERY_ATTEMPTS
    with pytest.raises(urllib.error.HTTPError):
        answer(request(answers.url), invocation, lambda _: ResourceResult("/p"))
    assert len(answers.received) == custom_resource.DELIVERY_ATTEMPTS


@pytest.mark.parametrize("work", [failing, lambda _: ResourceResult("/p")])
def test_logs_are_json_lines_without_the_signed_address(
    answers: Answers, invocation: Invocation, work: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    answers.statuses += [503]
    answer(request(answers.url), invocation, work)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(json.loads(line)["logical_id"] == "Seed" for line in lines)
    assert "secret" not in "".join(lines)
