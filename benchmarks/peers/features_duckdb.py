"""The declared features as exact sliding windows in DuckDB SQL, from Parquet to Parquet.

Our windows move their tails by hops; these move them with every event, which is what SQL can say.
The statement is made from the declarations, so that it always computes the same features.
"""

from datetime import timedelta
from pathlib import Path

import duckdb

from pipeline_code.features.declarations import (
    CUSTOMER,
    TERMINAL,
    Aggregation,
    Derivation,
    Entity,
    Formula,
    Operation,
    RequestValue,
    Source,
)
from pipeline_code.features.definitions import FEATURES

__all__ = ["run", "statement"]

REQUEST = {
    RequestValue.AMOUNT: "amount_minor",
    RequestValue.WEEKEND: "isodow(event_time) >= 6",
    RequestValue.NIGHT: "hour(event_time) <= 6",
}


def run(lake: Path, output: Path, threads: int) -> int:
    """Computes all features of a lake into one file; returns how many rows it has."""
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.execute(f"SET temp_directory = '{output.parent / 'duckdb-spill'}'")
    connection.execute(f"COPY ({statement(lake)}) TO '{output}' (FORMAT parquet)")
    count = connection.execute(f"SELECT count(*) FROM '{output}'").fetchone()
    assert count is not None
    return int(count[0])


def statement(lake: Path) -> str:
    """One SELECT of every feature of every transaction."""
    totals = list(dict.fromkeys(total for feature in FEATURES for total in feature.aggregations))
    names = {total: f"total_{place}" for place, total in enumerate(totals)}
    features = ", ".join(
        f"CAST({_formula(feature.formula, names)} AS FLOAT) AS {feature.name}"
        for feature in FEATURES
    )
    return f"""
        WITH events AS (
            SELECT transaction_id, event_time AS known, event_time, customer_id, terminal_id,
                   amount_minor, 0 AS reported
            FROM read_parquet('{lake}/transactions/**/*.parquet')
            UNION ALL
            SELECT transaction_id, report_time, event_time, customer_id, terminal_id, 0, 1
            FROM read_parquet('{lake}/fraud_reports/**/*.parquet')
        ), {_side(TERMINAL, "events", names)}, spent AS (
            SELECT * FROM terminals WHERE reported = 0
        ), {_side(CUSTOMER, "spent", names)}
        SELECT transaction_id, event_time, customer_id, terminal_id, {features} FROM customers
    """


def _side(entity: Entity, source: str, names: dict[Aggregation, str]) -> str:
    columns = ", ".join(
        f"{_total(total)} AS {name}" for total, name in names.items() if total.entity == entity
    )
    return f"{entity.name}s AS (SELECT *, {columns} FROM {source})"


def _total(total: Aggregation) -> str:
    newest, length = _interval(total.age), _interval(total.age + total.window.length)
    head = f"{newest} PRECEDING" if total.age else "CURRENT ROW"
    if total.operation is Operation.SINCE_LAST:
        head = "INTERVAL 1 MICROSECOND PRECEDING"
    owner = total.entity.record_identifier
    over = f"(PARTITION BY {owner} ORDER BY known RANGE BETWEEN {length} PRECEDING AND {head})"
    wanted = 1 if total.source is Source.REPORTS else 0
    seconds = int(total.window.length.total_seconds())
    match total.operation:
        case Operation.COUNT:
            return f"count(*) FILTER (reported = {wanted}) OVER {over}"
        case Operation.SUM:
            return f"sum(amount_minor) FILTER (reported = {wanted}) OVER {over}"
        case Operation.MAX:
            return f"coalesce(max(amount_minor) FILTER (reported = {wanted}) OVER {over}, 0)"
        case Operation.SINCE_LAST:
            last = f"max(known) FILTER (reported = {wanted}) OVER {over}"
            return f"coalesce(date_diff('second', {last}, known), {seconds})"
        case Operation.AGE:
            return (
                f"date_diff('second', min(known) FILTER (reported = {wanted}) OVER {over}, known)"
            )


def _interval(duration: timedelta) -> str:
    return f"INTERVAL {int(duration.total_seconds())} SECOND"


def _formula(formula: Formula, names: dict[Aggregation, str]) -> str:
    if isinstance(formula, Derivation):
        dividend, divisor = _formula(formula.dividend, names), _formula(formula.divisor, names)
        return f"coalesce(CAST({dividend} AS DOUBLE) / nullif(CAST({divisor} AS DOUBLE), 0), 0)"
    return names[formula] if isinstance(formula, Aggregation) else f"({REQUEST[formula]})"
