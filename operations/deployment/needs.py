"""What an environment needs of an account's quotas, read out of its synthesized templates.

Names are those that Service Quotas has. None of its public listings has Feature Store's: they are
named as SageMaker's guide does ("Quotas, naming rules and data types").
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from operations.deployment.assembly import Stack
from operations.deployment.job_needs import TUNING, JobUse, monitoring_job, pipeline_jobs
from operations.deployment.store_calls import (
    Resources,
    background_reads,
    batches_at_a_time,
    by_type,
    either,
    most_scaled,
    single_reads,
)

__all__ = ["FLEETS", "Need", "needs"]

# An update brings up the new fleet while the old one still answers ("Blue/Green Deployments").
FLEETS = 2
_INSTANCES = "instances"
_OF_ALL_JOBS = "Number of instances across all {} jobs"
_PLATFORMS = {
    "LINUX_CONTAINER": "Linux",
    "LINUX_GPU_CONTAINER": "Linux GPU",
    "ARM_CONTAINER": "ARM",
}
_SIZES = {"SMALL": "Small", "MEDIUM": "Medium", "LARGE": "Large", "XLARGE": "XLarge"}


@dataclass(frozen=True, slots=True)
class Need:
    """What an environment needs of one quota of its account and Region.

    Attributes:
        service: The service's code in Service Quotas, such as `sagemaker`.
        quota: The quota's name.
        amount: The least value that is enough for this environment alone.
        unit: Of the amount.
        why: What takes it.
    """

    service: str
    quota: str
    amount: float
    unit: str
    why: str


def needs(templates: Sequence[Stack]) -> list[Need]:
    """What an environment needs of each quota; one of which it needs nothing is left out.

    As if every pipeline had one execution and every schedule one job at the same time, and the
    endpoint were updated while it has as many instances as scaling may give it.

    Args:
        templates: The environment's stacks.
    """
    resources = by_type(templates)
    found = [
        *_endpoint(resources),
        *_jobs(resources),
        *_pipelines(resources),
        *_feature_store(resources),
        *_builds(resources),
        *_functions(resources),
        *_streams(resources),
        *_rules(resources),
    ]
    return [need for need in found if need.amount > 0]


def _endpoint(resources: Resources) -> Iterator[Need]:
    fleet: Counter[str] = Counter()
    shadow: Counter[str] = Counter()
    concurrency = 0
    for config in resources["AWS::SageMaker::EndpointConfig"]:
        for variant in config["ProductionVariants"]:
            if "ServerlessConfig" in variant:
                concurrency += variant["ServerlessConfig"]["MaxConcurrency"]
            else:
                most = max(variant["InitialInstanceCount"], most_scaled(resources))
                fleet[variant["InstanceType"]] += most
        for variant in either(config.get("ShadowProductionVariants", [])):
            shadow[variant["InstanceType"]] += variant["InitialInstanceCount"]
    for kind in sorted(fleet | shadow):
        yield Need(
            "sagemaker",
            f"{kind} for endpoint usage",
            FLEETS * fleet[kind] + shadow[kind],
            _INSTANCES,
            f"{FLEETS} fleets of up to {fleet[kind]} during an update, {shadow[kind]} in the "
            "shadow",
        )
    yield Need(
        "sagemaker",
        "Number of instances across active endpoints",
        FLEETS * fleet.total() + shadow.total(),
        _INSTANCES,
        "the same, of all types",
    )
    yield Need(
        "sagemaker",
        "Maximum total concurrency that can be allocated across all serverless endpoints",
        concurrency,
        "requests at a time",
        "the endpoint's, which has no instances",
    )


def _jobs(resources: Resources) -> Iterator[Need]:
    sources = [
        *((each["PipelineName"], pipeline_jobs(each)) for each in _named(resources, "Pipeline")),
        *(
            (each["MonitoringScheduleName"], monitoring_job(each))
            for each in _named(resources, "MonitoringSchedule")
        ),
    ]
    amounts: Counter[JobUse] = Counter()
    names: dict[JobUse, list[str]] = defaultdict(list)
    for name, uses in sources:
        amounts.update(uses)
        for use in uses:
            names[use].append(name)
    totals: Counter[str] = Counter()
    for use, amount in sorted(amounts.items()):
        if use.kind == TUNING:
            quota = "Maximum number of training jobs each hyper parameter tuning job can run in "
            yield Need("sagemaker", f"{quota}parallel at once", amount, "jobs", names[use][0])
            continue
        quota = f"{use.instance_type} for {use.kind} job usage"
        why = f"a job at a time each: {', '.join(sorted(names[use]))}"
        yield Need("sagemaker", quota, amount, _INSTANCES, why)
        totals[use.kind] += amount
    for kind, amount in totals.items():
        quota = _OF_ALL_JOBS.format(kind)
        yield Need("sagemaker", quota, amount, _INSTANCES, "the same, of all types")


def _named(resources: Resources, kind: str) -> Sequence[Mapping[str, Any]]:
    return resources[f"AWS::SageMaker::{kind}"]


def _pipelines(resources: Resources) -> Iterator[Need]:
    pipelines = len(_named(resources, "Pipeline"))
    schedules = len(_named(resources, "MonitoringSchedule"))
    quota = "Maximum number of pipelines allowed per account"
    yield Need("sagemaker", quota, pipelines, "pipelines", "training, batch scoring, monitoring")
    quota = "Maximum number of concurrent pipeline executions allowed per account"
    yield Need("sagemaker", quota, pipelines, "executions", "one of each pipeline")
    yield Need("sagemaker", "Total Monitoring Schedules", schedules, "schedules", "one a kind")


def _feature_store(resources: Resources) -> Iterator[Need]:
    groups = len(_named(resources, "FeatureGroup"))
    quota = "Maximum number of feature groups per AWS account"
    yield Need("sagemaker", quota, groups, "feature groups", "customers' and terminals' states")
    folds, runs = background_reads(resources)
    why = f"{folds} of the folds, and {runs} of a training run"
    quota = "BatchGetRecord transactions per second"
    yield Need("sagemaker", quota, folds + runs, "calls a second", why)
    quota = "GetRecord transactions per second"
    why = "two a transaction, and the challenger's, at what scaling aims at with all instances"
    yield Need("sagemaker", quota, single_reads(resources), "calls a second", why)


def _builds(resources: Resources) -> Iterator[Need]:
    """Of builds at a time: a project's follow each other."""
    sizes: Counter[str] = Counter()
    for project in resources["AWS::CodeBuild::Project"]:
        environment = project["Environment"]
        size = environment["ComputeType"].removeprefix("BUILD_GENERAL1_")
        sizes[f"{_PLATFORMS[environment['Type']]}/{_SIZES.get(size, size)}"] += 1
    for size, amount in sizes.items():
        quota = f"Concurrently running builds for {size} environment"
        yield Need("codebuild", quota, amount, "builds", "the container image's")


def _functions(resources: Resources) -> Iterator[Need]:
    """Of invocations at a time: one of each function, but as many as a stream's shards allow."""
    readers = batches_at_a_time(resources)
    batches = readers.total()
    others = len(resources["AWS::Lambda::Function"]) - len(readers)
    why = f"{batches} batches of the streams, and {others} other functions"
    yield Need("lambda", "Concurrent executions", batches + others, "invocations", why)


def _streams(resources: Resources) -> Iterator[Need]:
    streams = resources["AWS::Kinesis::Stream"]
    shards = [each["ShardCount"] for each in streams if "ShardCount" in each]
    yield Need("kinesis", "Shards per Region", sum(shards), "shards", "the event streams'")
    quota = "On-demand Data Streams per account"
    yield Need("kinesis", quota, len(streams) - len(shards), "streams", "the event streams")
    deliveries = len(resources["AWS::KinesisFirehose::DeliveryStream"])
    yield Need("firehose", "Delivery streams", deliveries, "streams", "what lands events")


def _rules(resources: Resources) -> Iterator[Need]:
    rules = resources["AWS::Events::Rule"]
    targets = max((len(rule["Targets"]) for rule in rules), default=0)
    yield Need("events", "Number of rules", len(rules), "rules", "on the account's default bus")
    yield Need("events", "Targets per rule", targets, "targets", "of the rule that has most")
