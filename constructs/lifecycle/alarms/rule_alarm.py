"""The alarm of rules whose events are lost without a trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from lifecycle.alarms.metric_alarm import alarm_above

__all__ = ["MOST_RULES", "alarm_on_lost_events"]

# EventBridge's: what it gave up on, and what it could not keep as a dead letter either.
_METRICS = ("FailedInvocations", "InvocationsFailedToBeSentToDlq")
PERIOD = Duration.minutes(5)
# CloudWatch takes ten metrics in an alarm.
MOST_RULES = 10 // len(_METRICS)


def alarm_on_lost_events(
    scope: Construct,
    construct_id: str,
    *,
    rule_names: Sequence[str],
    description: str,
    more: Mapping[str, cloudwatch.IMetric] | None = None,
) -> cloudwatch.Alarm:
    """One alarm for all rules of a function: it costs what one for each would, and says the same.

    A target that refuses an event and a queue of dead letters that refuses it, too, as both do
    under a key that EventBridge may not use, leave nothing behind but these counts.

    Args:
        rule_names: The rules, of the default bus; five at most.
        description: What has happened and what to do about it.
        more: Metrics that count with them, by an id that begins in lower case.

    Raises:
        ValueError: If there are no rules, or more than CloudWatch takes metrics for.
    """
    if not 0 < len(rule_names) <= MOST_RULES:
        raise ValueError(
            f"rule_names must be between 1 and {MOST_RULES}, got {len(rule_names)}; define another "
            "function for more"
        )
    metrics: dict[str, cloudwatch.IMetric] = {
        f"{metric[0].lower()}{metric[1:]}{number}": cloudwatch.Metric(
            namespace="AWS/Events",
            metric_name=metric,
            dimensions_map={"RuleName": name},
            statistic="Sum",
            period=PERIOD,
        )
        for number, name in enumerate(rule_names)
        for metric in _METRICS
    }
    metrics.update(more or {})
    lost = cloudwatch.MathExpression(
        expression=" + ".join(f"FILL({name}, 0)" for name in metrics),
        using_metrics=metrics,
        period=PERIOD,
    )
    return alarm_above(scope, construct_id, lost, description=description)
