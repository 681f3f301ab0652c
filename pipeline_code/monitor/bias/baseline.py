"""The baseline of bias: how differently a model treats the segments of its test rows."""

from typing import Any

from pipeline_code.monitor.bias.documents import described, suggest
from pipeline_code.monitor.bias.figures import figures_of
from pipeline_code.monitor.bias.segment_counts import SegmentCounts
from pipeline_code.quality.scored import ScoredRows

__all__ = ["compute"]


def compute(scored: ScoredRows, *, threshold: float, limit: float) -> tuple[Any, Any]:
    """The documents `statistics.json` and `constraints.json`; the same rows give the same bytes.

    Args:
        scored: All test rows with their segments, those of cards known to be compromised too: the
            endpoint is asked about them as well.
        threshold: The score from which on a transaction is reviewed.
        limit: How far the gate lets recall differ between segments.
    """
    flagged = scored.scores >= threshold
    counts = SegmentCounts()
    counts.add(scored.customers, scored.segments, scored.labels, flagged)
    figures = figures_of(counts.cells())
    constraints = suggest(figures, limit=limit, flagged=float(flagged.mean()), threshold=threshold)
    told = {"all": len(scored), "judged": counts.judged, "frauds": counts.frauds}
    return described(figures, told), constraints.document()
