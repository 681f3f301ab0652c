"""Probes the deployed system: are the features that its endpoint uses those that batch computes?

A sample of a file's events goes through the environment's stream, its consumers and the online
store, day by day, shuffled and some of them twice; the endpoint is asked about transactions of the
day at their own times, and its responses name the features that they used.

The events are probes (`pipeline_code.common.probes`): they never land in the lake. Their ids are
moved to a range that no earlier probe used, at 4e18 and above, and the online store must not know
their customers and terminals yet.
"""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from operations.data.events import Stream
from operations.data.stream import EventStream, feature_groups
from operations.errors import OperationError
from operations.models.registry import deployed_schema_version
from operations.serving.probes import days_asked, moved, sampled
from operations.serving.scoring import Scorer, requests_of
from operations.target import Target
from pipeline_code.common.probes import PROBE_INFERENCE_PREFIX
from pipeline_code.contracts.schema import (
    SCHEMA_VERSION,
    SCHEMA_VERSION_VARIABLE,
    SCHEMA_VERSIONS,
)
from pipeline_code.features.batch import compute
from pipeline_code.features.definitions import CUSTOMER, ENTITIES, FEATURE_NAMES, TERMINAL
from pipeline_code.features.events import Reports, Transactions, epoch_microseconds
from pipeline_code.features.owners import EventsByOwner
from pipeline_code.features.store.online_store import OnlineStore
from pipeline_code.features.store.records import Key, StoredRecord, timestamp
from pipeline_code.parity.arrived import lacks
from pipeline_code.parity.replay import Difference

__all__ = ["ProbeResult", "through_stack"]

_DAY = timedelta(days=1)
_REPEATED_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What a probe found.

    Attributes:
        rows: Requests that the endpoint was asked.
        mismatches: Those whose features differ from batch's in any bit.
        late: Those of them whose stored states lacked an event: the consumers had not caught up.
        degraded: Those of them whose response says that a state was not read.
        events, repeated_events: Events that were sent, and how many of them twice.
        first_difference: Of the earliest request that differs.
    """

    rows: int = 0
    mismatches: int = 0
    late: int = 0
    degraded: int = 0
    events: int = 0
    repeated_events: int = 0
    first_difference: Difference | None = None

    @property
    def defects(self) -> int:
        """Differences that no late event explains."""
        return self.mismatches - self.late

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def through_stack(target: Target, events: Stream, *, sample: int, seed: int) -> ProbeResult:
    """Sends a sample through the deployed system and compares the endpoint's features with batch's.

    Args:
        target: A deployed environment with an endpoint.
        events: A file's transactions and fraud reports.
        sample: About how many transactions the endpoint is asked about.
        seed: Of all that is random, but for the range of ids.

    Raises:
        OperationError: The model takes features of another version than those that are computed
            here. Or an id is too large to be moved, the online store knows an entity already,
            the consumers do not catch up, or the endpoint refuses a request.
    """
    served = deployed_schema_version(target)
    if served != SCHEMA_VERSION:
        raise OperationError(
            f"features must be of schema version {served}, which the deployed model takes, got "
            f"{SCHEMA_VERSION}; ask again with {SCHEMA_VERSION_VARIABLE}={served} in the shell"
        )
    random = Random(seed)  # noqa: S311 - it has to be repeatable
    chosen = moved(sampled(events, sample, random))
    probe = _Probe(target, chosen, random)
    probe.require_strangers()
    for day, asked in days_asked(chosen.transactions, sample, random):
        probe.publish_until(day + _DAY)
        probe.ask(asked)
    found = probe.found
    if not found.mismatches:
        # What differs is left, to be looked into.
        probe.forget()
    return found


class _Probe:
    """One probe under way.

    Args:
        chosen: All events that may be sent.
    """

    def __init__(self, target: Target, chosen: Stream, random: Random) -> None:
        self._chosen, self._random = chosen, random
        self._stream = EventStream(target, probes=True)
        self._scorer = Scorer(target)
        self._runtime = target.client("sagemaker-featurestore-runtime")
        self._target = target
        self._store = OnlineStore(self._runtime, feature_groups(target))
        self._sent_until = datetime.min.replace(tzinfo=UTC)
        transactions, reports = chosen.transactions, chosen.fraud_reports
        known = Transactions.from_table(transactions), Reports.from_table(reports)
        self._events = {entity: EventsByOwner(entity, *known) for entity in ENTITIES}
        self._batch = _vectors(compute(transactions, reports))
        self._counts = {"rows": 0, "mismatches": 0, "late": 0, "degraded": 0}
        self._sent = self._repeated = 0
        self._first: Difference | None = None

    @property
    def found(self) -> ProbeResult:
        """What has been found so far."""
        return ProbeResult(
            **self._counts,
            events=self._sent,
            repeated_events=self._repeated,
            first_difference=self._first,
        )

    def require_strangers(self) -> None:
        """Refuses a range of ids that somebody uses."""
        known = self._records()
        if known:
            raise OperationError(
                f"probes' ids must be unknown to the online store, got {next(iter(known))}; "
                "try again, which takes others"
            )

    def publish_until(self, end: datetime) -> None:
        """Sends what became known before a moment, and waits for the consumers."""
        new = self._chosen.between(self._sent_until, end)
        self._sent_until = end
        first, rest = zip(*(self._halves(table) for table in new.tables()), strict=True)
        repeated = [self._some(table) for table in first]
        self._stream.publish(Stream(*first))
        again = [pa.concat_tables(pair) for pair in zip(rest, repeated, strict=True)]
        self._stream.publish(Stream(*again))
        self._sent += sum(table.num_rows for table in new.tables())
        self._repeated += sum(table.num_rows for table in repeated)
        self._stream.await_folded()

    def ask(self, rows: pa.Table) -> None:
        """Asks the endpoint about transactions, each at its own time."""
        for request, moment in zip(requests_of(rows), rows["event_time"].to_pylist(), strict=True):
            # Before the response: what the states have by then the endpoint has to use.
            late = self._lacks_an_event(request, epoch_microseconds(moment))
            id_ = request["transaction_id"]
            answer = self._scorer.ask(
                request,
                inference_id=f"{PROBE_INFERENCE_PREFIX}{id_}",
                # What was just folded counts, which a cached state may not have.
                custom_attributes="state_cache=off",
            )
            self._compare(id_, answer, late=late)

    def forget(self) -> None:
        """Takes the probes' records out of the online store again, of every version."""
        for (key, record), version in product(self._records().items(), SCHEMA_VERSIONS):
            self._runtime.delete_record(
                FeatureGroupName=feature_groups(self._target, version).of(key.entity),
                RecordIdentifierValueAsString=str(key.id),
                EventTime=timestamp(record.time + 1000),
                DeletionMode="HardDelete",
            )

    def _compare(self, id_: int, answer: dict[str, Any], *, late: bool) -> None:
        expected = self._batch[id_]
        online = np.array([answer["features"].get(name, np.nan) for name in FEATURE_NAMES])
        unequal = np.flatnonzero(online != expected)
        self._counts["rows"] += 1
        if len(unequal) == 0:
            return
        self._counts["mismatches"] += 1
        self._counts["late"] += late
        self._counts["degraded"] += bool(answer["degraded"])
        if self._first is None:
            index = int(unequal[0])
            self._first = Difference(
                transaction_id=id_,
                feature=FEATURE_NAMES[index],
                batch=float(expected[index]),
                online=float(online[index]),
            )

    def _lacks_an_event(self, request: dict[str, Any], time: int) -> bool:
        keys = [Key(entity, request[entity.record_identifier]) for entity in (CUSTOMER, TERMINAL)]
        stored = self._store.read(keys)
        for key in keys:
            state = stored[key].state() if key in stored else None
            owned = self._events[key.entity]
            events = owned.transactions(key), owned.reports(key)
            # Its own event counts with or without the state.
            missing = [
                ids[ids != request["transaction_id"]]
                for ids in lacks(key.entity, events, state, time)
            ]
            if any(len(ids) for ids in missing):
                return True
        return False

    def _records(self) -> dict[Key, StoredRecord]:
        return self._store.read(key for owned in self._events.values() for key in owned.keys)

    def _halves(self, table: pa.Table) -> tuple[pa.Table, pa.Table]:
        """A table's rows, each in one of two parts by chance."""
        order = self._shuffled(table.num_rows)
        cut = self._random.randint(0, len(order))
        return table.take(order.slice(0, cut)), table.take(order.slice(cut))

    def _some(self, table: pa.Table) -> pa.Table:
        return table.slice(0, round(table.num_rows * _REPEATED_SHARE + 0.5))

    def _shuffled(self, count: int) -> pa.Array:
        order = list(range(count))
        self._random.shuffle(order)
        return pa.array(order, pa.int64())


def _vectors(answer: pa.Table) -> dict[int, npt.NDArray[np.float64]]:
    columns = [answer[name].to_numpy() for name in FEATURE_NAMES]
    vectors = np.array(columns, np.float64).T
    return dict(zip(answer["transaction_id"].to_pylist(), vectors, strict=True))
