"""CloudFormation and what exists already: names that are taken, and resources it adopts.

ministack creates some types over what has the name, and cannot import some that AWS can.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import responses
from ministack.services import (
    athena,
    cloudformation,
    cloudwatch,
    cloudwatch_logs,
    ecr,
    iam,
    kinesis,
    lambda_svc,
    sqs,
    ssm,
    tagging,
)
from ministack.services.cloudformation import changesets, handlers, helpers, provisioners

# Of types that ministack creates over an existing resource: the property that names one, and all.
_NAMED: dict[str, tuple[str, Any]] = {
    "AWS::Athena::WorkGroup": ("Name", athena._workgroups),
    "AWS::CloudWatch::Alarm": ("AlarmName", cloudwatch._alarms),
    "AWS::ECR::Repository": ("RepositoryName", ecr._repositories),
    "AWS::IAM::Role": ("RoleName", iam._roles),
    "AWS::Kinesis::Stream": ("Name", kinesis._streams),
    "AWS::Lambda::Function": ("FunctionName", lambda_svc._functions),
    "AWS::Logs::LogGroup": ("LogGroupName", cloudwatch_logs._log_groups),
    "AWS::SQS::Queue": ("QueueName", sqs._queue_name_to_url),
    "AWS::SSM::Parameter": ("Name", ssm._parameters),
}


def refuse_taken_names() -> None:
    """Fail the creation of a resource whose name is taken, as AWS does for every type.

    The text is that of CloudFormation's resource handlers; the Cloud Control API Reference has one
    of a log group (ListResourceRequests, example).
    """
    for resource_type, (name_property, existing) in _NAMED.items():
        handler = provisioners._RESOURCE_HANDLERS[resource_type]
        if "update" not in handler:
            continue  # it is updated by being created again
        handler["create"] = _refusing(resource_type, name_property, existing, handler["create"])


def _refusing(resource_type: str, name_property: str, existing: Any, create: Any) -> Any:
    def create_new(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        name = properties.get(name_property)
        if name in existing:
            identifier = json.dumps({f"/properties/{name_property}": name}, separators=(",", ":"))
            raise ValueError(
                'Resource handler returned message: "Resource of type '
                f"'{resource_type}' with identifier '{identifier}' already exists.\" "
                "(HandlerErrorCode: AlreadyExists)"
            )
        return create(logical_id, properties, stack_name)

    return create_new


def refuse_failed_stacks() -> None:
    """Refuse to make or update a stack whose creation failed: it has to be deleted first.

    The texts are of public failures of the three operations.
    """

    def refusing(action: str, inner: Any) -> Any:
        def handle(params: dict[str, Any]) -> Any:
            name = helpers._p(params, "StackName")
            stack = cloudformation._stacks.get(name)
            status = stack["StackStatus"] if stack else ""
            if status not in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
                return inner(params)
            if action == "CreateStack":
                return helpers._error("AlreadyExistsException", f"Stack [{name}] already exists")
            change = helpers._p(params, "ChangeSetName")
            if helpers._p(params, "ChangeSetType", "UPDATE") == "CREATE":
                text = f"Stack [{name}] already exists and cannot be created again with the "
                return helpers._error("ValidationError", f"{text}changeSet [{change}].")
            text = f"Stack:{stack['StackId']} is in {status} state and can not be updated."
            return helpers._error("ValidationError", text)

        return handle

    for action in ("CreateStack", "CreateChangeSet", "UpdateStack"):
        handlers._ACTION_HANDLERS[action] = refusing(action, handlers._ACTION_HANDLERS[action])


def keep_boundaries() -> None:
    """Give a role of a template its permissions boundary, which ministack drops."""
    handler = provisioners._RESOURCE_HANDLERS["AWS::IAM::Role"]
    create, update = handler["create"], handler["update"]

    def bounded(name: str, properties: dict[str, Any]) -> None:
        arn = properties.get("PermissionsBoundary")
        if arn and (refused := iam._boundary_policy_error(arn)):
            raise ValueError(f"permissions boundary {arn} does not exist: {refused[2].decode()}")
        iam._roles[name]["PermissionsBoundary"] = arn

    def create_role(logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
        created = create(logical_id, properties, stack_name)
        bounded(created[0], properties)
        return created

    def update_role(physical_id: str, old: Any, new: Any, stack: str, *rest: Any) -> Any:
        updated = update(physical_id, old, new, stack, *rest)
        bounded(updated[0], new)
        return updated

    handler.update(create=create_role, update=update_role)


def register_import(
    resource_type: str,
    identifier: str,
    *,
    exists: Callable[[str], bool],
    provisioned: Callable[[str], tuple[str, dict[str, Any]]],
) -> None:
    """Let CloudFormation adopt existing resources of a type.

    Args:
        resource_type: Such as AWS::Kinesis::Stream.
        identifier: The primary identifier in its registry schema. A resource that names it in the
            template can be imported automatically; one whose identifier is read-only cannot
            (CloudFormation User Guide, "Import AWS resources into a stack automatically").
        exists: Whether there is one of that identifier.
        provisioned: From the identifier to what Ref gives, and the attributes of GetAtt.
    """

    def problem(value: str) -> str | None:
        if exists(value):
            return None
        return str(changesets._IMPORT_NOT_FOUND.format(type=resource_type, value=value))

    changesets._IMPORT_LOOKUPS[resource_type] = ((identifier,), problem)
    provisioners._RESOURCE_HANDLERS[resource_type]["import"] = lambda given: provisioned(
        given[identifier]
    )


def import_streams_and_repositories() -> None:
    """Let CloudFormation adopt Kinesis streams and ECR repositories."""
    register_import(
        "AWS::Kinesis::Stream",
        "Name",
        exists=lambda name: name in kinesis._streams,
        provisioned=lambda name: (name, {"Arn": kinesis._streams[name]["StreamARN"]}),
    )
    register_import(
        "AWS::ECR::Repository",
        "RepositoryName",
        exists=lambda name: name in ecr._repositories,
        provisioned=_repository,
    )


def _repository(name: str) -> tuple[str, dict[str, Any]]:
    found = ecr._repositories[name]
    return name, {"Arn": found["repositoryArn"], "RepositoryUri": found["repositoryUri"]}


def list_tagged(service: str, tagged: Callable[[], dict[str, dict[str, str]]]) -> None:
    """Let the Resource Groups Tagging API find a service's resources, and conditions their tags.

    Args:
        service: As in ARNs.
        tagged: Tags of each resource, by ARN.
    """

    def collect() -> Iterator[tuple[str, list[dict[str, str]]]]:
        for arn, tags in tagged().items():
            yield arn, [{"Key": key, "Value": value} for key, value in tags.items()]

    tagging._COLLECTORS[service] = collect
    tagging._RESOURCE_TAG_COLLECTORS[service] = collect


def list_tagged_streams() -> None:
    """Let the Resource Groups Tagging API find Kinesis streams."""
    list_tagged(
        "kinesis",
        lambda: {each["StreamARN"]: each.get("tags", {}) for each in kinesis._streams.values()},
    )


def refuse_to_delete_used_workgroups() -> None:
    """Keep a workgroup that has queries, unless their deletion is asked for, too.

    Athena API, DeleteWorkGroup, RecursiveDeleteOption: "delete the workgroup and its contents even
    if the workgroup contains any named queries, query executions, or notebooks". The text is of
    public failures ("InvalidRequestException: WorkGroup data-platform-workgroup is not empty").
    """
    inner = athena._delete_workgroup

    def delete_workgroup(data: dict[str, Any]) -> Any:
        name = data.get("WorkGroup")
        held = [
            (store, key)
            for store in (athena._executions, athena._named_queries, athena._prepared_statements)
            for key, kept in store.items()
            if name == kept.get("WorkGroup", kept.get("WorkGroupName"))
        ]
        if held and not data.get("RecursiveDeleteOption"):
            return responses.error_response_json(
                "InvalidRequestException", f"WorkGroup {name} is not empty", 400
            )
        for store, key in held:
            del store[key]
        return inner(data)

    def delete(physical_id: str, properties: dict[str, Any]) -> None:
        recursive = str(properties.get("RecursiveDeleteOption", False)).lower() == "true"
        status, _headers, body = athena._delete_workgroup(
            {"WorkGroup": physical_id, "RecursiveDeleteOption": recursive}
        )
        if status >= 300:  # noqa: PLR2004 - HTTP's success range
            raise ValueError(str(json.loads(body)["message"]))

    athena._delete_workgroup = delete_workgroup
    provisioners._RESOURCE_HANDLERS["AWS::Athena::WorkGroup"]["delete"] = delete
