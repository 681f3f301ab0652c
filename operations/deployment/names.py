"""Resources with a physical name, and whether somebody has that name already."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from operations.target import Target

__all__ = ["NAMED", "Named", "name_of"]

# What services call that which is not there, where they have a code for it.
_ABSENT = frozenset(
    {
        *("EntityNotFoundException", "NoSuchEntity", "ParameterNotFound"),
        *("ResourceNotFound", "ResourceNotFoundException"),
    }
)
# The rest say it in words: SageMaker of a group of packages ("ModelPackageGroup ... does not
# exist."), a pipeline and an endpoint ("Could not find endpoint ..."), Athena of a workgroup
# ("WorkGroup ... is not found.").
_WORDS = ("does not exist", "Could not find", "not found")


@dataclass(frozen=True, slots=True)
class Named:
    """How a type's resources are named.

    Attributes:
        path: The properties that lead to the name.
        look: Asks for the resource of a name; raises ClientError, or gives nothing, if there is
            none.
    """

    path: tuple[str, ...]
    look: Callable[[Target, str], Any]

    def is_taken(self, target: Target, name: str) -> bool:
        """Whether there is a resource of that name in the account and Region."""
        try:
            return bool(self.look(target, name))
        except ClientError as error:
            said = error.response["Error"]
            if said["Code"] in _ABSENT or any(each in said["Message"] for each in _WORDS):
                return False
            raise


def name_of(resource: Mapping[str, Any], region: str) -> str | None:
    """The physical name that a template gives a resource, if its type is one of `NAMED`.

    Args:
        resource: The resource in its template.
        region: What `AWS::Region` stands for.
    """
    if resource["Type"] not in NAMED:
        return None
    value: Any = resource.get("Properties", {})
    for name in NAMED[resource["Type"]].path:
        value = value.get(name, {})
    match value:
        case str():
            return value
        case {"Fn::Join": [str(between), list(parts)]}:
            known = [region if part == {"Ref": "AWS::Region"} else part for part in parts]
            return between.join(known) if all(isinstance(part, str) for part in known) else None
    return None


def _log_group(target: Target, name: str) -> bool:
    found = target.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(each["logGroupName"] == name for each in found)


NAMED: Mapping[str, Named] = {
    "AWS::Athena::WorkGroup": Named(
        ("Name",), lambda target, name: target.client("athena").get_work_group(WorkGroup=name)
    ),
    "AWS::Glue::Database": Named(
        ("DatabaseInput", "Name"),
        lambda target, name: target.client("glue").get_database(Name=name),
    ),
    "AWS::IAM::Role": Named(
        ("RoleName",), lambda target, name: target.client("iam").get_role(RoleName=name)
    ),
    "AWS::Kinesis::Stream": Named(
        ("Name",),
        lambda target, name: target.client("kinesis").describe_stream_summary(StreamName=name),
    ),
    "AWS::Logs::LogGroup": Named(("LogGroupName",), _log_group),
    "AWS::SSM::Parameter": Named(
        ("Name",), lambda target, name: target.client("ssm").get_parameter(Name=name)
    ),
    "AWS::SageMaker::Endpoint": Named(
        ("EndpointName",),
        lambda target, name: target.client("sagemaker").describe_endpoint(EndpointName=name),
    ),
    "AWS::SageMaker::FeatureGroup": Named(
        ("FeatureGroupName",),
        lambda target, name: target.client("sagemaker").describe_feature_group(
            FeatureGroupName=name
        ),
    ),
    "AWS::SageMaker::ModelPackageGroup": Named(
        ("ModelPackageGroupName",),
        lambda target, name: target.client("sagemaker").describe_model_package_group(
            ModelPackageGroupName=name
        ),
    ),
    "AWS::SageMaker::Pipeline": Named(
        ("PipelineName",),
        lambda target, name: target.client("sagemaker").describe_pipeline(PipelineName=name),
    ),
    "AWS::Scheduler::Schedule": Named(
        ("Name",), lambda target, name: target.client("scheduler").get_schedule(Name=name)
    ),
}
