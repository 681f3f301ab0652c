"""Metric math of the alarms on a version: what is more than chance makes of what is tolerated.

CloudWatch's functions have no square root, so that both sides are squared. The figures are chosen
by simulation: `python -m benchmarks.rollouts`.
"""

__all__ = ["LEAST_FOR_PERCENTILE", "beyond_chance", "shift", "slowdown"]

# Requests in a minute; the slowest hundredth of fewer is one request, or two.
LEAST_FOR_PERCENTILE = 200
_DEVIATIONS_SQUARED = 9
_FLAGGED_BESIDES = 3
# How far the ratio of the medians of n requests scatters, squared, times n.
_SLOWDOWN_NOISE = 20


def beyond_chance(events: str, tolerated: str) -> str:
    """Above 0 if there are more events than chance makes of those tolerated, and one more.

    Args:
        events: Id of the metric that counts them; silence is none.
        tolerated: How many may be expected, an expression.
    """
    excess = f"(FILL({events}, 0) - {tolerated} - 1)"
    return f"IF({excess} > 0, {excess} * {excess} - {_DEVIATIONS_SQUARED} * {tolerated}, -1)"


def shift(ratio: float) -> str:
    """Above 0 if a version flags so many times the share of the others, beyond chance.

    Of the metrics flagged and answers, the version's, and all_flagged and every, the endpoint's.
    """
    # Few answers tell little: as if some more of them had been flagged.
    share = f"(all_flagged - FILL(flagged, 0) + {_FLAGGED_BESIDES}) / (every - answers)"
    return beyond_chance("flagged", f"{ratio} * {share} * answers")


def slowdown(limit: float, *, parts: int) -> str:
    """Above 0 if a version takes so many times as long as the endpoint, beyond chance.

    Of the metrics new0, new1, ... and all0, all1, ..., the medians of each part of the time, and
    requests, the version's.
    """
    new, every = (
        "(" + " + ".join(f"{who}{i}" for i in range(parts)) + ")" for who in ("new", "all")
    )
    excess = f"({new} / {every} - {limit})"
    return f"IF({excess} > 0, {excess} * {excess} * requests - {_SLOWDOWN_NOISE}, -1)"
