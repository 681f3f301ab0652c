"""CloudWatch alarms as AWS evaluates them.

ministack ignores dimensions, missing data, datapoints-to-alarm and metric math, evaluates only
when a metric is written, and tells neither EventBridge nor Lambda of a transition.
"""

from local_aws.alarms.installation import install

__all__ = ["install"]
