"""Test rows with the scores that a model gave them, and what the metrics need to know of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.quality.segments import Codes, segments_of
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = ["Floats", "ScoredRows"]

AMOUNT = "amount_minor"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRows:
    """Test rows and the scores a model gave them.

    Attributes:
        amounts: In minor units.
        scenarios: Which simulated fraud a row is, 0 where it is none or nobody knows.
        segments: The index of each row's segment, by kind (`pipeline_code.quality.segments`).

    Raises:
        BadInput: If there is no fraud among the rows, or nothing else.
    """

    days: npt.NDArray[np.int64]
    customers: npt.NDArray[np.int64]
    labels: npt.NDArray[np.int8]
    scores: Floats
    amounts: npt.NDArray[np.int64]
    scenarios: npt.NDArray[np.int8]
    segments: Mapping[str, Codes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frauds = int(self.labels.sum())
        if not 0 < frauds < len(self.labels):
            raise BadInput(
                "test rows must hold both frauds and genuine transactions, "
                f"got {frauds} frauds in {len(self.labels)} rows"
            )

    @classmethod
    def of(cls, model: Model, rows: FeatureRows, columns: Sequence[int] | None = None) -> Self:
        """Has a model score feature rows.

        Args:
            model: Who scores.
            rows: The rows.
            columns: Which columns of their matrix it takes. If omitted, all of them.
        """
        matrix = rows.matrix()
        return cls(
            days=rows.days(),
            customers=rows.customers(),
            labels=rows.labels(),
            scores=model.predict(matrix if columns is None else matrix[:, columns]).astype(
                np.float64
            ),
            amounts=np.rint(rows.table[AMOUNT].to_numpy()).astype(np.int64),
            scenarios=rows.scenarios(),
            segments=segments_of(matrix),
        )

    def __len__(self) -> int:
        return len(self.labels)
