"""The rules of AWS beyond its models: names, sizes, and what is not there.

A rule is a function of a request's parameters that gives the refusal, or None. Each names its
source; what has none is in `local_aws.guesses`, and its words say so.
"""

from collections.abc import Callable, Mapping
from typing import Any

from local_aws.adapter.operations import Refusal
from local_aws.adapter.requests import Request
from local_aws.rules import (
    athena,
    bucket_bodies,
    buckets,
    builds,
    events,
    function_calls,
    functions,
    identity,
    keys,
    logs,
    metrics,
    parameters,
    queues,
    repositories,
    schedules,
    stacks,
    streams,
    topics,
    users,
)

Rule = Callable[[Mapping[str, Any]], Refusal | None]
RULES: dict[tuple[str, str], Rule] = {
    **{("athena", name): rule for name, rule in athena.RULES.items()},
    **{("cloudformation", name): rule for name, rule in stacks.RULES.items()},
    **{("codebuild", name): rule for name, rule in builds.RULES.items()},
    **{("ecr", name): rule for name, rule in repositories.RULES.items()},
    **{("events", name): rule for name, rule in events.RULES.items()},
    **{("iam", name): rule for name, rule in (identity.RULES | users.RULES).items()},
    **{("glue", name): rule for name, rule in logs.CATALOG_RULES.items()},
    **{("logs", name): rule for name, rule in logs.RULES.items()},
    **{("kinesis", name): rule for name, rule in streams.RULES.items()},
    **{("lambda", name): rule for name, rule in functions.RULES.items()},
    **{("monitoring", name): rule for name, rule in metrics.RULES.items()},
    **{("scheduler", name): rule for name, rule in schedules.RULES.items()},
    **{("sns", name): rule for name, rule in topics.RULES.items()},
    **{("sqs", name): rule for name, rule in queues.RULES.items()},
    **{("ssm", name): rule for name, rule in parameters.RULES.items()},
    **{("sts", name): rule for name, rule in identity.SESSION_RULES.items()},
}


def refusal(request: Request, given: Mapping[str, Any]) -> Refusal | None:
    """Why AWS would refuse a request whose parameters are those of its operation, or None."""
    if request.service == "s3":
        return bucket_bodies.refusal(request) or buckets.refusal(request)
    if (request.service, request.operation) == ("lambda", "Invoke"):
        return function_calls.invoke(request)
    if request.service == "kms":
        return keys.refusal(request, given)
    rule = RULES.get((request.service, str(request.operation)))
    return None if rule is None else rule(given)
