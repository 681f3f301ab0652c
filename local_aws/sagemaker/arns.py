"""ARNs of SageMaker resources: made, taken apart, and derived from a request for IAM."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from local_aws.behaviours.playing import plays

_VERBS = re.compile(
    r"^(BatchDescribe|BatchGet|Create|Describe|Delete|Update|Start|Stop|Retry|Invoke|Put|Get|List)"
)
# Members that name the resource an operation acts on, in the order in which they decide, after
# the member that the operation's own noun gives ("CreateEndpoint" acts on EndpointName).
_SUBJECTS = (
    ("PipelineExecutionArn", "pipeline"),
    ("PipelineName", "pipeline"),
    ("HyperParameterTuningJobName", "hyper-parameter-tuning-job"),
    ("ModelPackageArn", "model-package"),
    ("ModelPackageName", "model-package"),
    ("ModelPackageGroupName", "model-package-group"),
    ("EndpointName", "endpoint"),
    ("FeatureGroupName", "feature-group"),
    ("MonitoringScheduleName", "monitoring-schedule"),
    ("JobDefinitionName", "data-quality-job-definition"),
    ("ResourceArn", ""),
)
# Lists that filter by a resource's name and are not about it: the Service Authorization Reference
# gives them none.
_OF_ALL = (
    "ListDataQualityJobDefinitions",
    "ListMonitoringExecutions",
    "ListMonitoringSchedules",
)


def arn(region: str, account: str, kind: str, name: str) -> str:
    """The ARN of a resource: `arn("us-east-1", "000000000000", "pipeline", "train")`."""
    return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"


# Operations on records of several groups, and the member that lists them.
BATCHES = {"BatchGetRecord": "Identifiers", "BatchWriteRecord": "Entries"}


def name_of(name_or_arn: str) -> str:
    """The part that names the resource within its kind, given either form."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    return name_or_arn.split(":", 5)[-1].partition("/")[2]


def kind_of(resource_arn: str) -> str:
    """The kind that an ARN is of: `pipeline`, `model-package`, ...

    An execution's ARN lies below its pipeline's and has the kind `pipeline-execution`.
    """
    kind, _, rest = resource_arn.split(":", 5)[-1].partition("/")
    return "pipeline-execution" if kind == "pipeline" and "/execution/" in rest else kind


def kebab(noun: str) -> str:
    """`ModelPackageGroup` as ARNs spell it: `model-package-group`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", noun).lower()


def subject(operation: str, request: Mapping[str, Any], region: str, account: str) -> str | None:
    """The ARN of what an operation acts on, as IAM policies name it; None when it has none.

    It is spelled as the request spells it: SageMaker's denials of 2023 and since keep capitals
    ("model-package/modelPackageGroupTurbine/1", aws-samples/ml-edge-getting-started #18; "notebook-
    instance-lifecycle-config/BasicNotebookInstance...", service-workbench-on-aws #1176).
    """
    return next(iter(subjects(operation, request, region, account)), None)


def subjects(operation: str, request: Mapping[str, Any], region: str, account: str) -> list[str]:
    """The ARNs of all that an operation acts on; each must be allowed."""

    def named(kind: str, name: Any) -> str:
        return str(name) if str(name).startswith("arn:") else arn(region, account, kind, str(name))

    if operation in BATCHES:
        items = [item for item in request.get(BATCHES[operation], []) if isinstance(item, Mapping)]
        groups = [item["FeatureGroupName"] for item in items if "FeatureGroupName" in item]
        return list(dict.fromkeys(named("feature-group", group) for group in groups))
    if operation == "BatchDescribeModelPackage":
        return list(dict.fromkeys(request.get("ModelPackageArnList", [])))
    group = request.get("ModelPackageGroupName")
    if operation == "CreateModelPackage" and group:
        # AWS checks the version to be; which number it gets is not known before it exists.
        return [arn(region, account, "model-package", f"{name_of(str(group))}/*")]
    if operation == "ListModelPackages" and group:
        # The Service Authorization Reference names packages; samples allow it on the group as well
        # (`Guess.GROUP_OF_PACKAGES`).
        of_group = name_of(str(group))
        allowed = {
            "packages": arn(region, account, "model-package", f"{of_group}/*"),
            "group": arn(region, account, "model-package-group", of_group),
        }
        if plays("package-list", "packages"):
            del allowed["group"]
        if plays("package-list", "group"):
            del allowed["packages"]
        return list(allowed.values())
    found = _named_in(operation, request, named)
    if operation in {"CreateEndpoint", "UpdateEndpoint"} and "EndpointConfigName" in request:
        # aws-cdk #11594: both are asked for on the endpoint and on its configuration.
        found.append(named("endpoint-config", request["EndpointConfigName"]))
    return found


def _named_in(
    operation: str, request: Mapping[str, Any], named: Callable[[str, Any], str]
) -> list[str]:
    """What a member of the request names, of those that decide."""
    noun = _VERBS.sub("", operation)
    if operation in _OF_ALL:
        return []
    for member, kind in ((f"{noun}Name", kebab(noun)), *_SUBJECTS):
        value = request.get(member)
        if isinstance(value, str) and value:
            return [named(kind, value)]
    return []
