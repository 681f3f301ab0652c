"""The names in a request's parameters: an ARN's end, where it is not the text itself."""

from collections.abc import Callable, Mapping

from local_aws.adapter import queries
from local_aws.adapter.cloudformation import deployments
from local_aws.adapter.identity import identity
from local_aws.adapter.requests import Request
from local_aws.streams.kinesis import stream_of_iterator

Names = Callable[[Request, list[str]], list[str]]
# Defaults that stand for all of a kind, and are one level deeper.
QUALIFIED = {("cloudformation", "*")}


def _stacks(_request: Request, values: list[str]) -> list[str]:
    return [name if name.startswith("arn:") else f"{name}/*" for name in values]


def _change_sets(request: Request, values: list[str]) -> list[str]:
    return _stacks(request, [name for each in values if (name := deployments.stack_of(each))])


def _builds(_request: Request, values: list[str]) -> list[str]:
    """A build's id begins with its project's name; that is what IAM is asked about."""
    return [value.rpartition("/")[2].partition(":")[0] for value in values]


def _buses(request: Request, _values: list[str]) -> list[str]:
    entries = request.parameters.get("Entries")
    given = entries if isinstance(entries, list) else []
    return [
        str(entry.get("EventBusName") or "default") for entry in given if isinstance(entry, Mapping)
    ]


def _rules(request: Request, values: list[str]) -> list[str]:
    """Rules of the default bus have no bus in their ARN, others do."""
    buses = request.values("EventBusName")
    bus = buses[0].rpartition("/")[2] if buses else "default"
    return [name if bus == "default" else f"{bus}/{name}" for name in values]


def _functions(request: Request, values: list[str]) -> list[str]:
    """A name, with a version or an alias if one is given; ARNs are whole or partial."""
    names = [value.rpartition("function:")[2] for value in values]
    qualifiers = request.values("Qualifier")
    return [f"{name}:{qualifiers[0]}" if qualifiers and ":" not in name else name for name in names]


def _parameters(_request: Request, values: list[str]) -> list[str]:
    """Without the version or label that may follow a name."""
    return [
        value if value.startswith("arn:") else value.lstrip("/").partition(":")[0]
        for value in values
    ]


def _queues(_request: Request, values: list[str]) -> list[str]:
    return [value.rstrip("/").rpartition("/")[2] for value in values]


def _topics(_request: Request, values: list[str]) -> list[str]:
    """IAM knows topics, no subscriptions."""
    return [value.rpartition(":")[0] for value in values]


def _iterators(_request: Request, values: list[str]) -> list[str]:
    return [arn for value in values if (arn := stream_of_iterator(value))]


def _roles(request: Request, values: list[str]) -> list[str]:
    return [identity.path_of("role", name, request.parameters.get("Path")) for name in values]


def _users(request: Request, values: list[str]) -> list[str]:
    return [identity.path_of("user", name, request.parameters.get("Path")) for name in values]


def _policies(request: Request, values: list[str]) -> list[str]:
    return [f"{str(request.parameters.get('Path', '/'))[1:]}{name}" for name in values]


def _workgroups(_request: Request, values: list[str]) -> list[str]:
    return [name for value in values if (name := queries.workgroup_of(value))]


NAMES: dict[tuple[str, str], Names] = {
    ("athena", "QueryExecutionId"): _workgroups,
    ("athena", "QueryExecutionIds"): _workgroups,
    ("cloudformation", "StackName"): _stacks,
    ("cloudformation", "ChangeSetName"): _change_sets,
    ("codebuild", "id"): _builds,
    ("codebuild", "ids"): _builds,
    ("events", "Entries.EventBusName"): _buses,
    ("events", "Name"): _rules,
    ("events", "Rule"): _rules,
    ("iam", "PolicyName"): _policies,
    ("iam", "RoleName"): _roles,
    ("iam", "UserName"): _users,
    ("kinesis", "ShardIterator"): _iterators,
    ("lambda", "FunctionName"): _functions,
    ("sns", "SubscriptionArn"): _topics,
    ("sqs", "QueueUrl"): _queues,
    ("ssm", "Name"): _parameters,
    ("ssm", "Names"): _parameters,
    ("ssm", "Path"): _parameters,
    ("ssm", "ResourceId"): _parameters,
}
