"""The baseline of feature attributions: what the model's scores of its test rows are made of."""

from typing import Any

import numpy as np

from pipeline_code.monitor.analysis import CLARIFY_VERSION
from pipeline_code.monitor.attribution.attributions import Attributions, described
from pipeline_code.monitor.attribution.limits import drawn_limits
from pipeline_code.quality.importance import ExplainedSample
from pipeline_code.train.rows import FeatureRows

__all__ = ["compute"]


def compute(explained: ExplainedSample, rows: FeatureRows) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json`; the same rows give the same bytes.

    Args:
        explained: Some of the rows, explained by the model that may be deployed.
        rows: All rows: such as it is going to be asked about, and did not learn from.
    """
    indices = explained.indices
    found = Attributions.of(explained.names, explained.contributions)
    sizes = np.abs(explained.contributions[:, :-1], dtype=np.float64)
    limits = drawn_limits(sizes, (rows.customers()[indices], rows.terminals()[indices]))
    constraints = {
        "version": CLARIFY_VERSION,
        "explanations": found.explanations(),
        "monitoring_config": {"attribution_constraints": [each.document() for each in limits]},
    }
    return described(found, records=len(rows), explained=len(indices), incomplete=0), constraints
