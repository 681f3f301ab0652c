"""The account's quotas, held against what an environment's stacks need."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from operations.deployment.assembly import resources, stacks
from operations.deployment.needs import Need, needs
from operations.doctor.checks import Check, Outcome, looked_at
from operations.target import Target

__all__ = ["quotas"]

_ENDPOINT = "AWS::SageMaker::Endpoint"
_ENDPOINT_USAGE = " for endpoint usage"
# How the quotas of instance types end, each of which Service Quotas has.
_USAGE = " usage"


def quotas(target: Target, assembly: Path) -> Iterator[Check]:
    """A check for each quota that the environment needs some of."""
    needed = needs(stacks(assembly))
    for service in sorted({each.service for each in needed}):
        mine = [each for each in needed if each.service == service]
        words = f"{len(mine)} of {service}"

        def look(service: str = service, mine: Iterable[Need] = mine) -> Iterator[Check]:
            found = _quotas(target, service)
            used = _other_instances(target, assembly) if service == "sagemaker" else Counter()
            return (_check(each, found.get(each.quota), used[each.quota]) for each in mine)

        yield from looked_at(f"quotas of {service}", words, look)


def _check(need: Need, quota: Mapping[str, Any] | None, used: int) -> Check:
    wanted = need.amount + used
    beside = f", and {used} that other endpoints have" if used else ""
    subject, needed, why = need.quota, f"{wanted:g} {need.unit}", f"{need.why}{beside}"
    if quota is None:
        return Check(
            subject=subject,
            outcome=Outcome.UNKNOWN if need.quota.endswith(_USAGE) else Outcome.NOTE,
            found="Service Quotas does not list it",
            needed=needed,
            why=why,
            advice=f"AWS's guide of {need.service} has its default; Support raises it",
        )
    is_enough = quota["Value"] >= wanted
    command = (
        f"aws service-quotas request-service-quota-increase --service-code {need.service} "
        f"--quota-code {quota['QuotaCode']} --desired-value {wanted:g}"
    )
    return Check(
        subject=subject,
        outcome=Outcome.OK if is_enough else Outcome.REFUSED,
        found=f"there are {quota['Value']:g}",
        needed=needed,
        why=why,
        advice="" if is_enough else f"ask for more, which takes minutes to days: `{command}`",
    )


def _quotas(target: Target, service: str) -> dict[str, Mapping[str, Any]]:
    """A service's quotas by name: as applied to the account, else AWS's defaults.

    "For some quotas, only the default values are available. If the applied quota value is not
    available for a quota, the quota is not retrieved" (API reference, ListServiceQuotas).
    """
    found: dict[str, Mapping[str, Any]] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        pages = target.client("service-quotas").get_paginator(operation)
        for page in pages.paginate(ServiceCode=service):
            found |= {each["QuotaName"]: each for each in page["Quotas"]}
    return found


def _other_instances(target: Target, assembly: Path) -> Counter[str]:
    """Instances by quota that endpoints have which are not the environment's."""
    sagemaker, found = target.client("sagemaker"), Counter[str]()
    own = {each["Properties"].get("EndpointName") for each in resources(assembly, _ENDPOINT)}
    for page in sagemaker.get_paginator("list_endpoints").paginate():
        for each in page["Endpoints"]:
            if each["EndpointName"] not in own:
                found += _instances(sagemaker, each["EndpointName"])
    return found


def _instances(sagemaker: Any, name: str) -> Counter[str]:
    try:
        endpoint = sagemaker.describe_endpoint(EndpointName=name)
        config = sagemaker.describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
    except ClientError as error:
        # It, or its configuration, was deleted; then nobody can say what it takes.
        if "Could not find" not in str(error):
            raise
        return Counter()
    found = Counter[str]()
    for kind in ("ProductionVariants", "ShadowProductionVariants"):
        # An endpoint that is being made has none yet, and is about to have its configuration's.
        live = {each["VariantName"]: each for each in endpoint.get(kind, [])}
        for variant in config.get(kind, []):
            now = live.get(variant["VariantName"], {})
            count = now.get("DesiredInstanceCount", variant.get("InitialInstanceCount", 0))
            if "InstanceType" in variant:  # or it is serverless
                found[variant["InstanceType"] + _ENDPOINT_USAGE] += count
    return found
