"""ARNs of SageMaker resources: made, taken apart, and derived from a request for IAM."""

import re
from collections.abc import Mapping
from typing import Any

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
    ("ResourceArn", ""),
)


def arn(region: str, account: str, kind: str, name: str) -> str:
    """The ARN of a resource: `arn("us-east-1", "000000000000", "pipeline", "train")`."""
    return f"arn:aws:sagemaker:{region}:{account}:{kind}/{name}"


# Operations on several records, and the member that lists them with their groups.
BATCHES = {"BatchGetRecord": "Identifiers", "BatchWriteRecord": "Entries"}


def name_of(name_or_arn: str) -> str:
    """The part that names the resource within its kind, given either form."""
    if not name_or_arn.startswith("arn:"):
        return name_or_arn
    return name_or_arn.split(":", 5)[5].split("/", 1)[1]


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
    """The ARN of what an operation acts on, as IAM policies name it; None when it has none."""
    noun = _VERBS.sub("", operation)
    if operation in BATCHES:
        # One group stands for all: the emulator asks IAM about one resource a request.
        request = next(iter(request.get(BATCHES[operation], [])), {})
    elif operation == "CreateModelPackage":
        # AWS checks the version to be; which number it gets is not known before it exists.
        group = request.get("ModelPackageGroupName")
        name = f"{name_of(group)}/*" if group else str(request.get("ModelPackageName"))
        return arn(region, account, "model-package", name)
    for member, kind in ((f"{noun}Name", kebab(noun)), *_SUBJECTS):
        value = request.get(member)
        if isinstance(value, str) and value:
            return value if value.startswith("arn:") else arn(region, account, kind, value)
    return None
