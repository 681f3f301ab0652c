"""The chunks that pass from readers of datasets to analyses: some records, by column."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["PREDICTIONS", "Chunk", "Tally"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# One row a record, beside its features. `label_id` is what fraud reports are joined on: the
# request's inference id, and for a request about several transactions, `/` and the transaction's id
# behind it. Null is what the exchange did not say.
PREDICTIONS = pa.schema(
    [
        pa.field("label_id", pa.string()),
        pa.field("inference_time", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("transaction_id", pa.int64()),
        pa.field("event_time", pa.timestamp("us", tz="UTC")),
        pa.field("customer_id", pa.int64()),
        pa.field("terminal_id", pa.int64()),
        pa.field("score", pa.float64()),
        pa.field("decision", pa.string()),
        pa.field("degraded", pa.bool_()),
        pa.field("model_version", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some records of one dataset.

    Attributes:
        names: The features that occur in these records; chunks may differ in them.
        values: One row a feature, one column a record; NaN where there is no finite number.
        missing: By feature, records without it or with null.
        wrong: By feature, records where it is something else than a finite number.
        predictions: By record, `PREDICTIONS`; None if nobody asked for them.
    """

    names: tuple[str, ...]
    values: Floats
    missing: Ints
    wrong: Ints
    predictions: pa.Table | None = None

    @property
    def records(self) -> int:
        """How many records there are."""
        return len(self.values.T)


@dataclass(slots=True)
class Tally:
    """What a reader met, counted while it reads; whole once its chunks are consumed.

    Attributes:
        records: Records given out.
        files: Files read.
        outside: Exchanges outside the interval; SageMaker may download more than it asks about.
        unmonitored: Exchanges in a form without features, as a batch of CSV rows.
        probes: Exchanges that are no traffic.
        other_versions: Records that another version of the model answered.
        degraded: By reasons (several of one record joined by `, `), records answered with less
            than usual.
    """

    records: int = 0
    files: int = 0
    outside: int = 0
    unmonitored: int = 0
    probes: int = 0
    other_versions: int = 0
    degraded: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        """Counts what another reader of the same dataset met, too."""
        self.records += other.records
        self.files += other.files
        self.outside += other.outside
        self.unmonitored += other.unmonitored
        self.probes += other.probes
        self.other_versions += other.other_versions
        self.degraded += other.degraded
