"""The documentation says what the definitions say."""

import pytest

from operations.documentation import feature_table, refreshed
from operations.errors import OperationError
from operations.target import PROJECT_ROOT
from pipeline_code.features.definitions import FEATURES

PAGE = PROJECT_ROOT / "docs" / "features.md"


def test_the_page_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert refreshed(page) == page, "run `make docs`"


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


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(OperationError, match="must hold the lines"):
        refreshed("# Features\n")
