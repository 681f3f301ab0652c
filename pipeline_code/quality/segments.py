"""The customer segments that are compared with each other, declared as features and boundaries.

A segment is made of what a model sees too, so that it can be told of every transaction, and never
of who a person is: the data hold nothing of that kind. A kind of segment is one line of `KINDS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline_code.features.definitions import FEATURE_NAMES, SCHEMA_VERSION

__all__ = ["KINDS", "NO_SEGMENT", "Codes", "SegmentKind", "segments_of"]

Codes = npt.NDArray[np.int8]

# The code of what is in no segment.
NO_SEGMENT = -1

_DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class SegmentKind:
    """One way to divide customers, by the value of a feature as of the transaction.

    Args:
        name: What is told apart.
        feature: The feature that tells.
        boundaries: Rising values; a segment holds what reaches its boundary, not what is below.
        segments: One name more than there are boundaries.

    Raises:
        ValueError: There is no such feature; a gate that compares the segments would be none.
    """

    name: str
    feature: str
    boundaries: tuple[float, ...]
    segments: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.feature not in FEATURE_NAMES:
            raise ValueError(
                f"feature of the segments by {self.name} must be one of version {SCHEMA_VERSION}, "
                f"got {self.feature}; keep the feature, or tell the segments by another in "
                "pipeline_code/quality/segments.py"
            )

    def codes(self, rows: npt.NDArray[np.float32]) -> Codes:
        """The index, in `segments`, of each row's segment."""
        return self.codes_of(rows[:, FEATURE_NAMES.index(self.feature)])

    def codes_of(self, values: npt.NDArray[np.float32]) -> Codes:
        """The same by the feature's values; -1 where there is no number."""
        indices = np.digitize(values, self.boundaries)
        return np.where(np.isnan(values), NO_SEGMENT, indices).astype(np.int8)


KINDS = (
    # Somebody who paid nothing for three weeks counts as new again: the window is 30 days.
    SegmentKind("tenure", "customer_age_30d", (21 * _DAY,), ("new", "established")),
    SegmentKind(
        "activity", "customer_count_30d", (30.0, 90.0), ("occasional", "regular", "frequent")
    ),
    SegmentKind(
        "spending", "customer_mean_amount_30d", (2_500.0, 7_500.0), ("low", "medium", "high")
    ),
)


def segments_of(rows: npt.NDArray[np.float32]) -> Mapping[str, Codes]:
    """The segment of each feature row, by kind."""
    return {kind.name: kind.codes(rows) for kind in KINDS}
