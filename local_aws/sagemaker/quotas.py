"""The account's quotas of instances: what is in use is counted from what there is.

SageMaker's words are those of sagemaker-custom-project-templates #51 and amazon-sagemaker-examples
#307, with the advice of newer ones ("Please use AWS Service Quotas ...").
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from local_aws.quotas import limits
from local_aws.sagemaker.context import Context
from local_aws.sagemaker.errors import ServiceError

Document = Mapping[str, Any]
# Numbers of instances by type.
Amounts = Counter[str]

_ALIVE = ("InProgress", "Stopping")
_ADVICE = (
    "Please use AWS Service Quotas to request an increase for this quota. If AWS Service Quotas is "
    "not available, contact AWS support to request an increase for this quota."
)


def check(name: str, used: int, wanted: int, unit: str = "Instances") -> None:
    """Refuse what would exceed a quota.

    Args:
        name: AWS's name of it.
        used: What is in use.
        wanted: What is asked for beside.
        unit: As SageMaker's words have it.

    Raises:
        ServiceError: `ResourceLimitExceeded`.
    """
    most = limits.limit("sagemaker", name)
    if most is None or wanted <= 0 or used + wanted <= most:
        return
    raise ServiceError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{name}' is {most:.0f} {unit}, with current utilization "
        f"of {used} {unit} and a request delta of {wanted} {unit}. {_ADVICE}",
    )


def check_instances(usage: str, across: str, used: Amounts, wanted: Amounts) -> None:
    """Refuse instances of which there would be too many, of a type or altogether.

    Args:
        usage: Such as `endpoint`, of `ml.m5.xlarge for endpoint usage`.
        across: Of `Number of instances across active endpoints`.
        used: What is in use.
        wanted: What is asked for beside.
    """
    for kind, count in wanted.items():
        check(f"{kind} for {usage} usage", used[kind], count)
    check(f"Number of instances across {across}", used.total(), wanted.total())


def check_job(context: Context, kind: str, request: Document) -> None:
    """Refuse a job for whose instances there is no room; call it in a transaction of the store.

    A tuning job is refused for what its training jobs take at once, and has no instances itself.
    """
    usage, wanted = _USAGES[kind](request)
    of = "training-job" if kind == "hyper-parameter-tuning-job" else kind
    status = f"{of.partition('-')[0].title()}JobStatus"
    used: Amounts = Counter()
    for job in context.store.list(of):
        if job[status] in _ALIVE:
            its_usage, instances = _USAGES[of](job)
            used += instances if its_usage == usage else Counter()
    if kind == "training-job":
        check(f"Maximum number of instances per {usage}", 0, wanted.total())
    check_instances(usage, f"all {usage}s", used, wanted)


def _training(job: Document) -> tuple[str, Amounts]:
    resources = job["ResourceConfig"]
    spot = "spot " if job.get("EnableManagedSpotTraining") else ""
    return f"{spot}training job", _of_clusters(resources.get("InstanceGroups") or [resources])


def _tuning(job: Document) -> tuple[str, Amounts]:
    usage, each = _training(job["TrainingJobDefinition"])
    at_once = job["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
    return usage, Counter({kind: count * at_once for kind, count in each.items()})


def _processing(job: Document) -> tuple[str, Amounts]:
    return "processing job", _of_clusters([job["ProcessingResources"]["ClusterConfig"]])


def _transform(job: Document) -> tuple[str, Amounts]:
    return "transform job", _of_clusters([job["TransformResources"]])


def _of_clusters(clusters: Iterable[Document]) -> Amounts:
    found: Amounts = Counter()
    for cluster in clusters:
        if "InstanceType" in cluster:
            found[cluster["InstanceType"]] += cluster.get("InstanceCount", 1)
    return found


_USAGES: Mapping[str, Callable[[Document], tuple[str, Amounts]]] = {
    "hyper-parameter-tuning-job": _tuning,
    "processing-job": _processing,
    "training-job": _training,
    "transform-job": _transform,
}
