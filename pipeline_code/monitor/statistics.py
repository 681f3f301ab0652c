"""Statistics in Model Monitor's documented form (`statistics.json`).

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html

A feature's distribution is given as at most ten buckets; ours are quantile buckets, and the same
for baseline and analysis, so that their counts compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.columns import Column
from pipeline_code.monitor.drift import Buckets, Ints

__all__ = ["Baseline", "describe"]


def describe(columns: Mapping[str, Column], records: int, buckets: Mapping[str, Buckets]) -> Any:
    """The document about these columns; `buckets` are those of the features that have some."""
    features = [_feature(name, column, buckets.get(name)) for name, column in columns.items()]
    return {"version": 0, "dataset": {"item_count": records}, "features": features}


def _feature(name: str, column: Column, buckets: Buckets | None) -> dict[str, Any]:
    common = {"num_present": column.present, "num_missing": column.missing}
    statistics: dict[str, Any] = {"common": common}
    if len(column.numbers):
        statistics |= {
            "mean": float(column.numbers.mean()),
            "sum": float(column.numbers.sum()),
            "std_dev": float(column.numbers.std()),
            "min": float(column.numbers.min()),
            "max": float(column.numbers.max()),
        }
        given = Buckets.of(column.numbers) if buckets is None else buckets
        statistics["distribution"] = {"kll": {"buckets": _counted(column, given)}}
    return {
        "name": name,
        "inferred_type": column.inferred_type,
        "numerical_statistics": statistics,
    }


def _counted(column: Column, buckets: Buckets) -> list[dict[str, Any]]:
    counts = buckets.count(column.numbers).tolist()
    bounds = zip(buckets.edges[:-1], buckets.edges[1:], counts, strict=True)
    return [
        {"lower_bound": lower, "upper_bound": upper, "count": count}
        for lower, upper, count in bounds
    ]


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the training rows' `statistics.json` says about one feature."""

    mean: float
    buckets: Buckets
    counts: Ints

    @classmethod
    def parse(cls, document: Any) -> dict[str, "Baseline"]:
        """The features that the document describes with a distribution.

        Raises:
            BadInput: It is not of the documented form.
        """
        try:
            return {
                feature["name"]: cls._of(feature["numerical_statistics"])
                for feature in document["features"]
                if "distribution" in feature["numerical_statistics"]
            }
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                f"baseline statistics must have Model Monitor's form, got none at {error}; "
                "run `monitor --baseline` to write them anew"
            ) from error

    @classmethod
    def _of(cls, statistics: Mapping[str, Any]) -> "Baseline":
        buckets = statistics["distribution"]["kll"]["buckets"]
        edges = [float(bucket["lower_bound"]) for bucket in buckets]
        edges.append(float(buckets[-1]["upper_bound"]))
        counts = np.array([int(bucket["count"]) for bucket in buckets], np.int64)
        return cls(float(statistics["mean"]), Buckets(tuple(edges)), counts)
