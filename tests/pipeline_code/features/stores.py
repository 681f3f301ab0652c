"""What is folded into a store by hand, and stores that are slow or overtaken."""

from typing import Any

import pyarrow as pa

from pipeline_code.common.schema import FRAUD_REPORTS, TRANSACTIONS
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import (
    ENTITIES,
    FEATURE_NAMES,
)
from pipeline_code.features.events import Reports, Transaction, Transactions
from pipeline_code.features.online import vector
from pipeline_code.features.store.records import Key
from pipeline_code.features.store.updating import (
    FeatureGroups,
    FoldResult,
    fold_into_store,
    read_states,
)
from pipeline_code.features.store.updating import materialize as materialize_entity
from tests.pipeline_code.features.small_streams import (
    DAY,
    HOUR,
    START,
    Row,
    moment,
    reports_of,
    reports_table,
    transactions_table,
)

NO_REPORTS = FRAUD_REPORTS.empty_table()


NO_TRANSACTIONS = TRANSACTIONS.empty_table()


def materialize(
    client: Any, groups: FeatureGroups, transactions: pa.Table, reports: pa.Table
) -> FoldResult:
    """Both entities, as the job does it shard by shard."""
    known = Transactions.from_table(transactions), Reports.from_table(reports)
    done = (materialize_entity(client, groups, entity, *known) for entity in ENTITIES)
    return sum(done, FoldResult())


def record(client: Any, groups: FeatureGroups, key: Key) -> dict[str, str]:
    answer = client.get_record(
        FeatureGroupName=groups.of(key.entity), RecordIdentifierValueAsString=str(key.id)
    )
    return {value["FeatureName"]: value["ValueAsString"] for value in answer.get("Record", [])}


def vector_of(client: Any, groups: FeatureGroups, row: Row) -> list[float]:
    states = read_states(client, groups, customer_id=row.customer, terminal_id=row.terminal)
    request = Transaction(
        transaction_id=row.id,
        event_time=moment(row.time),
        customer_id=row.customer,
        terminal_id=row.terminal,
        amount_minor=row.amount,
    )
    return vector(*states, request)


def batch_vector(rows: list[Row], asked: Row) -> list[float]:
    features = compute(transactions_table(rows), reports_table(reports_of(rows)))
    place = [row.id for row in rows].index(asked.id)
    return [features[name][place].as_py() for name in FEATURE_NAMES]


def stream() -> list[Row]:
    """Forty days of three customers at two terminals, each fifth transaction a fraud."""
    return [
        Row(
            id=n,
            time=START + n * 5 * HOUR + n * 7,
            customer=n % 3,
            terminal=n % 2,
            amount=100 + 13 * n,
            report_delays=(7 * DAY,) if n % 5 == 0 else (),
        )
        for n in range(190)
    ]


class Overloaded:
    """A client whose first answers leave records unprocessed, as Feature Store may."""

    def __init__(self, client: Any, times: int) -> None:
        self._client = client
        self._left = times

    def batch_get_record(self, **request: Any) -> dict[str, Any]:
        if self._busy():
            return {"Records": [], "UnprocessedIdentifiers": request["Identifiers"]}
        return self._client.batch_get_record(**request)

    def batch_write_record(self, **request: Any) -> dict[str, Any]:
        if self._busy():
            return {"UnprocessedEntries": request["Entries"]}
        return self._client.batch_write_record(**request)

    def _busy(self) -> bool:
        self._left -= 1
        return self._left >= 0


class Overtaken:
    """A client that lets a consumer fold an event just before each of its first writes."""

    def __init__(self, client: Any, groups: FeatureGroups, rows: list[Row]) -> None:
        self._client, self._groups, self._rows = client, groups, rows

    def batch_get_record(self, **request: Any) -> dict[str, Any]:
        return self._client.batch_get_record(**request)

    def batch_write_record(self, **request: Any) -> dict[str, Any]:
        if self._rows:
            event = transactions_table([self._rows.pop()])
            fold_into_store(self._client, self._groups, event, NO_REPORTS)
        return self._client.batch_write_record(**request)
