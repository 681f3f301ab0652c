"""The instances of endpoints, held to the account's quotas.

What an endpoint has is what it has deployed, and what is being added to that: `Adding` in its
document, from the request on until the deployment has ended, one way or the other.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from local_aws.sagemaker import quotas
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.endpoints.plans import Plan
from local_aws.sagemaker.endpoints.servers import FleetSpec
from local_aws.sagemaker.endpoints.shifting import first_batch


def of(specs: Iterable[FleetSpec]) -> quotas.Amounts:
    """The instances of fleets by type; serverless ones have none."""
    found: quotas.Amounts = Counter()
    for spec in specs:
        if spec.instance_type is not None:
            found[spec.instance_type] += spec.count
    return found


def beside(old: Plan | None, new: Plan, config: Mapping[str, Any]) -> quotas.Amounts:
    """What an update launches beside what is there: a whole fleet, or a batch of a rolling one.

    Args:
        old: What is deployed, if anything is.
        new: What shall be.
        config: The DeploymentConfig.
    """
    wanted, batch = of(new.specs), first_batch(config, new)
    # Of another type, batch after batch comes until there is a whole fleet.
    if batch is None or old is None or of(old.specs).keys() != wanted.keys():
        return wanted
    return Counter(dict.fromkeys(wanted, batch))


def added(old: Plan, new: Plan) -> quotas.Amounts:
    """What a change of capacities launches."""
    return of(new.specs) - of(old.specs)


def admit(context: Context, wanted: quotas.Amounts, whole: int) -> None:
    """Refuse instances of which there would be too many; call it in a transaction of the store.

    Args:
        context: Shared state.
        wanted: What is to be launched.
        whole: How many the endpoint shall have.
    """
    used: quotas.Amounts = Counter()
    for endpoint in context.store.list("endpoint"):
        if endpoint["EndpointStatus"] != "Failed" and "Deployed" in endpoint:
            used += of(Plan.parse(endpoint["Deployed"]).specs)
        used += Counter(endpoint.get("Adding", {}))
    quotas.check("Maximum number of instances per endpoint", 0, whole)
    quotas.check_instances("endpoint", "active endpoints", used, wanted)
