"""Lookups in ministack's services, for rules that need them."""

import json

from ministack.core import iam_evaluator, responses
from ministack.services import athena, ecr, eventbridge, iam, lambda_svc, s3, sns, sqs, ssm

from local_aws.adapter import glue


def rule_exists(name: str, bus: str) -> bool:
    """Whether an event bus has a rule."""
    return eventbridge._rule_key(name, bus) in eventbridge._rules


def rule_targets(name: str, bus: str) -> list[str]:
    """The ids of a rule's targets."""
    found = eventbridge._targets.get(eventbridge._rule_key(name, bus)) or []
    return [str(target["Id"]) for target in found]


def bus_exists(name: str) -> bool:
    """Whether there is an event bus."""
    return name == "default" or name in eventbridge._event_buses


def bus_rules(bus: str) -> list[str]:
    """The rules of an event bus."""
    return [
        str(rule["Name"]) for rule in eventbridge._rules.values() if rule["EventBusName"] == bus
    ]


def workgroup_exists(name: str) -> bool:
    """Whether Athena has a workgroup."""
    athena._ensure_default_workgroup()  # which ministack does once it has a request
    return name in athena._workgroups


def workgroup_enabled(name: str) -> bool:
    """Whether a workgroup takes queries."""
    return str(athena._workgroups[name].get("State", "ENABLED")) == "ENABLED"


def topic_exists(arn: str) -> bool:
    """Whether there is a topic of an ARN."""
    return arn in sns._topics


def function_exists(name_or_arn: str) -> bool:
    """Whether there is a function of a name or ARN, with or without a version or alias."""
    return lambda_svc._resolve_name(name_or_arn) in lambda_svc._functions


def has_version(name_or_arn: str, version: str) -> bool:
    """Whether a function that there is has a version."""
    function = lambda_svc._functions[lambda_svc._resolve_name(name_or_arn)]
    return version == "$LATEST" or version in function.get("versions", {})


def queue_url_exists(url: str) -> bool:
    """Whether there is a queue of a URL."""
    return any(str(known).rpartition("/")[2] == url.rpartition("/")[2] for known in sqs._queues)


def queue_exists(arn: str) -> bool:
    """Whether there is a queue of an ARN."""
    return any(str(url).rpartition("/")[2] == arn.rpartition(":")[2] for url in sqs._queues)


def parameter_type(name: str) -> str | None:
    """The type of a parameter, if there is one."""
    known = ssm._parameters.get(name)
    return None if known is None else str(known["Type"])


def principal_exists(arn: str) -> bool:
    """Whether there is a user or role of an ARN, or a session's role, in the request's account."""
    if ":assumed-role/" in arn:
        return arn.split("/")[1] in iam._roles
    kind, _, path = arn.rpartition(":")[2].partition("/")
    known = {"role": iam._roles, "user": iam._users}.get(kind, {}).get(path.rpartition("/")[2])
    return known is not None and known["Arn"] == arn


def role_policy_sizes(name: str, but: str) -> int:
    """How many characters, less white space, a role's inline policies have, but for one."""
    inline = (iam._roles.get(name) or {}).get("InlinePolicies", {})
    return sum(len("".join(str(text).split())) for own, text in inline.items() if own != but)


def has_role_in_other_case(name: str) -> bool:
    """Whether a role's name differs from this one in case alone."""
    return any(name.lower() == known.lower() and name != known for known in iam._roles)


def has_user_in_other_case(name: str) -> bool:
    """Whether a user's name differs from this one in case alone."""
    return any(name.lower() == known.lower() and name != known for known in iam._users)


def has_policy_in_other_case(name: str) -> bool:
    """Whether a managed policy's name differs from this one in case alone."""
    names = [str(policy["PolicyName"]) for policy in iam._policies.values()]
    return any(name.lower() == known.lower() and name != known for known in names)


def has_inline_policies(user: str) -> bool:
    """Whether a user has policies of its own."""
    return bool(iam._user_inline_policies.get(user))


def key_user(access_key_id: str) -> str | None:
    """The user whose access key this is, if it is any's."""
    known = iam._access_keys.get(access_key_id)
    return None if known is None else str(known["UserName"])


def session_seconds(role_arn: str) -> int | None:
    """How long a role's sessions may last; None if there is no such role."""
    role = iam._roles.get(role_arn.rpartition("/")[2])
    return None if role is None else int(role.get("MaxSessionDuration") or 3600)


def policy_exists(arn: str) -> bool:
    """Whether there is a managed policy, of the account or of AWS."""
    return iam._lookup_policy(arn) is not None


def access_keys(user: str) -> int:
    """How many access keys a user has."""
    return sum(key["UserName"] == user for key in iam._access_keys.values())


def part_sizes(upload_id: str) -> dict[int, int]:
    """The bytes of a multipart upload's parts, by their numbers."""
    upload = s3._multipart_uploads.get(upload_id) or {}
    return {int(number): int(part["size"]) for number, part in upload.get("parts", {}).items()}


def is_session() -> bool:
    """Whether the caller of the request is a role's session."""
    return ":assumed-role/" in iam_evaluator.caller_arn()


def blocks_public_policies(bucket: str) -> bool:
    """Whether a bucket refuses policies that open it; a new one does (ministack: it does not)."""
    account = str(responses.get_account_id())
    record = s3._buckets.get(bucket) or {}
    configured = record.get("_public_access_block")
    blocked = s3._public_access_blocked(account, bucket, "BlockPublicPolicy")
    return not configured or bool(blocked)


def absent_version(function: str, version: str) -> str | None:
    """The ARN of a function's version that is not there; None if it, or no function, is."""
    record = lambda_svc._functions.get(function)
    if record is None or version == "$LATEST" or version in record["versions"]:
        return None
    return f"{record['config']['FunctionArn']}:{version}"


def code_digest(function: str) -> str | None:
    """The digest of a function's code."""
    record = lambda_svc._functions.get(function)
    return None if record is None else str(record["config"].get("CodeSha256"))


def has_function_policy(function: str, qualifier: str | None) -> bool:
    """Whether a function, its version or alias has a policy; so has one that is not there."""
    record = lambda_svc._functions.get(function)
    if record is None:
        return True
    arn = str(record["config"]["FunctionArn"]) + (f":{qualifier}" if qualifier else "")
    policy = (lambda_svc.function_policy_for_arn(arn) or (None,))[0]
    document = json.loads(policy) if isinstance(policy, str) else policy
    return bool((document or {}).get("Statement"))


def mapping_of(source: str, function: str) -> str | None:
    """The UUID of the mapping from an event source to a function."""
    _record, config, _name = lambda_svc._get_func_record_for_ref(function)
    arn = str((config or {}).get("FunctionArn"))
    for uuid, mapping in lambda_svc._esms.items():
        if mapping.get("EventSourceArn") == source and mapping.get("FunctionArn") == arn:
            return str(uuid)
    return None


def subscription_attributes(topic: str, protocol: str, endpoint: str) -> dict[str, str] | None:
    """What an endpoint's subscription to a topic has; None if there is none."""
    for each in (sns._topics.get(topic) or {}).get("subscriptions", ()):
        if (each["protocol"], each["endpoint"]) == (protocol, endpoint):
            return dict(each["attributes"])
    return None


def attached_policies(kind: str, name: str) -> list[str]:
    """The managed policies of a role or user."""
    known = (iam._roles if kind == "role" else iam._users).get(name) or {}
    return list(known.get("AttachedPolicies", ()))


def parameter_tier(name: str) -> str | None:
    """The tier of a parameter, if there is one."""
    known = ssm._parameters.get(name)
    return None if known is None else str(known.get("Tier", "Standard"))


def bucket_exists(name: str) -> bool:
    """Whether there is a bucket."""
    return name in s3._buckets


def account() -> str:
    """The account of the request."""
    return str(responses.get_account_id())


def image_exists(repository: str, digest: str | None, tag: str | None) -> bool:
    """Whether a repository, if it is there, has an image of a digest, a tag, or both."""
    return repository not in ecr._repositories or any(
        (digest is None or image.get("imageDigest") == digest)
        and (tag is None or tag in image.get("imageTags", ()) or image.get("imageTag") == tag)
        for image in ecr._images.get(repository, ())
    )


def query_exists(query_id: str) -> bool:
    """Whether Athena knows a query."""
    return query_id in athena._executions


def partition_keys(database: str, table: str) -> int | None:
    """How many partition keys a table has, if it is there."""
    found = glue.get_table(database, table)
    return None if found is None else len(found.get("PartitionKeys") or ())
