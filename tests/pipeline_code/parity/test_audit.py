"""Each cause of a difference is told from the others, by real stores and real files."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from local_aws.server import EmbeddedAws
from pipeline_code.common.exits import BadInput
from pipeline_code.features.definitions import CUSTOMER, FEATURE_NAMES
from pipeline_code.features.events import Transaction, epoch_microseconds
from pipeline_code.features.store.records import Key
from pipeline_code.parity import history
from pipeline_code.parity.audit import Audit, AuditOutcome, AuditResult
from pipeline_code.parity.auditor import Auditor
from pipeline_code.parity.lake import read_events
from pipeline_code.parity.objects import Folder
from pipeline_code.parity.requests import AuditedRequest

from .world import Asked, World, report

DAY = timedelta(days=1)
START = datetime(2026, 3, 1, 10, tzinfo=UTC)


def events(customer: int, *days: float) -> list[Transaction]:
    """A customer's transactions, each some days after the start; the terminal is its own."""
    return [
        Transaction(
            transaction_id=1000 * customer + place,
            event_time=START + day * DAY,
            customer_id=customer,
            terminal_id=customer + 500,
            amount_minor=1000 + 100 * place,
        )
        for place, day in enumerate(days)
    ]


def audited(asked: Asked) -> AuditedRequest:
    answered = np.array([asked.features[name] for name in FEATURE_NAMES], np.float64)
    time = epoch_microseconds(asked.moment)
    return AuditedRequest(asked.request, answered, degraded=asked.degraded, time=time)


@pytest.fixture(scope="module")
def world(embedded_aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(embedded_aws.session(), tmp_path_factory.mktemp("world"))


DAYS = (0, 2, 9, 9.5)
Case = Callable[[World], Asked]


def equal(world: World) -> Asked:
    *past, last = events(1, *DAYS)
    fraud = report(past[0], START + 7 * DAY)
    world.fold(past, [fraud])
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last], [fraud])
    return asked


def late(world: World) -> Asked:
    *past, delayed, last = events(2, *DAYS)
    world.fold(past)
    asked = world.ask(last)
    world.fold([delayed, last])
    world.land([*past, delayed, last])
    return asked


def late_report(world: World) -> Asked:
    *past, last = events(3, *DAYS)
    fraud = report(past[0], START + 7 * DAY)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last], [fraud])
    world.land([*past, last], [fraud])
    return asked


def lost(world: World) -> Asked:
    *past, missing, last = events(4, *DAYS)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, missing, last])
    return asked


def wrong_answer(world: World) -> Asked:
    *past, last = events(5, *DAYS)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last])
    wrong = {FEATURE_NAMES[3]: asked.features[FEATURE_NAMES[3]] + 1}
    return replace(asked, features=asked.features | wrong)


def state_of_its_own(world: World) -> Asked:
    *past, unlanded, last = events(6, *DAYS)
    world.fold([*past, unlanded])
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last])
    return asked


def nothing_yet(world: World) -> Asked:
    *past, last = events(7, *DAYS)
    asked = world.ask(last)
    world.fold([*past, last])
    world.land([*past, last])
    return asked


def unreadable(world: World) -> Asked:
    """The store has the states, but the endpoint answers as if it had none."""
    *past, last = events(8, *DAYS)
    without = world.ask(last)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last])
    return replace(without, moment=asked.moment)


def half_unreadable(world: World, first_id: int = 14) -> Asked:
    """The endpoint had the customer's state from its cache, and could not read the terminal's."""
    *past, last = events(first_id, *DAYS)
    without = world.ask(last)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last])
    terminal = {name: value for name, value in without.features.items() if "terminal" in name}
    assert terminal != {name: asked.features[name] for name in terminal}
    return replace(asked, features=asked.features | terminal, degraded=True)


def half_unreadable_unsaid(world: World) -> Asked:
    return replace(half_unreadable(world, 15), degraded=False)


def never_published(world: World) -> Asked:
    *past, last = events(9, *DAYS)
    world.fold(past)
    asked = world.ask(last)
    world.land(past)
    return asked


def unknown(world: World) -> Asked:
    (first,) = events(10, 9)
    asked = world.ask(first)
    world.fold([first])
    world.land([first])
    return asked


def long_ago(world: World) -> Asked:
    *past, last = events(11, 0, 1, 30)
    world.fold(past)
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last])
    return asked


def long_ago_and_late(world: World) -> Asked:
    *past, delayed, last = events(12, 0, 1, 29, 30)
    world.fold(past)
    asked = world.ask(last)
    world.fold([delayed, last])
    world.land([*past, delayed, last])
    return asked


def too_old_a_request(world: World) -> Asked:
    """The state has gone on for so long that it has forgotten what the request's windows need."""
    *past, last = events(13, 0, 1, 5)
    newer = replace(last, transaction_id=13_999, event_time=START + 60 * DAY)
    world.fold([*past, newer])
    asked = world.ask(last)
    world.fold([last])
    world.land([*past, last, newer])
    return asked


CASES = (
    equal,
    late,
    late_report,
    lost,
    wrong_answer,
    state_of_its_own,
    nothing_yet,
    unreadable,
    half_unreadable,
    half_unreadable_unsaid,
    never_published,
    unknown,
    long_ago,
    long_ago_and_late,
    too_old_a_request,
)


@pytest.fixture(scope="module")
def answers(world: World) -> dict[str, Asked]:
    return {case.__name__: case(world) for case in CASES}


@pytest.fixture
def precise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here goes by one clock."""
    monkeypatch.setattr(history, "CLOCK_TOLERANCE", 0)


@pytest.fixture
def audit(world: World, answers: dict[str, Asked], precise: None) -> Callable[..., Audit]:
    def run(*cases: Case, lookback: timedelta = 40 * DAY) -> Audit:
        auditor = Auditor(world.lake(), world.stores(), lookback)
        return auditor.audit([audited(answers[case.__name__]) for case in cases])

    return run


@pytest.mark.parametrize(
    ("case", "outcome"),
    [
        (equal, AuditOutcome.EQUAL),
        (late, AuditOutcome.LATE),
        (late_report, AuditOutcome.LATE),
        (lost, AuditOutcome.LOST),
        (wrong_answer, AuditOutcome.ANSWER),
        (state_of_its_own, AuditOutcome.STATE),
        (nothing_yet, AuditOutcome.LATE),
        (unreadable, AuditOutcome.DEGRADED),
        (half_unreadable, AuditOutcome.DEGRADED),
        (half_unreadable_unsaid, AuditOutcome.ANSWER),
        (never_published, AuditOutcome.EQUAL),
        (unknown, AuditOutcome.EQUAL),
        (too_old_a_request, AuditOutcome.LATE),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, AuditOutcome) else value.__name__,
)
def test_every_cause_is_told_from_the_others(
    audit: Callable[..., Audit], case: Case, outcome: AuditOutcome
) -> None:
    assert only(audit(case)).outcome is outcome


def test_together_they_are_counted_and_the_first_is_named(
    audit: Callable[..., Audit], answers: dict[str, Asked]
) -> None:
    found = audit(equal, late, lost, wrong_answer, unreadable).document()
    first = found.pop("first_difference")
    assert found == {
        "rows": 5,
        "mismatches": 4,
        "late": 1,
        "degraded": 1,
        "defects": 2,
        "confirmed": 2,
    }
    # All were asked at one time: the smallest id comes first.
    assert first["transaction_id"] == answers["late"].request.transaction_id
    assert (first["outcome"], first["feature"]) == ("late", "customer_count_1d")
    assert (first["answered"], first["batch"]) == (1.0, 2.0)


def only(audit: Audit) -> AuditResult:
    (judged,) = audit.judged
    return judged


def test_an_equal_answer_needs_no_older_record(audit: Callable[..., Audit]) -> None:
    assert only(audit(long_ago, lookback=DAY)).confirmed is False
    assert only(audit(long_ago)).confirmed is True


def test_a_difference_is_looked_into_however_old_its_record(audit: Callable[..., Audit]) -> None:
    judged = only(audit(long_ago_and_late, lookback=timedelta()))
    assert (judged.outcome, judged.confirmed) == (AuditOutcome.LATE, True)


def test_a_record_put_while_the_request_came_may_have_been_read_or_not(
    world: World, answers: dict[str, Asked], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By clocks that are some seconds apart, the states may not have been there yet."""
    asked = audited(answers["late"])
    early = replace(asked, time=asked.time - 60_000_000)
    auditor = Auditor(world.lake(), world.stores(), 40 * DAY)
    monkeypatch.setattr(history, "CLOCK_TOLERANCE", 0)
    assert only(auditor.audit([early])).outcome is AuditOutcome.ANSWER
    monkeypatch.setattr(history, "CLOCK_TOLERANCE", 120_000_000)
    assert only(auditor.audit([early])).outcome is AuditOutcome.LATE


def test_nothing_asked_is_nothing_found(audit: Callable[..., Audit]) -> None:
    assert audit().document()["rows"] == 0


def test_a_file_that_cannot_be_read_stops_the_audit(world: World) -> None:
    world.s3.put_object(Bucket=world.name, Key="bad/transactions/event_date=2026-03-01/a.parquet")
    known = {Key(CUSTOMER, 1)}
    with pytest.raises(BadInput, match=r"a\.parquet: file must be readable Parquet"):
        read_events(Folder.of(world.s3, f"s3://{world.name}/bad"), known, START, START)
