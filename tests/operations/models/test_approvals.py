"""Decisions on model packages: who may be decided on, and what is kept of it."""

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.errors import OperationError
from operations.models import approvals, registry
from operations.models.decisions import decisions_on, last_decision
from operations.target import Target
from pipeline_code.contracts.decisions import ApprovalDecision, approval, decision_key


class Group:
    """A group of packages, and a parameter that says which one is deployed."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.sagemaker = target.client("sagemaker")
        self.name = target.output("ModelPackageGroupName")
        self.sagemaker.create_model_package_group(ModelPackageGroupName=self.name)
        self.deploy("none")

    def add(self, status: str = "PendingManualApproval", **fields: Any) -> str:
        container = {"Image": "image:1", "ModelDataUrl": "s3://raw/model.tar.gz"}
        arn: str = self.sagemaker.create_model_package(
            ModelPackageGroupName=self.name,
            ModelApprovalStatus=status,
            InferenceSpecification={
                "Containers": [container],
                "SupportedContentTypes": ["text/csv"],
                "SupportedResponseMIMETypes": ["text/csv"],
            },
            **fields,
        )["ModelPackageArn"]
        return arn

    def deploy(self, value: str) -> None:
        self.target.client("ssm").put_parameter(
            Name=self.target.output("ApprovedModelParameterName"),
            Value=value,
            Type="String",
            Overwrite=True,
        )

    def package(self, arn: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_model_package(ModelPackageName=arn)
        return described

    def status(self, arn: str) -> str:
        return str(self.package(arn)["ModelApprovalStatus"])


@pytest.fixture
def group(target_with: Callable[..., Target]) -> Group:
    name = f"group-{uuid4().hex[:8]}"
    outputs = {
        "ModelPackageGroupName": name,
        "ApprovedModelParameterName": f"/fraudloop/{name}/approved",
    }
    return Group(target_with(**outputs))


def caller(group: Group) -> str:
    return str(group.target.client("sts").get_caller_identity()["Arn"])


def test_an_approval_is_kept_with_who_and_why(group: Group) -> None:
    arn = group.add()
    assert approvals.approve(group.target, "latest", reason="beats the floor, by (far)") == arn
    package = group.package(arn)
    (decision,) = decisions_on(package)
    assert (decision.status, decision.by) == ("Approved", caller(group))
    assert decision.reason == "beats the floor by far"
    assert package["ApprovalDescription"] == "beats the floor, by (far)"
    last = last_decision(package)
    assert last is not None
    assert (last.at, last.reason) == (decision.at, "beats the floor, by (far)")


def test_every_decision_is_kept_in_order(group: Group) -> None:
    arn = group.add(CustomerMetadataProperties={"data_version": "1", "decision_note": "of mine"})
    approvals.approve(group.target, arn, reason="first")
    approvals.reject(group.target, arn, reason="second", overrule=True)
    approvals.approve(group.target, arn, reason="third", overrule=True)
    kept = group.package(arn)["CustomerMetadataProperties"]
    assert [key for key in kept if re.fullmatch(r"decision_\d{3}", key)] == [
        "decision_001",
        "decision_002",
        "decision_003",
    ]
    assert kept["data_version"] == "1"
    found = decisions_on(group.package(arn))
    assert [(each.status, each.reason) for each in found] == [
        ("Approved", "first"),
        ("Rejected", "second"),
        ("Approved", "third"),
    ]


def test_the_same_decision_twice_is_refused_even_to_overrule(group: Group) -> None:
    arn = group.add("Approved")
    with pytest.raises(OperationError, match=r"must not be approved yet, got version 1"):
        approvals.approve(group.target, arn, reason="again", overrule=True)
    approvals.reject(group.target, arn, reason="no", overrule=True)
    with pytest.raises(OperationError, match=r"must not be rejected yet, got version 1"):
        approvals.reject(group.target, arn, reason="again", overrule=True)


@pytest.mark.parametrize("verb", [approvals.approve, approvals.reject])
@pytest.mark.parametrize("status", ["Approved", "Rejected"])
def test_what_was_decided_is_decided_again_only_if_that_is_said(
    group: Group, verb: Callable[..., str], status: str
) -> None:
    arn = group.add(status)
    with pytest.raises(OperationError, match=rf"got version 1 \({status}\); to .* --overrule"):
        verb(group.target, arn, reason="changed my mind")
    assert group.status(arn) == status


@pytest.mark.parametrize("reason", ["", "  ", "\n"])
def test_a_decision_without_a_reason_is_none(group: Group, reason: str) -> None:
    arn = group.add()
    with pytest.raises(OperationError, match="reason must not be blank"):
        approvals.approve(group.target, arn, reason=reason)
    assert group.status(arn) == "PendingManualApproval"


def test_full_metadata_is_told(group: Group) -> None:
    arn = group.add(CustomerMetadataProperties={f"key_{n}": "value" for n in range(50)})
    with pytest.raises(OperationError, match=r"fewer than 50 metadata properties.*got 50"):
        approvals.approve(group.target, arn, reason="fine")
    assert group.status(arn) == "PendingManualApproval"


def test_the_deployed_package_is_not_rejected_by_the_way(group: Group) -> None:
    arn = group.add("Approved")
    group.deploy(arn)
    with pytest.raises(OperationError, match=r"must not be deployed, got version 1.*rollback"):
        approvals.reject(group.target, arn, reason="oops", overrule=True)
    assert group.status(arn) == "Approved"


def test_a_roll_back_revokes_the_deployed_and_names_what_was_approved_last(group: Group) -> None:
    first, second, third = (group.add() for _ in range(3))
    for arn in (second, first, third):
        approvals.approve(group.target, arn, reason="fine")
    group.deploy(third)
    done = approvals.roll_back(group.target, reason="false alarms")
    assert (done.revoked, done.restored, done.passed_over) == (third, first, [])
    assert [group.status(arn) for arn in (first, second, third)] == [
        "Approved",
        "Approved",
        "Rejected",
    ]
    assert decisions_on(group.package(third))[-1].reason == "rolled back: false alarms"
    assert len(decisions_on(group.package(first))) == 1
    assert done.at == group.package(third)["LastModifiedTime"]


def test_a_roll_back_to_a_version_makes_it_the_one_approved_last(group: Group) -> None:
    first, second, third = (group.add() for _ in range(3))
    for arn in (first, second, third):
        approvals.approve(group.target, arn, reason="fine")
    group.deploy(third)
    done = approvals.roll_back(group.target, reason="false alarms", to="1")
    assert (done.restored, done.passed_over) == (first, [2])
    assert [package["ModelPackageArn"] for package in registry.approved(group.target)] == [
        first,
        second,
    ]
    reason = decisions_on(group.package(first))[-1].reason
    assert reason == "brought back in place of version 3: false alarms"


def test_a_roll_back_to_what_comes_back_anyway_does_not_approve_it_again(group: Group) -> None:
    first, second = group.add("Approved"), group.add("Approved")
    group.deploy(second)
    done = approvals.roll_back(group.target, reason="false alarms", to=first)
    assert (done.restored, done.passed_over) == (first, [])
    assert decisions_on(group.package(first)) == []


def test_without_another_approved_version_nothing_is_revoked(group: Group) -> None:
    group.add()
    group.add("Rejected")
    deployed = group.add("Approved")
    group.deploy(deployed)
    with pytest.raises(OperationError, match=r"another version must be approved.*version 3"):
        approvals.roll_back(group.target, reason="false alarms")
    assert group.status(deployed) == "Approved"


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("1", r"--to must be an approved version, got version 1 \(Rejected\)"),
        ("2", r"--to must be an approved version, got version 2 \(PendingManualApproval\)"),
        ("4", r"--to must not be the deployed version, got version 4"),
        ("9", r"got '9'; its versions: 4 \(Approved\), 3 \(Approved\)"),
    ],
)
def test_a_roll_back_goes_to_approved_versions_only(group: Group, to: str, expected: str) -> None:
    group.add("Rejected")
    group.add()
    group.add("Approved")
    deployed = group.add("Approved")
    group.deploy(deployed)
    with pytest.raises(OperationError, match=expected):
        approvals.roll_back(group.target, reason="false alarms", to=to)
    assert group.status(deployed) == "Approved"


def test_nothing_deployed_is_not_rolled_back(group: Group) -> None:
    group.add("Approved")
    with pytest.raises(OperationError, match="a model must be deployed to be named 'deployed'"):
        approvals.roll_back(group.target, reason="false alarms")
    with pytest.raises(OperationError, match="a model must be deployed to be named 'champion'"):
        registry.find(group.target, "champion")


def test_automatic_approval_shows_as_such(group: Group) -> None:
    decision = last_decision(group.package(group.add("Approved")))
    assert decision is not None
    assert (decision.by, decision.reason) == ("the pipeline", "passed the gate")


def test_the_gates_own_approval_is_told_and_people_s_decisions_follow_it(group: Group) -> None:
    execution = "arn:aws:sagemaker:us-east-1:000000000000:pipeline/training/execution/abc"
    text = f"2026-01-01T00:00:00Z Approved by {execution}: passed the gate"
    arn = group.add("Approved", CustomerMetadataProperties={"decision_000": text})
    decision = last_decision(group.package(arn))
    assert decision is not None
    assert (decision.by, decision.reason) == (execution, "passed the gate")
    approvals.reject(group.target, arn, reason="no", overrule=True)
    assert [each.status for each in decisions_on(group.package(arn))] == ["Approved", "Rejected"]
    assert "decision_001" in group.package(arn)["CustomerMetadataProperties"]


def test_a_package_that_waits_shows_no_decision_of_the_gate(group: Group) -> None:
    text = "2026-01-01T00:00:00Z PendingManualApproval by arn: passed the gate"
    arn = group.add(CustomerMetadataProperties={"decision_000": text})
    assert last_decision(group.package(arn)) is None
    assert decisions_on(group.package(arn)) == []


def test_a_change_of_the_metadata_is_no_approval(group: Group) -> None:
    first, second = group.add(), group.add()
    for arn in (first, second):
        approvals.approve(group.target, arn, reason="fine")
    group.sagemaker.update_model_package(
        ModelPackageArn=first, CustomerMetadataProperties={"note": "read by the auditor"}
    )
    newest, _ = registry.approved(group.target)
    assert newest["ModelPackageArn"] == second


def test_an_approval_follows_that_of_the_deployed_whatever_the_clocks_say(group: Group) -> None:
    ahead = ApprovalDecision(
        at="2999-01-01T00:00:00.000Z", status="Approved", by="arn", reason="fast clock"
    )
    first = group.add("Approved", CustomerMetadataProperties={"decision_001": ahead.text()})
    group.deploy(first)
    second = group.add()
    approvals.approve(group.target, second, reason="better")
    assert [each["ModelPackageArn"] for each in registry.approved(group.target)] == [second, first]
    assert decisions_on(group.package(second))[-1].at == "2999-01-01T00:00:00.001Z"


def test_a_change_of_what_the_gate_approved_is_no_approval(group: Group) -> None:
    passed = "2026-0{}-01T00:00:00Z Approved by arn:p: passed the gate"
    first, second = (
        group.add("Approved", CustomerMetadataProperties={"decision_000": passed.format(month)})
        for month in (1, 2)
    )
    group.sagemaker.update_model_package(
        ModelPackageArn=first, CustomerMetadataProperties={"ticket": "42"}
    )
    assert [each["ModelPackageArn"] for each in registry.approved(group.target)] == [second, first]


def test_a_deployed_package_that_was_deleted_holds_no_approval_up(group: Group) -> None:
    first, second = group.add("Approved"), group.add()
    group.deploy(first)
    group.sagemaker.delete_model_package(ModelPackageName=first)
    assert approvals.approve(group.target, second, reason="fine") == second


@pytest.mark.parametrize(
    ("texts", "approved"),
    [
        ({}, None),
        ({1: "2026-01-01T00:00:00.500Z Approved by arn:a: fine"}, "2026-01-01T00:00:00.500Z"),
        ({0: "2026-01-01T00:00:00Z Approved by arn:p: passed the gate"}, "2026-01-01T00:00:00Z"),
        # Cut off by SageMaker's limit, or in a person's own words.
        ({1: "2026-01-01T00:00:00Z Approved by arn:a"}, "2026-01-01T00:00:00Z"),
        ({1: "2026-01-01T00:00:00+01:00 Approved by a person"}, "2026-01-01T00:00:00+01:00"),
        (
            {
                0: "2026-01-01T00:00:00Z Approved by p: q",
                1: "2026-02-01T00:00:00Z Rejected by a: no",
            },
            None,
        ),
        ({1: "yesterday Approved by arn:a: fine"}, None),
        (
            {
                9: "2026-03-01T00:00:00.250Z Approved by a: again",
                2: "2026-04-01T00:00:00Z Rejected by a: no",
            },
            "2026-03-01T00:00:00.250Z",
        ),
    ],
)
def test_an_approval_is_as_old_as_the_last_decision_says_or_as_the_last_change(
    group: Group, texts: dict[int, str], approved: str | None
) -> None:
    fields = {"CustomerMetadataProperties": {decision_key(n): texts[n] for n in texts}}
    package = group.package(group.add("Approved", **(fields if texts else {})))
    expected = package["CreationTime"] if approved is None else datetime.fromisoformat(approved)
    assert approval(package) == (expected, package["ModelPackageVersion"])


def test_a_decision_made_elsewhere_is_not_ascribed_to_the_last_recorded(group: Group) -> None:
    arn = group.add()
    approvals.approve(group.target, arn, reason="fine")
    group.sagemaker.update_model_package(
        ModelPackageArn=arn, ModelApprovalStatus="Rejected", ApprovalDescription="in the console"
    )
    decision = last_decision(group.package(arn))
    assert decision is not None
    assert (decision.status, decision.reason) == ("Rejected", "in the console")
    assert decision.by == caller(group)


def test_what_waits_has_no_decision(group: Group) -> None:
    assert last_decision(group.package(group.add())) is None


SAID_BY = "arn:aws:sts::123456789012:assumed-role/Approver/a.person@example.com"
# SageMaker's pattern of a metadata value is ([\p{L}\p{Z}\p{N}_.:\/=+\-@]*)${1,256}.
LETTERS_SEPARATORS_NUMBERS, OTHERS = "LZN", "_.:/=+-@"


@given(reason=st.text(min_size=1, max_size=400), by=st.sampled_from([SAID_BY, "arn:" + "x" * 400]))
def test_a_record_is_within_what_sagemaker_takes(reason: str, by: str) -> None:
    text = ApprovalDecision(
        at="2026-01-01T00:00:00Z", status="Approved", by=by, reason=reason
    ).text()
    assert 1 <= len(text) <= 256
    for character in text:
        kind = unicodedata.category(character)[0]
        assert kind in LETTERS_SEPARATORS_NUMBERS or character in OTHERS, text


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=100))
def test_a_record_is_read_as_it_was_written(reason: str) -> None:
    decision = ApprovalDecision(
        at="2026-01-01T00:00:00Z", status="Rejected", by=SAID_BY, reason=reason
    )
    assert ApprovalDecision.parse(decision.text()) == decision


@pytest.mark.parametrize("text", ["", "approved by me", "2026 Maybe by me: why"])
def test_what_is_no_record_is_left_out(text: str) -> None:
    assert ApprovalDecision.parse(text) is None
    package = {"CustomerMetadataProperties": {"decision_001": text}}
    assert decisions_on(package) == []
