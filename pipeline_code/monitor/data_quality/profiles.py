"""Statistics in Model Monitor's documented form (`statistics.json`).

https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html

A distribution is given there as ten buckets; ours are the coarse ones of the baseline, with what is
outside in the first and the last. `histogram` beside them is our own: the fine buckets, which the
distances are measured on. The same buckets in baseline and analysis, so that counts compare.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline_code.common.exits import BadInput
from pipeline_code.monitor.data_quality.grids import Grid
from pipeline_code.monitor.data_quality.sketches import Summary

__all__ = ["Profile", "describe"]

Ints = npt.NDArray[np.int64]


def describe(summaries: Mapping[str, Summary], records: int) -> Any:
    """The document about these features of so many records."""
    features = [_feature(name, summary) for name, summary in summaries.items()]
    return {"version": 0, "dataset": {"item_count": records}, "features": features}


def _feature(name: str, summary: Summary) -> dict[str, Any]:
    common = {"num_present": summary.present, "num_missing": summary.missing}
    statistics: dict[str, Any] = {"common": common}
    if summary.numbers:
        statistics |= {
            "mean": summary.mean,
            "sum": summary.sum,
            "std_dev": summary.std_dev,
            "min": summary.low,
            "max": summary.high,
        }
    if summary.numbers and summary.grid.edges:
        statistics["distribution"] = {
            "kll": {"buckets": _buckets(summary)},
            "histogram": {
                "edges": list(summary.grid.edges),
                "counts": summary.counts.tolist(),
                "coarse": list(summary.grid.coarse),
                "categorical": summary.grid.categorical,
            },
        }
    return {
        "name": name,
        "inferred_type": summary.inferred_type,
        "numerical_statistics": statistics,
    }


def _buckets(summary: Summary) -> list[dict[str, Any]]:
    below, *counts, above = summary.grid.coarsened(summary.counts).tolist()
    counts[0] += below
    counts[-1] += above
    edges = [summary.grid.edges[place] for place in summary.grid.coarse]
    return [
        {"lower_bound": lower, "upper_bound": upper, "count": count}
        for lower, upper, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What the baseline's `statistics.json` says about one feature.

    Attributes:
        mean: The mean.
        grid: Where values are counted.
        counts: The baseline's own.
    """

    mean: float
    grid: Grid
    counts: Ints

    @classmethod
    def parse(cls, document: Any) -> dict[str, "Profile"]:
        """The features that the document describes with a distribution.

        Raises:
            BadInput: It is not of the form that `monitor --baseline` writes, as one that an older
                version wrote.
        """
        try:
            return {
                feature["name"]: cls._of(feature["numerical_statistics"])
                for feature in document["features"]
                if "distribution" in feature["numerical_statistics"]
            }
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise BadInput(
                "baseline statistics must have the form that `monitor --baseline` writes, got none "
                f"at {error}; run it to write them anew"
            ) from error

    @classmethod
    def _of(cls, statistics: Mapping[str, Any]) -> "Profile":
        histogram = statistics["distribution"]["histogram"]
        grid = Grid(
            tuple(float(edge) for edge in histogram["edges"]),
            tuple(int(place) for place in histogram["coarse"]),
            bool(histogram["categorical"]),
        )
        counts = np.array([int(count) for count in histogram["counts"]], np.int64)
        if len(counts) != grid.buckets or not (np.diff(grid.array) > 0).all():
            raise ValueError("a histogram whose counts and edges do not match")
        if len(grid.edges) < 2 or grid.coarse[0] != 0 or grid.coarse[-1] != len(grid.edges) - 1:  # noqa: PLR2004
            raise ValueError("a histogram whose coarse buckets do not cover its fine ones")
        return cls(float(statistics["mean"]), grid, counts)
