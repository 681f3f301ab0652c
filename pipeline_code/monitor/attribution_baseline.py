"""The baseline of feature attributions: what the model's scores of its test rows are made of."""

from typing import Any

import numpy as np

from pipeline_code.evaluate.importance import sampled
from pipeline_code.monitor.attribution_limits import drawn_limits
from pipeline_code.monitor.attributions import VERSION, Attributions, described
from pipeline_code.train.model import Model
from pipeline_code.train.rows import FeatureRows

__all__ = ["compute"]


def compute(model: Model, rows: FeatureRows) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json`; the same rows give the same bytes.

    Args:
        model: The model that may be deployed.
        rows: Rows that it did not learn from, such as it is going to be asked about.
    """
    places = sampled(len(rows))
    contributions = model.contributions(rows.matrix()[places])
    found = Attributions.of(model.metadata.feature_names, contributions)
    sizes = np.abs(contributions[:, :-1], dtype=np.float64)
    limits = drawn_limits(sizes, (rows.customers()[places], rows.terminals()[places]))
    constraints = {
        "version": VERSION,
        "explanations": found.explanations(),
        "monitoring_config": {"attribution_constraints": [each.document() for each in limits]},
    }
    return described(found, records=len(rows), explained=len(places), incomplete=0), constraints
