"""The features of a batch, whatever they are computed from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.batch.batch_input import BatchInput
from pipeline_code.contracts.pipelines import FeatureSource
from pipeline_code.features.definitions import Entity

__all__ = ["BatchFeatures", "UnusableSourceError", "first_of_owner"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class UnusableSourceError(Exception):
    """A source cannot give the exact features of these transactions; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchFeatures:
    """Features of a batch.

    Attributes:
        asked: What was asked about; a source may have refused more of it.
        source: What they are computed from.
        parts: Places among the asked rows, and the features at those, a row a feature; all places
            once.
        unknown: Of whose transactions the source knew nothing before, by entity.
        facts: What else is worth telling, for the summary.
    """

    asked: BatchInput
    source: FeatureSource
    parts: Iterator[tuple[Ints, npt.NDArray[np.float32]]]
    unknown: Mapping[Entity, Mask]
    facts: Mapping[str, Any] = field(default_factory=dict)


def first_of_owner(owners: Ints, times: Ints) -> Mask:
    """Which rows are their owner's first, equal times included."""
    _, indices = np.unique(owners, return_inverse=True)
    first = np.full(len(owners), np.iinfo(np.int64).max)
    np.minimum.at(first, indices, times)
    mask: Mask = times <= first[indices]
    return mask
