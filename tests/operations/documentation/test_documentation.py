"""The documentation says what the code says."""

from pathlib import Path

import pytest

from operations.documentation.decisions import decision_table
from operations.documentation.features import feature_table
from operations.documentation.pages import with_part
from operations.documentation.questions import question_table
from operations.errors import OperationError
from operations.target import PROJECT_ROOT
from pipeline_code.features.definitions import FEATURES

DOCS = PROJECT_ROOT / "docs"


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("features.md", feature_table()),
        ("smoke.md", question_table()),
        ("adr/README.md", decision_table(DOCS / "adr")),
    ],
)
def test_the_page_is_up_to_date(name: str, table: str) -> None:
    page = (DOCS / name).read_text(encoding="utf-8")
    assert with_part(page, table) == page, "run `make docs`"


def test_every_feature_is_a_row_in_the_order_of_the_vector() -> None:
    rows = [line.split(" | ") for line in feature_table().splitlines()[2:]]
    assert [row[0] for row in rows] == [f"| `{feature.name}`" for feature in FEATURES]
    assert {len(row) for row in rows} == {8}


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("is_night", "0 or 1 | request |  | at night |  |  |  |"),
        (
            "terminal_risk_7d",
            "reports per matured transaction | terminal | fraud reports / matured transactions | "
            "count / count | 7 d | 0 | 1 h |",
        ),
        (
            "amount_over_customer_mean_30d",
            "ratio | request, customer | transactions | amount in minor units / (sum / count) | "
            "30 d | 0 | 1 d |",
        ),
        (
            "customer_max_7d_over_max_30d_before_14d",
            "ratio | customer | transactions | max / max | 7 d / 30 d | 0 / 14 d | 1 h / 1 d |",
        ),
    ],
)
def test_a_row_tells_what_its_feature_is_made_of(name: str, row: str) -> None:
    assert f"| `{name}` | {row}\n" in feature_table()


def test_a_decision_with_another_number_than_its_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0007-late.md").write_text("# 0008: Late\n")
    with pytest.raises(OperationError, match=r"0007-late\.md must open with '# 0007: TITLE'"):
        decision_table(tmp_path)


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(OperationError, match="must hold the lines"):
        with_part("# Features\n", feature_table())
