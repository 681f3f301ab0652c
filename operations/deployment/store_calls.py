"""The calls of Feature Store that an environment makes in a second, read out of its templates."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from operations.deployment.assembly import Stack

__all__ = [
    "SIDES",
    "Resources",
    "background_reads",
    "batches_at_a_time",
    "by_type",
    "either",
    "most_scaled",
    "requests_of_an_instance",
    "shadow_share",
    "single_reads",
]

# A transaction's states, each of which is a record.
SIDES = 2
_PER_INSTANCE = "SageMakerVariantInvocationsPerInstance"

# What an on-demand stream has at first: 4 MB and 4,000 records a second, as four shards would.
ON_DEMAND_SHARDS = 4

# Properties of resources by type, with their `LogicalId`.
Resources = Mapping[str, Sequence[Mapping[str, Any]]]


def by_type(templates: Sequence[Stack]) -> Resources:
    """The resources of an environment's stacks; none of a type that no template has."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for stack in templates:
        for logical_id, resource in stack.template["Resources"].items():
            properties = {"LogicalId": logical_id, **resource.get("Properties", {})}
            found[resource["Type"]].append(properties)
    return found


def background_reads(resources: Resources) -> tuple[int, int]:
    """What the folds, and a training run, make of BatchGetRecord at most: calls a second."""
    batches = batches_at_a_time(resources)
    folds = 0
    for function in resources["AWS::Lambda::Function"]:
        variables = function.get("Environment", {}).get("Variables", {})
        folds += batches[function["LogicalId"]] * int(variables.get("STORE_READS_A_SECOND", 0))
    runs = 0
    for pipeline in resources["AWS::SageMaker::Pipeline"]:
        body = pipeline["PipelineDefinition"]["PipelineDefinitionBody"]
        filled_in = body["Fn::Sub"][1] if isinstance(body, Mapping) else {}
        runs += int(filled_in.get("StoreReads", 0))
    return folds, runs


def batches_at_a_time(resources: Resources) -> Counter[str]:
    """How many batches of streams each function handles at a time, by its logical ID."""
    shards = {
        each["LogicalId"]: int(each.get("ShardCount", ON_DEMAND_SHARDS))
        for each in resources["AWS::Kinesis::Stream"]
    }
    found: Counter[str] = Counter()
    for source in resources["AWS::Lambda::EventSourceMapping"]:
        arn = source["EventSourceArn"]
        stream = arn["Fn::GetAtt"][0] if isinstance(arn, Mapping) else None
        if stream in shards:
            function = source["FunctionName"]["Ref"]
            found[function] += shards[stream] * source.get("ParallelizationFactor", 1)
    return found


def most_scaled(resources: Resources) -> int:
    """How many instances scaling may give a variant, at any time; 0 without scaling."""
    limits = [0]
    for target in resources["AWS::ApplicationAutoScaling::ScalableTarget"]:
        limits.append(target["MaxCapacity"])
        for action in target.get("ScheduledActions", []):
            limits.append(action["ScalableTargetAction"].get("MaxCapacity", 0))
    return max(limits)


def requests_of_an_instance(resources: Resources) -> float:
    """Requests a second that scaling aims at for each instance; 0 without such a target."""
    targets = [
        policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"]
        for policy in resources["AWS::ApplicationAutoScaling::ScalingPolicy"]
        if _PER_INSTANCE in str(policy)
    ]
    return float(max(targets, default=0)) / 60


def shadow_share(resources: Resources) -> float:
    """The share of requests that a challenger is asked, too; 0 without a shadow."""
    shares = [
        variant["InitialVariantWeight"]
        for config in resources["AWS::SageMaker::EndpointConfig"]
        for variant in either(config.get("ShadowProductionVariants", []))
    ]
    return float(sum(shares))


def single_reads(resources: Resources) -> float:
    """Calls of GetRecord a second, when all instances have what scaling aims at and nothing cached.

    The challenger's server reads for itself.
    """
    requests = most_scaled(resources) * requests_of_an_instance(resources)
    return SIDES * requests * (1 + shadow_share(resources))


def either(value: Any) -> Any:
    """A value, or what it is if its condition holds."""
    return value["Fn::If"][1] if isinstance(value, Mapping) else value
