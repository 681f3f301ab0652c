"""Queues, topics, streams, parameters, log groups and repositories under keys.

Each service asks KMS for whoever sends or reads, through itself, and names in the encryption
context what it is for. The contexts of queues, topics and streams are those of public key policies.
"""

from functools import partial

from local_aws import adapter
from local_aws.adapter.identity import actors
from local_aws.adapter.identity.actors import Actor, Caller, Service
from local_aws.adapter.keys import keyed, keyed_creations
from local_aws.adapter.keys.keyed import Refused
from local_aws.behaviours.playing import plays
from local_aws.guesses import Guess
from local_aws.keys.use import Refusal, unusable, use_denied
from local_aws.streams.kinesis import stream_of_iterator

GENERATE, DECRYPT, ENCRYPT = "kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"
# Errors of the services for KMS's (their API references; botocore's models have the shapes).
_QUEUE = {
    "AccessDeniedException": "KmsAccessDenied",
    "NotFoundException": "KmsNotFound",
    "DisabledException": "KmsDisabled",
    "KMSInvalidStateException": "KmsInvalidState",
    "InvalidKeyUsageException": "KmsInvalidKeyUsage",
}
_TOPIC = {
    "AccessDeniedException": "KMSAccessDenied",
    "NotFoundException": "KMSNotFound",
    "DisabledException": "KMSDisabled",
    "KMSInvalidStateException": "KMSInvalidState",
    "InvalidKeyUsageException": "KMSInvalidState",
}
_STREAM = {
    "AccessDeniedException": "KMSAccessDeniedException",
    "NotFoundException": "KMSNotFoundException",
    "DisabledException": "KMSDisabledException",
    "KMSInvalidStateException": "KMSInvalidStateException",
    "InvalidKeyUsageException": "KMSInvalidStateException",
}


def install() -> None:
    """Guard all of them but streams."""
    keyed.guard_queues(lambda who, arn, reads: _error(_QUEUE, queue_denied(who, arn, reads)))
    keyed.guard_topics(lambda who, arn, _reads: _error(_TOPIC, topic_denied(who, arn)))
    keyed.guard_parameters(_parameter_stored, _parameter_read)
    keyed_creations.guard_log_groups(_log_group_refused)
    keyed_creations.guard_repositories(_repository_refused)
    for action, reads in (("sqs:SendMessage", False), ("sqs:ReceiveMessage", True)):
        actors.also_needs(action, partial(queue_denied, reads=reads))
    actors.also_needs("sns:Publish", topic_denied)
    for action, reads in (
        ("kinesis:PutRecord", False),
        ("kinesis:PutRecords", False),
        ("kinesis:GetRecords", True),
    ):
        actors.also_needs(action, partial(stream_denied, reads=reads))


def install_late() -> None:
    """What comes after the services that are not ministack's own: callers, and streams."""
    keyed.note_callers()
    keyed.guard_streams(
        lambda who, arn, reads: _error(_STREAM, stream_denied(who, arn, reads)),
        stream_of_iterator,
    )


def queue_denied(actor: Actor | None, arn: str, reads: bool) -> Refusal | None:
    """Why somebody cannot send to (or receive from) a queue for its key.

    "The producer must have the kms:GenerateDataKey and kms:Decrypt permissions", the consumer
    kms:Decrypt (SQS Developer Guide, "Key management").
    """
    key, context = keyed.queue_key(arn), {"aws:sqs:arn": arn}
    if isinstance(actor, Service) and plays("queue-key-context", "lost"):
        context = {}
    return _use(actor, key, "sqs", context, reads)


def topic_denied(actor: Actor | None, arn: str) -> Refusal | None:
    """Why somebody cannot publish to a topic for its key.

    "The publisher must have the kms:GenerateDataKey and kms:Decrypt permissions" for the key (SNS
    Developer Guide, "Key management").
    """
    return _use(actor, keyed.topic_key(arn), "sns", {"aws:sns:topicArn": arn}, False)


def stream_denied(actor: Actor | None, arn: str, reads: bool) -> Refusal | None:
    """Why somebody cannot put records into a stream (or get them) for its key.

    Producers need kms:GenerateDataKey and consumers kms:Decrypt (Kinesis Developer Guide,
    "Permissions to Use User-Generated KMS Master Keys").
    """
    key, context = keyed.stream_key(arn), {"aws:kinesis:arn": arn}
    return _use(actor, key, "kinesis", context, reads, decrypts=False)


def _use(
    actor: Actor | None,
    key: str | None,
    via: str,
    context: dict[str, str],
    reads: bool,
    *,
    decrypts: bool = True,
) -> Refusal | None:
    """What a writer (a data key, and mostly its decryption) or a reader may not."""
    if key is None:
        return None
    if actor is None:
        return unusable(key)
    actions = [DECRYPT] if reads else [GENERATE, DECRYPT] if decrypts else [GENERATE]
    who = _as_kms_knows(actor, via)
    refusals = (use_denied(who, action, key, via=via, context=context) for action in actions)
    return next((refusal for refusal in refusals if refusal is not None), None)


def _as_kms_knows(actor: Actor, via: str) -> Actor:
    """EventBridge, of whose resource KMS is told nothing.

    "Adding the aws:SourceAccount and aws:SourceArn to a AWS KMS policy is not supported for
    EventBridge-to-encrypted topics" (SNS Developer Guide, "Key management").
    """
    if isinstance(actor, Service) and actor.name == "events.amazonaws.com":
        if via == "sqs" and plays("queue-key-source", "named"):
            return actor
        return Service(name=actor.name, guess=Guess.QUEUE_KEYS if via == "sqs" else None)
    return actor


def _parameter_stored(who: Caller | None, arn: str, key: str, advanced: bool) -> Refused:
    """Standard parameters are encrypted, advanced ones take a data key.

    KMS Developer Guide, "How AWS Systems Manager Parameter Store uses AWS KMS".
    """
    return _parameter(who, arn, key, GENERATE if advanced else ENCRYPT)


def _parameter_read(who: Caller | None, arn: str, key: str) -> Refused:
    return _parameter(who, arn, key, DECRYPT)


def _parameter(who: Caller | None, arn: str, key: str, action: str) -> Refused:
    why = (
        unusable(key)
        if who is None
        else use_denied(who, action, key, via="ssm", context={"PARAMETER_ARN": arn})
    )
    if why is None:
        return None
    denied = why.code == "AccessDeniedException"
    return ("AccessDeniedException" if denied else "InvalidKeyId"), why.message


def _log_group_refused(arn: str, key: str) -> Refused:
    """CloudWatch Logs itself must be allowed by the key's policy, with the group as context.

    Its words are of hashicorp/terraform-provider-aws #29282 and aws/aws-cdk #28304; the actions of
    the CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS Key Management
    Service".
    """
    logs = Service(name=f"logs.{adapter.current_region()}.amazonaws.com")
    why = unusable(key)
    for action in (ENCRYPT, DECRYPT, "kms:ReEncryptFrom", "kms:ReEncryptTo", GENERATE):
        why = why or use_denied(logs, action, key, context={"aws:logs:arn": arn})
    if why is None:
        return None
    if why.code == "InvalidKeyUsageException":
        return "InvalidParameterException", why.message
    return (
        "AccessDeniedException",
        f"The specified KMS key does not exist or is not allowed to be used with Arn '{arn}'",
    )


def _repository_refused(who: Caller | None, key: str) -> Refused:
    """ECR makes grants for itself as who creates the repository.

    Who creates it "must have the kms:CreateGrant, kms:RetireGrant, and kms:DescribeKey permission"
    (ECR User Guide, "Encryption at rest").
    """
    grants = {"kms:GrantIsForAWSResource": "true"}
    why = unusable(key)
    for action in ("kms:DescribeKey", "kms:CreateGrant", "kms:RetireGrant") if who else ():
        keys = grants if action == "kms:CreateGrant" else None
        why = why or use_denied(who, action, key, via="ecr", keys=keys) if who else why
    return None if why is None else ("KmsException", why.message)


def _error(codes: dict[str, str], why: Refusal | None) -> Refused:
    return None if why is None else (codes[why.code], why.message)
