"""Principals of policies: who is named must be there (IAM User Guide, "Principal").

AWS keeps the ids of users and roles, not their ARNs, so that what it cannot look up is refused.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from local_aws import registry
from local_aws.adapter import lookups

_ACCOUNT = re.compile(r"\d{12}|arn:aws[a-z-]*:iam::\d{12}:root")
_SERVICE = re.compile(r"([a-z0-9.-]+)\.amazonaws\.com")
_PROVIDERS = {
    *("accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com"),
    "www.amazon.com",
}
# Principals whose last label is no prefix of actions (guides of EC2 Spot, CloudFront, VPC, ECS,
# SageMaker's Edge Manager and others, "service-linked roles" and "trust policies").
_OTHER_SERVICES = {
    *("appflow", "application-autoscaling", "assets", "backup-gateway", "continuousexport"),
    *("ecs-tasks", "edgelambda", "eks-fargate-pods", "eks-nodegroup", "monitoring", "opsworks-cm"),
    *("spotfleet", "support-app", "tagging", "vmie", "vpc-flow-logs"),
}


def invalid_principals(principal: Any) -> Iterator[str]:
    """Who of a principal element cannot be named, as refusals show them: `"AWS":"arn:..."`."""
    if principal == "*":
        return
    if not isinstance(principal, Mapping) or not principal:
        yield f'"{principal}"'
        return
    valid = {"AWS": _is_aws, "Service": _is_service, "Federated": _PROVIDERS.__contains__}
    for kind, named in principal.items():
        values = [named] if isinstance(named, str) else named
        if not isinstance(values, list) or not values:
            yield f'"{kind.upper()}":"{named}"'
            continue
        for each in values:
            if kind not in valid or not isinstance(each, str) or not valid[kind](each):
                yield f'"{kind.upper()}":"{each}"'


def _is_aws(named: str) -> bool:
    if named == "*" or _ACCOUNT.fullmatch(named):
        return True
    # "You cannot use a wildcard to match part of a principal name or ARN."
    return not {"*", "?"} & {*named} and lookups.principal_exists(named)


def _is_service(named: str) -> bool:
    """Whether AWS has a service of that name: `logs`, `logs.eu-west-1`, `delivery.logs`."""
    found = _SERVICE.fullmatch(named)
    return found is not None and bool({*found[1].split(".")} & _services())


@cache
def _services() -> frozenset[str]:
    prefixes = registry.data("AdditionalSpecs/Policies.json")
    return frozenset({*prefixes, *_OTHER_SERVICES})
