"""The account's quotas, held against what an environment's stacks need."""

from collections import Counter
from collections.abc import Iterable, Iterator
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


def quotas(target: Target, assembly: Path) -> Iterator[Check]:
    """A check for each quota that the environment needs some of."""
    needed = needs(stacks(assembly))
    for service in sorted({each.service for each in needed}):
        mine = [each for each in needed if each.service == service]
        words = f"{len(mine)} quotas of {service}"

        def look(service: str = service, mine: Iterable[Need] = mine) -> Iterator[Check]:
            values = _values(target, service)
            used = _other_instances(target, assembly) if service == "sagemaker" else Counter()
            return (_check(each, values.get(each.quota), used[each.quota]) for each in mine)

        yield from looked_at(f"quotas of {service}", words, look)


def _check(need: Need, value: float | None, used: int) -> Check:
    wanted = need.amount + used
    beside = f", and {used} that other endpoints have" if used else ""
    subject, needed, why = need.quota, f"{wanted:g} {need.unit}", f"{need.why}{beside}"
    if value is None:
        return Check(
            subject=subject,
            outcome=Outcome.UNKNOWN,
            found="Service Quotas does not list it",
            needed=needed,
            why=why,
            advice=f"look for it in Service Quotas, {need.service}, in the console",
        )
    is_enough = value >= wanted
    return Check(
        subject=subject,
        outcome=Outcome.OK if is_enough else Outcome.REFUSED,
        found=f"{value:g}",
        needed=needed,
        why=why,
        advice=""
        if is_enough
        else f"ask for {wanted:g}: Service Quotas, {need.service}, {need.quota!r}; AWS takes "
        "minutes to days",
    )


def _values(target: Target, service: str) -> dict[str, float]:
    """Values by the quotas' names: as applied to the account, else AWS's defaults.

    "For some quotas, only the default values are available. If the applied quota value is not
    available for a quota, the quota is not retrieved" (API reference, ListServiceQuotas).
    """
    found: dict[str, float] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        pages = target.client("service-quotas").get_paginator(operation)
        for page in pages.paginate(ServiceCode=service):
            found |= {each["QuotaName"]: each["Value"] for each in page["Quotas"]}
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
    types = {
        each["VariantName"]: each.get("InstanceType")
        for kind in ("ProductionVariants", "ShadowProductionVariants")
        for each in config.get(kind, [])
    }
    return Counter(
        {
            f"{types[each['VariantName']]}{_ENDPOINT_USAGE}": each.get("CurrentInstanceCount", 0)
            for kind in ("ProductionVariants", "ShadowProductionVariants")
            for each in endpoint.get(kind, [])
            if types.get(each["VariantName"])
        }
    )
