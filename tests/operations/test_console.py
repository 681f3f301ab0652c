"""Tables as people read them: names in place of ARNs, rows that stay lines, nothing of Python's."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from rich.console import Console

from operations.console import readable, show, table, wide

PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/fraudloop-dev-fraud/3"
PIPELINE = "arn:aws-cn:sagemaker:cn-north-1:123456789012:pipeline/training/execution/8dz"


@pytest.fixture
def everything() -> Iterator[None]:
    token = wide.set(True)
    yield
    wide.reset(token)


def lines(
    title: str, columns: list[str], *rows: tuple[object, ...], **more: list[str]
) -> list[str]:
    paper = Console(file=io.StringIO(), width=80)
    with paper.capture() as capture:
        paper.print(table(title, columns, rows, **more))
    return [line.rstrip() for line in capture.get().splitlines()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (PACKAGE, "fraudloop-dev-fraud/3"),
        (f"cached from {PIPELINE}, since", "cached from training/execution/8dz, since"),
        ("arn:aws:iam::123456789012:user/operator", "operator"),
        ("arn:aws:sns:eu-west-1:123456789012:alarms", "alarms"),
        ("arn:aws:s3:::bucket", "bucket"),
        ("arn:aws:logs:eu-west-1:123456789012:log-group:/aws/lambda/f", "/aws/lambda/f"),
        ({PACKAGE, "other"}, "fraudloop-dev-fraud/3, other"),
        (["a", ("b", None)], "a, b, "),
        ({"score": 0.5, "degraded": False}, "score 0.5, degraded no"),
        (True, "yes"),
        (0, "0"),
        (datetime(2025, 3, 12, tzinfo=UTC), "2025-03-12 00:00:00+00:00"),
    ],
)
def test_a_value_is_what_people_call_it(value: object, text: str) -> None:
    assert readable(value) == text


@pytest.mark.usefixtures("everything")
def test_wide_leaves_arns_whole() -> None:
    assert readable({"package": PACKAGE}) == f"package {PACKAGE}"


def test_what_may_be_cut_is_so_that_a_row_is_a_line() -> None:
    row = ("Approved, deployed", "x" * 50, "y" * 500)
    shown = lines("Models", ["status", "name", "reason"], row, cut=["reason"])
    assert len(shown) == 4  # with title, headings and the rule
    assert shown[-1].startswith(f"Approved, deployed  {'x' * 50}  yy")
    assert shown[-1].endswith("y…")
    assert max(map(len, shown)) == 80


def test_what_is_only_for_wide_is_left_out() -> None:
    shown = lines("T", ["a", "b"], (1, 2), only_wide=["b"])
    assert [line.split() for line in shown] == [["T"], ["a"], ["─"], ["1"]]


def test_names_and_values_need_no_headings_and_a_title_is_a_line() -> None:
    title = "12 s, peak 4,465 MiB, no failed requests, two models, and what else there is"
    first, *rows = lines(title, ["", ""], ("a", 1))
    assert first == title
    assert [row.split() for row in rows] == [["a", "1"]]


@pytest.mark.usefixtures("everything")
def test_wide_prints_beyond_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    shown = table("T", ["a", "b"], [("x" * 90, PACKAGE)], cut=["a"], only_wide=["b"])
    show({}, None, shown)
    assert f"{'x' * 90}  {PACKAGE}" in capsys.readouterr().out
