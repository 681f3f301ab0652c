"""Features that are not declared today: every aggregate, every hop, each entity and stream."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from pipeline_code.features.declarations import (
    CUSTOMER,
    TERMINAL,
    Aggregation,
    Derivation,
    Feature,
    Operation,
    Source,
    Window,
)
from pipeline_code.features.events import Reports, Transactions
from pipeline_code.features.plan import plan_of
from pipeline_code.features.sides import all_features
from tests.pipeline_code.features.plain_reading import feature_value
from tests.pipeline_code.features.small_streams import (
    Row,
    reports_of,
    reports_table,
    small_streams,
    transactions_table,
    unhurried,
)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
windows = st.builds(
    Window,
    st.sampled_from([HOUR, 5 * HOUR, 12 * HOUR, DAY, 7 * DAY, 12 * DAY, 30 * DAY]),
    st.sampled_from([timedelta(), timedelta(), DAY, 14 * DAY]),
)
totals = st.builds(
    Aggregation,
    st.sampled_from([CUSTOMER, TERMINAL]),
    st.sampled_from(list(Source)),
    st.sampled_from([Operation.COUNT, Operation.SUM, Operation.MAX]),
    windows,
) | st.builds(
    Aggregation,
    st.sampled_from([CUSTOMER, TERMINAL]),
    st.just(Source.TRANSACTIONS),
    st.sampled_from(list(Operation)),
    st.builds(Window, st.sampled_from([HOUR, DAY, 30 * DAY])),
)
features = st.lists(
    st.builds(
        Feature, st.just("drawn"), st.just("none"), totals | st.builds(Derivation, totals, totals)
    ),
    min_size=1,
    max_size=4,
).map(tuple)


@unhurried
@given(small_streams(), features)
def test_any_feature_reads_as_it_is_declared(
    rows: list[Row], declared: tuple[Feature, ...]
) -> None:
    plan = plan_of(declared)
    transactions = Transactions.from_table(transactions_table(rows))
    reports = Reports.from_table(reports_table(reports_of(rows)))
    answer = all_features(transactions, reports, plan)
    for place, row in enumerate(answer.rows.tolist()):
        expected = [feature_value(feature, rows, rows[row]) for feature in declared]
        assert answer.features[:, place].tolist() == expected
